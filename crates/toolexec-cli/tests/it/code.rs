//! `code` and `repl`, with the native guest: every example of docs/code.md among them.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::program::Place;
use crate::rpc::Rpc;

/// The program runs code without isolation.
pub(crate) const DEV: [&str; 3] = ["--profile", "dev", "--allow-unsafe"];

/// The exit code, the document on stdout, and stderr.
fn outcome(args: &[&str], input: &str) -> (Option<i32>, Value, String) {
    let (code, out, err) = run(&[args, &["--format", "json"]].concat(), input);
    (code, serde_json::from_str(&out).unwrap_or(Value::Null), err)
}

/// The exit code, stdout and stderr of a command that reads `input`.
pub(crate) fn run(args: &[&str], input: &str) -> (Option<i32>, String, String) {
    use std::io::Write;

    let place = Place::new();
    let mut child = place
        .command(&[args, &DEV].concat())
        .env("TOOLEXEC_GUEST", toolexec_testkit::build::guest())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// The examples of a page: language, text, value.
fn examples(page: &str) -> Vec<(&str, &str, Value)> {
    let mut found = Vec::new();
    for part in page.split("<!-- value: ").skip(1) {
        let (value, rest) = part.split_once(" -->\n```").unwrap();
        let (language, rest) = rest.split_once('\n').unwrap();
        let (text, _) = rest.split_once("\n```").unwrap();
        found.push((language, text, serde_json::from_str(value).unwrap()));
    }
    found
}

#[test]
fn the_examples_of_the_page_have_their_values() {
    let examples = examples(include_str!("../../../../docs/code.md"));
    assert_eq!(examples.len(), 6);
    for (language, text, value) in examples {
        let (code, document, err) = outcome(&["code", "--lang", language, "-"], text);
        assert_eq!(document["value"], value, "{language}: {document:#} {err}");
        assert_eq!((code, document["v"].clone()), (Some(0), json!(1)));
    }
}

#[test]
fn the_configuration_says_what_programs_get_and_flags_win_over_it() {
    let config = "[code]\nprofile = \"dev\"\nallow_unsafe = true\nlimits.tool_calls = 1\n\
                  maximum.tool_calls = 2\n";
    let program = "await tools.math.add({a: 1, b: 1}); return await tools.math.add({a: 1, b: 1})";
    let run = |flags: &[&str]| {
        let place = Place::with_config(config);
        let output = place
            .command(&[&["code", "-e", program], flags].concat())
            .env("TOOLEXEC_GUEST", toolexec_testkit::build::guest())
            .output()
            .unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        let first = err.lines().next().unwrap_or_default().to_owned();
        (output.status.code(), first)
    };
    let (code, first) = run(&[]);
    assert_eq!(
        (code, &*first),
        (
            Some(5),
            "error: the program exceeded its tool_calls limit of 1 (2 used)"
        ),
    );
    assert_eq!(
        run(&["--max-tool-calls", "2", "-q"]),
        (Some(0), String::new())
    );
    assert_eq!(
        run(&["--max-tool-calls", "3"]),
        (
            Some(3),
            "error: tool_calls of 3 was asked for; at most 2 is allowed".to_owned()
        )
    );
}

#[test]
fn a_source_that_is_not_there_is_told() {
    let config = "[servers.gone]\ncommand = \"no-such-program-anywhere\"\n";
    let run = |program: &str| {
        let place = Place::with_config(config);
        let output = place
            .command(&[&["code", "-e", program], &DEV[..]].concat())
            .env("TOOLEXEC_GUEST", toolexec_testkit::build::guest())
            .output()
            .unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        let first = err.lines().next().unwrap_or_default().to_owned();
        (output.status.code(), first)
    };
    let why =
        "MCP server gone cannot be started: program \"no-such-program-anywhere\" was not found";
    assert_eq!(
        run("return (await tools.search('add', 1)).length"),
        (
            Some(0),
            format!("warning: the tools of mcp/gone are not there: {why}")
        )
    );
    assert_eq!(
        run("return await tools.gone.something({})"),
        (Some(3), format!("error: {why}"))
    );
}

#[test]
fn people_see_prints_the_value_and_a_timeline() {
    let program = "console.log('hi'); const a = await tools.math.add({a: 5, b: 3}); return a";
    let (code, out, err) = run(&["code", "-e", program], "");
    assert_eq!((code, &*out), (Some(0), "hi\n8\n"), "{err}");
    let lines: Vec<&str> = err.lines().collect();
    let [call, summary] = lines[..] else {
        panic!("{err}")
    };
    assert!(call.contains('█') && call.contains(" math:add "), "{err}");
    assert!(
        summary.starts_with("1 tool calls, up to 1 at once, in "),
        "{err}"
    );
    let (_, out, err) = run(&["code", "-q", "-e", program], "");
    assert_eq!((&*out, &*err), ("hi\n8\n", ""));
}

#[test]
fn a_wrong_program_is_refused_before_any_tool_ran() {
    let program = "await tools.demo.count({to: 2});\nawait tools.math.ad({a: 1})";
    for flags in [&["code"][..], &["code", "--check"]] {
        let (code, out, err) = run(&[flags, &["-e", program]].concat(), "");
        assert_eq!((code, &*out), (Some(3), ""), "{err}");
        assert_eq!(
            err,
            "error: there is no tool math:ad\n  2 | await tools.math.ad({a: 1})\n    |       ^\nhint: did you mean math:add?\n"
        );
    }
    let (code, document, _) = outcome(&["code", "-e", program], "");
    assert_eq!(code, Some(3));
    assert_eq!(document["error"]["kind"], "check");
    assert_eq!(document["calls"], json!([]));
}

#[test]
fn limits_are_named_and_have_their_exit_code() {
    let cases: [(&[&str], &str, &str); 3] = [
        (&["--timeout", "1s"], "for (;;) {}", "run_time"),
        (
            &["--max-tool-calls", "2"],
            "for (;;) await tools.math.add({a: 1, b: 1})",
            "tool_calls",
        ),
        (
            &["--max-output", "1k"],
            "for (;;) console.log('x'.repeat(100))",
            "output",
        ),
    ];
    for (flags, program, limit) in cases {
        let (code, document, err) = outcome(&[&["code", "-e", program], flags].concat(), "");
        assert_eq!(code, Some(5), "{document:#} {err}");
        assert_eq!(document["error"]["limit"]["name"], limit, "{document:#}");
    }
}

#[test]
fn inputs_are_globals_and_exceptions_show_their_place() {
    let args = [
        "code",
        "-e",
        "n + extra.length",
        "-i",
        "n:=40",
        "-i",
        "extra=ab",
    ];
    let (code, out, err) = run(&args, "");
    assert_eq!((code, &*out), (Some(0), "42\n"), "{err}");
    let (code, out, err) = run(&["code", "--lang", "python", "-"], "x = 1\nx.nothing\n");
    assert_eq!((code, &*out), (Some(1), ""));
    assert!(
        err.starts_with("error: AttributeError: ") && err.contains("  2 | x.nothing\n"),
        "{err}"
    );
}

#[test]
fn a_stream_ends_with_the_outcome() {
    let program = "console.log('a'); await tools.math.add({a: 1, b: 2})";
    let args = ["code", "--stream", "--format", "jsonl", "-e", program];
    let (code, out, err) = run(&args, "");
    assert_eq!(code, Some(0), "{err}");
    let events: Vec<Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let names: Vec<&str> = events
        .iter()
        .map(|event| event["event"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        ["started", "print", "call_started", "call_ended", "done"]
    );
    assert_eq!(events[4]["outcome"]["value"], 3);
}

#[test]
fn what_is_not_allowed_or_not_there_says_so() {
    let place = Place::new();
    let (denied, go) = (
        place.output(&["code", "--profile", "dev", "-e", "1"], ""),
        place.output(&["code", "--lang", "go", "-e", "1"], ""),
    );
    assert_eq!((denied.status.code(), go.status.code()), (Some(4), Some(6)));
    place.write(
        "toolexec.toml",
        "[code]\ncandidates.hardened = [\"firecracker\"]\n",
    );
    let hardened = place.output(&["code", "--profile", "hardened", "-e", "1"], "");
    assert_eq!(hardened.status.code(), Some(6));
}

#[test]
fn a_file_whose_name_says_no_language_and_one_that_is_no_text_are_refused() {
    let place = Place::new();
    place.write("program.rb", "1");
    std::fs::write(place.path().join("binary.js"), b"'a\xff'").unwrap();
    let run = |name: &str| {
        let output = place.command(&["code", name]).output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), err)
    };
    assert_eq!(
        run("program.rb"),
        (
            Some(2),
            "error: the name of program.rb says no language\n\
             hint: say it: --lang javascript, typescript, python, script or wasm\n"
                .to_owned()
        )
    );
    assert_eq!(
        run("binary.js"),
        (
            Some(2),
            "error: binary.js is not text in UTF-8: byte 2 is not part of a character\n".to_owned()
        )
    );
}

/// Runs a command line in a place where these files are.
fn wasm(files: &[(&str, &[u8])], args: &[&str]) -> (Option<i32>, String, String) {
    let place = Place::new();
    for (name, bytes) in files {
        std::fs::write(place.path().join(name), bytes).unwrap();
    }
    let output = place.command(args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn a_module_is_a_program_as_bytes_and_as_base64() {
    let add = include_bytes!("../../../toolexec/examples/call.wasm");
    let empty = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
    for (file, bytes, args, expected) in [
        ("add.wasm", &add[..], vec!["code", "add.wasm"], "8\n"),
        ("empty.wasm", &empty, vec!["code", "empty.wasm"], ""),
        (
            "empty.txt",
            b"AGFzbQEAAAA=\n",
            vec!["code", "--lang", "wasm", "empty.txt"],
            "",
        ),
        (
            "none",
            b"",
            vec!["code", "--lang", "wasm", "-e", "AGFzbQEAAAA="],
            "",
        ),
    ] {
        let (code, out, err) = wasm(&[(file, bytes)], &args);
        assert_eq!((code, out.as_str()), (Some(0), expected), "{args:?}: {err}");
    }
}

/// The same over MCP, where text is all that can be sent.
#[test]
fn a_client_sends_a_module_as_base64() {
    let mut rpc = Rpc::start(&Place::new(), &[]);
    let mut answer = |code: &str, inputs: Value| {
        let args = json!({"language": "wasm", "code": code, "inputs": inputs});
        let result = rpc.call("execute_code", &args);
        let answer = &result["structuredContent"];
        (result["isError"].clone(), answer["value"].clone())
    };
    let encoded = |bytes: &[u8]| BASE64_STANDARD.encode(bytes);
    let call = encoded(include_bytes!("../../../toolexec/examples/call.wasm"));
    let component = encoded(include_bytes!("../../../toolexec/examples/component.wasm"));
    assert_eq!(
        answer("AGFzbQEAAAA=", json!({})),
        (json!(false), Value::Null)
    );
    assert_eq!(answer(&call, json!({})), (json!(false), json!(8)));
    let inputs = json!({"a": 2, "b": 7});
    assert_eq!(answer(&component, inputs), (json!(false), json!(9)));
    assert_eq!(answer("no base64!", json!({})), (json!(true), Value::Null));
}

#[test]
fn a_module_that_is_none_says_so() {
    let (code, _, err) = wasm(&[("a.wasm", b"\x7fELF\xff")], &["code", "a.wasm"]);
    let first = err.lines().next().unwrap_or_default();
    assert_eq!(
        (code, first),
        (
            Some(3),
            "error: this is no WebAssembly: it begins with 7f 45 4c 46"
        )
    );
    let (code, _, err) = wasm(&[("a.wasm", b"(module)")], &["code", "a.wasm"]);
    let first = err.lines().next().unwrap_or_default();
    assert_eq!(
        (code, first),
        (
            Some(3),
            "error: the module is in the text format, which is not supported"
        )
    );
}
