//! Bash.

use serde_json::{Value, json};
use toolexec_wire::{FailureKind, Language};

use super::{Place, run, value};
use crate::harness::program;

#[test]
fn a_script_calls_tools() {
    let source = r#"
        sum=$(tool math:add a=1 b="$n")
        tool -r echo:x text="two words" | head -c 100 >&2
        for i in 1 2 3; do tool echo:x n=$i > /dev/null & done; wait
        if ! tool fail:busy 2> errors; then cat errors; fi
        tool search add things
        bash -c 'tool namespaces'
        echo '{"a": 2, "b": 3}' | tool math:add -
        result "$sum"
    "#;
    let mut start = program(Language::Bash, source);
    start.inputs = serde_json::from_value(json!({"n": 4})).unwrap();
    let ran = run(&[], start);
    assert_eq!(ran.result, Ok(json!({"result": 5})));
    assert_eq!(
        ran.stdout,
        "tool: busy: busy happened\n[{\"query\":\"add things\",\"limit\":null}]\n[\"math\",\"echo\"]\n{\"result\":5}\n"
    );
    assert_eq!(ran.stderr, "{\"text\":\"two words\"}\n");
}

#[test]
fn the_value_is_a_result_or_a_variable() {
    let of = |source: &str| value(&[], Language::Bash, source);
    assert_eq!(of("result 1\nresult two words"), json!("two words"));
    assert_eq!(of("__out='[1, 2]'"), json!([1, 2]));
    assert_eq!(of("echo '{\"a\": 1}' | result -"), json!({"a": 1}));
    assert_eq!(of("echo printed"), Value::Null);
}

#[test]
fn a_script_that_fails_says_where() {
    let ran = run(
        &[],
        program(
            Language::Bash,
            "result 1\nset -e\nno-such-command\nresult 2",
        ),
    );
    assert_eq!(
        ran.stderr,
        "main.sh: line 3: no-such-command: command not found\n"
    );
    let failure = ran.failure();
    assert_eq!(
        (failure.kind, failure.line, failure.message.as_str()),
        (
            FailureKind::Exception,
            Some(3),
            "the program ended with status 127: no-such-command: command not found"
        )
    );
}

#[test]
fn its_syntax_is_checked() {
    let mut place = Place::new(&[]);
    let (problems, _) = place
        .guest()
        .check(program(Language::Bash, "echo a\nif true; then fi"));
    let told: Vec<_> = problems
        .iter()
        .map(|problem| (problem.kind, problem.line, problem.message.as_str()))
        .collect();
    assert_eq!(
        told,
        [(
            FailureKind::Syntax,
            Some(2),
            "syntax error near unexpected token `fi'"
        )]
    );
    assert_eq!(
        place.guest().check(program(Language::Bash, "echo a")),
        (Vec::new(), Vec::new())
    );
    place.end();
}

#[test]
fn logs_and_progress_are_told() {
    let ran = run(
        &[],
        program(
            Language::Bash,
            "tool log warning '{\"a\": 1}'\ntool progress 1 2 half way",
        ),
    );
    assert_eq!(ran.logs, [("warning".to_owned(), json!({"a": 1}))]);
    assert_eq!(
        ran.progress,
        [(1.0, Some(2.0), Some("half way".to_owned()))]
    );
}
