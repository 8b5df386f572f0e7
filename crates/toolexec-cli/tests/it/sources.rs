//! Servers, APIs and their faults, from the configuration to the result.

use std::time::{Duration, Instant};

use crate::program::{Place, assert_transcript};

/// The notes server is this program too.
fn notes() -> String {
    format!(
        "[servers.notes]\ncommand = {:?}\nargs = [\"demo-mcp-server\"]\n",
        env!("CARGO_BIN_EXE_toolexec")
    )
}

#[test]
fn an_mcp_server_is_listed_and_called() {
    let place = Place::with_config(&notes());
    let list = place.transcript(&["list", "--namespace", "notes"]);
    let run = place.transcript(&["run", "notes:create_note", "title=Milk", "text=Buy two"]);
    let failed = place.transcript(&["run", "notes:create_note", "title="]);
    assert_transcript!(format!("{list}\n{run}\n{failed}"));
}

#[test]
fn doctor_says_what_is_wrong_with_each_source() {
    let place = Place::with_config(&format!(
        "{}\n[servers.off]\ncommand = \"x\"\nenabled = false\n\n\
         [servers.absent]\ncommand = \"no-such-program\"\n\n\
         [servers.unset]\ncommand = \"x\"\nenv.KEY = \"${{TOOLEXEC_NO_SUCH_VARIABLE}}\"\n\n\
         [servers.dies]\ncommand = \"sh\"\nargs = [\"-c\", \"echo no licence >&2; exit 3\"]\n\n\
         [apis.gone]\nspec = \"gone.json\"\n",
        notes()
    ));
    assert_transcript!(place.transcript(&["doctor"]));
}

#[test]
fn doctor_as_json() {
    let place = Place::with_config(&notes());
    assert_transcript!(place.transcript(&["doctor", "notes", "--format", "json"]));
    let unknown = place.output(&["doctor", "nope"], "");
    assert_eq!(unknown.status.code(), Some(3));
}

#[test]
fn a_broken_source_hides_no_other_and_says_so() {
    let place = Place::with_config("[servers.absent]\ncommand = \"no-such-program\"\n");
    let list = place.transcript(&["list", "--namespace", "math"]);
    let run = place.transcript(&["run", "absent:anything"]);
    assert_transcript!(format!("{list}\n{run}"));
}

#[test]
fn a_local_tool_starts_no_server() {
    let place = Place::with_config(
        "[servers.slow]\ncommand = \"sh\"\nargs = [\"-c\", \"touch started; sleep 60\"]\n",
    );
    let started = Instant::now();
    let output = place.output(&["run", "math:add", "a=1", "b=2"], "");
    assert_eq!(output.stdout, b"3\n");
    assert!(!place.path().join("started").exists());
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_slow_source_ends_with_the_timeout() {
    let place =
        Place::with_config("[servers.slow]\ncommand = \"sh\"\nargs = [\"-c\", \"sleep 60\"]\n");
    assert_transcript!(place.transcript(&["list", "--timeout", "300ms"]));
}

#[test]
fn a_broken_configuration_says_file_line_and_what_was_expected() {
    let place = Place::with_config("[run]\ntimeout = \"60s\"\nchek_input = \"warn\"\n");
    let human = place.transcript(&["list"]);
    let json = place.transcript(&["list", "--format", "json"]);
    assert_transcript!(format!("{human}\n{json}"));
}

#[test]
fn the_configuration_is_found_above_by_variable_and_by_flag() {
    let place = Place::with_config("[run]\ntimeout = 1\n");
    std::fs::create_dir(place.path().join("below")).unwrap();
    let mut below = place.command(&["list"]);
    let above = below
        .current_dir(place.path().join("below"))
        .output()
        .unwrap();
    assert_eq!(above.status.code(), Some(2));
    place.write("good.toml", "[builtin]\nenabled = false\n");
    let by_flag = place.transcript(&["list", "--config", "good.toml"]);
    let mut by_variable = place.command(&["list"]);
    let by_variable = by_variable
        .env("TOOLEXEC_CONFIG", "good.toml")
        .output()
        .unwrap();
    assert_eq!(
        (by_variable.status.code(), by_variable.stdout),
        (Some(0), Vec::new())
    );
    let missing = place.transcript(&["list", "--config", "none.toml"]);
    assert_transcript!(format!("{by_flag}\n{missing}"));
}

#[test]
fn doctor_does_not_wait_longer_than_told_and_still_reports() {
    let place = Place::with_config(&format!(
        "{}\n[servers.slow]\ncommand = \"sh\"\nargs = [\"-c\", \"sleep 60\"]\n",
        notes()
    ));
    assert_transcript!(place.transcript(&["doctor", "--timeout", "3s"]));
}

#[test]
fn a_program_is_a_tool() {
    let place = Place::with_config(
        "[commands.lines]\nprogram = \"wc\"\nargs = [\"-l\", \"--\", \"{{file}}\"]\n\
         description = \"Counts the lines of a file.\"\n\n\
         [commands.lines_of_input]\nprogram = \"wc\"\nargs = [\"-l\"]\nstdin = \"{{text}}\"\n\
         namespace = \"text\"\n",
    );
    place.write("three.txt", "a\nb\nc\n");
    let describe = place.transcript(&["describe", "commands:lines"]);
    let run = place.transcript(&["run", "commands:lines", "file=three.txt"]);
    let failed = place.transcript(&["run", "commands:lines", "file=nothing.txt"]);
    let input = place.transcript(&["run", "text:lines_of_input", "text=one\ntwo\n"]);
    assert_transcript!(format!("{describe}\n{run}\n{failed}\n{input}"));
}
