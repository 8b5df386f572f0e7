//! `run` and `chain`.

use serde_json::{Value, json};

use crate::program::{Place, assert_transcript};

macro_rules! transcripts {
    ($($name:ident: $args:expr;)*) => {
        $(
            #[test]
            fn $name() {
                assert_transcript!(Place::new().transcript(&$args));
            }
        )*
    };
}

transcripts! {
    run_with_key_value: ["run", "math:add", "a=5", "b=3"];
    run_with_json: ["run", "math:add", "{\"a\": 5, \"b\": 3.5}"];
    run_with_json_values: ["run", "math:sum", "numbers:=[1,2,3]"];
    run_with_a_repeated_key: ["run", "math:sum", "numbers=1", "numbers=2"];
    run_verbose: ["run", "math:add", "a=5", "b=3", "-v"];
    run_as_json: ["run", "math:add", "a=5", "b=3", "--format", "json"];
    run_as_jsonl: ["run", "math:add", "a=5", "b=3", "--format", "jsonl"];
    run_of_text_prints_text: ["run", "text:upper", "text=hello"];
    run_of_an_object: ["run", "text:stats", "text=to be or not"];
    run_stream: ["run", "demo:count", "to=2", "delay_ms=1", "--stream"];
    run_stream_as_jsonl: ["run", "demo:count", "to=1", "delay_ms=1", "--stream", "--format", "jsonl"];
    run_of_an_unknown_tool: ["run", "math:ad", "a=5", "b=3"];
    run_of_an_unknown_tool_as_json: ["run", "math:ad", "--format", "json"];
    run_of_no_tool_id: ["run", "a b"];
    run_with_wrong_types: ["run", "math:add", "a=five", "c=1"];
    run_with_wrong_types_as_json: ["run", "math:add", "a=five", "--format", "json"];
    run_with_a_word_that_is_no_argument: ["run", "math:add", "5"];
    run_with_broken_json: ["run", "math:add", "a:=five"];
    run_whose_tool_fails: ["run", "math:divide", "a=1", "b=0"];
    run_whose_tool_fails_as_json: ["run", "math:divide", "a=1", "b=0", "--format", "json"];
    run_that_takes_too_long: ["run", "time:sleep", "seconds=30", "--timeout", "50ms"];
    run_on_a_backend_that_is_not_there: ["run", "math:add", "a=1", "b=2", "--backend", "mcp"];
    run_quiet: ["run", "demo:count", "to=1", "delay_ms=1", "--stream", "-q"];
    chain_of_steps: ["chain", "math:add a=2 b=3", "math:multiply a={{prev}} b=10"];
    chain_as_json: ["chain", "math:add a=2 b=3", "math:multiply a={{prev}} b=10", "--format", "json"];
    chain_stream: ["chain", "math:add a=2 b=3", "math:add a={{prev}} b=1", "--stream"];
    chain_that_fails: ["chain", "math:add a=2 b=3", "math:divide a={{prev}} b=0", "math:add a={{prev}} b=1"];
    chain_with_a_wrong_path: ["chain", "text:stats text=a", "math:add a={{prev.nothing}} b=1"];
    chain_with_an_unknown_tool: ["chain", "math:add a=2 b=3", "math:nope"];
    chain_that_is_none: ["chain", "{\"steps\": 5}"];
    chain_in_parallel: ["chain", "[{\"parallel\": [{\"tool\": \"math:add\", \"args\": {\"a\": 1, \"b\": 2}}, {\"tool\": \"math:multiply\", \"args\": {\"a\": 3, \"b\": 4}}]}, {\"for_each\": \"{{prev}}\", \"tool\": \"math:add\", \"args\": {\"a\": \"{{item}}\", \"b\": 100}}]"];
}

#[test]
fn run_reads_standard_input_and_files() {
    let place = Place::new();
    place.write("args.json", "{\"a\": 1, \"b\": 2}");
    let from_file = place.output(&["run", "math:add", "@args.json", "b=10"], "");
    assert_eq!(from_file.stdout, b"11\n");
    let from_input = place.output(&["run", "math:add", "-"], "{\"a\": 4, \"b\": 5}");
    assert_eq!(from_input.stdout, b"9\n");
    let chain = json!([{ "tool": "math:add", "args": { "a": 1, "b": 1 } }]).to_string();
    let from_input = place.output(&["chain", "-"], &chain);
    assert_eq!(from_input.stdout, b"2\n");
}

/// Reads the JSON with types of its own, so that a renamed field is noticed.
#[test]
fn the_json_of_a_result_can_be_read() {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Result {
        value: Value,
        is_error: bool,
        tool: String,
        backend: Backend,
        duration_ms: f64,
    }
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Backend {
        kind: String,
        name: String,
    }
    let args = ["run", "math:add", "a=5", "b=3", "--format", "json"];
    let output = Place::new().output(&args, "");
    let result: Result = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(result.value, json!(8));
    assert!(!result.is_error && result.duration_ms < 1000.0);
    let names = (&*result.tool, &*result.backend.kind, &*result.backend.name);
    assert_eq!(names, ("math:add", "local", "math"));
}

#[test]
fn time_now_knows_zones() {
    let place = Place::new();
    let utc = place.output(&["run", "time:now", "--format", "jsonl"], "");
    let result: Value = serde_json::from_slice(&utc.stdout).unwrap();
    assert_eq!(result["value"]["zone"], "UTC");
    let wrong = place.output(&["run", "time:now", "zone=Nowhere/Else"], "");
    assert_eq!(wrong.status.code(), Some(1));
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let place = Place::new();
    let mut child = place
        .command(&["list", "--format", "jsonl"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
}
