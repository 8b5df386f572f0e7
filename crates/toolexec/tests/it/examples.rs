//! The examples run and print what they should.

use std::path::PathBuf;
use std::process::Command;

/// Runs an example that `cargo test` has built beside this test.
fn run(name: &str) -> Vec<String> {
    let mut directory: PathBuf = std::env::current_exe().unwrap();
    directory.pop();
    if directory.ends_with("deps") {
        directory.pop();
    }
    let program = directory.join("examples").join(name);
    assert!(
        program.exists(),
        "the example is not built: run `cargo build -p toolexec --examples` first"
    );
    #[expect(
        clippy::disallowed_methods,
        reason = "runs a program of this crate, in a test"
    )]
    let output = Command::new(program).env("PATH", path()).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// Where programs are, the Go of the peers first.
fn path() -> std::ffi::OsString {
    let go = toolexec_testkit::peers::go().ok();
    let go = go.as_ref().and_then(|go| go.parent()).map(PathBuf::from);
    let own = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(go.into_iter().chain(std::env::split_paths(&own))).unwrap()
}

#[test]
fn basic_prints_8_first() {
    assert_eq!(
        run("basic"),
        [
            "8",
            "found math:add (Adds two numbers)",
            "example arguments: {\"a\":1,\"b\":1}",
            "refused: the arguments of math:add do not fit its input schema (2 problems)",
            "  /a: expected type number, found a string of 4 characters",
            "  /b: expected a value (it is required), found nothing",
        ]
    );
}

#[test]
fn chain_feeds_each_step_from_the_one_before() {
    assert_eq!(
        run("chain"),
        [
            "final result: {\"issue\":17,\"labels\":[\"bug\"]}",
            "steps[0]: github:create_issue -> {\"number\":17,\"title\":\"Bug report\"}",
            "steps[1]: github:add_labels -> {\"issue\":17,\"labels\":[\"bug\"]}",
            "with templates: {\"issue\":17,\"labels\":[\"bug\",\"for #17\"]}",
            "in parallel, then for each: [{\"number\":17,\"title\":\"Part 0: bug\"},\
             {\"number\":17,\"title\":\"Part 1: urgent\"}]",
        ]
    );
}

#[test]
fn discovery_finds_tools_for_every_query() {
    let lines = run("discovery");
    let found = |query: &str| {
        let at = lines
            .iter()
            .position(|line| line.starts_with(query))
            .unwrap();
        lines[at + 1].split_whitespace().nth(1).unwrap().to_owned()
    };
    assert!(found("\"file operations\"").starts_with("files:"));
    assert_eq!(found("\"rename\""), "files:move_file");
    assert_eq!(found("\"show me the contents\""), "files:read_file");
    assert_eq!(
        lines.last().unwrap(),
        "there is no tool files:mov_file; did you mean files:move_file?"
    );
}

#[test]
fn streaming_shows_every_event_and_stops_in_time() {
    assert_eq!(
        run("streaming"),
        [
            "started demo:count on local/demo",
            "log \"counting to 3\"",
            "progress 1 of Some(3.0)",
            "chunk 1",
            "progress 2 of Some(3.0)",
            "chunk 2",
            "progress 3 of Some(3.0)",
            "chunk 3",
            "done: 3",
            "stopped: the call did not end before its deadline (timeout)",
        ]
    );
}

#[test]
fn full_shows_everything_together() {
    assert_eq!(
        run("full"),
        [
            "Registered math:double",
            "bank:convert: Rates are those of the day.",
            "refused: calling bank:convert is denied: amounts over 1000 are for the treasurer",
            "allowed: {\"amount\":4500,\"currency\":\"EUR\"}",
            "chained: 18",
            "streamed: 42",
        ]
    );
}

#[cfg(feature = "sandbox")]
#[test]
fn runtime_runs_programs_within_limits() {
    toolexec_testkit::build::guest();
    let (go, lines): (Vec<_>, Vec<_>) = run("runtime")
        .into_iter()
        .partition(|line| line.starts_with("go: "));
    if toolexec_testkit::require(toolexec_testkit::peers::go()).is_some() {
        assert_eq!(go, ["go: 3 in host", "go: 2 in host"]);
    }
    assert_eq!(
        lines,
        [
            "{\"sums\":[11,12,13],\"total\":23} after 4 calls in wasm",
            "2",
            "ended: the program exceeded its tool_calls limit of 3 (4 used)",
            "null from wasm",
            "null",
            "8",
            "8",
            "refused: the dev profile runs programs without isolation and is not allowed here",
        ]
    );
}
