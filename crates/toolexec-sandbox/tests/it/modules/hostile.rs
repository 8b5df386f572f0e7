//! Modules that mean ill. After each, the sandbox runs the next module.

use std::time::Duration;

use serde_json::{Value, json};
use toolexec_core::code::{CodeExecutor, Submission};
use toolexec_core::sandbox::{LimitName, Limits};

use super::{PRELUDE, ended, executor, failed, limited, outcome, wasm, with_prelude};
use crate::support::{Tools, run};

fn small() -> Limits {
    Limits {
        run_time: Some(Duration::from_millis(500)),
        memory: Some(4 << 20),
        output: Some(10_000),
        tool_calls: Some(5),
        ..Limits::default()
    }
}

async fn still_serves(executor: &CodeExecutor) {
    let ran = run(executor, Submission::module(wasm("(module)"))).await;
    assert_eq!(ended(&ran), (Value::Null, None));
}

#[tokio::test]
async fn limits_end_modules_that_exceed_them() {
    let executor = executor(&Tools::new());
    let call = "(call $call (i32.const 16) (i32.const 8) (i32.const 32) (i32.const 16))";
    for (text, expected) in [
        // Time: a loop, an endless start, an endless initialiser.
        (
            "(func (export \"run\") (loop $l (br $l)))".to_owned(),
            LimitName::RunTime,
        ),
        (
            "(func $go (loop $l (br $l))) (start $go)".to_owned(),
            LimitName::RunTime,
        ),
        (
            "(func (export \"_initialize\") (loop $l (br $l))) (func (export \"run\"))".to_owned(),
            LimitName::RunTime,
        ),
        // Memory: by growing it, by growing a table, at once, and by recursion.
        (
            "(func (export \"run\") (loop $l
                (br_if $l (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable)"
                .to_owned(),
            LimitName::Memory,
        ),
        (
            "(table $t 0 funcref) (func (export \"run\") (loop $l
                (br_if $l (i32.ne (table.grow $t (ref.null func) (i32.const 9000))
                    (i32.const -1)))) unreachable)"
                .to_owned(),
            LimitName::Memory,
        ),
        (
            "(memory $huge 65536) (func (export \"run\"))".to_owned(),
            LimitName::Memory,
        ),
        (
            "(table $t 10000000 funcref) (func (export \"run\"))".to_owned(),
            LimitName::Memory,
        ),
        (
            "(func $down (call $down) (call $down)) (export \"run\" (func $down))".to_owned(),
            LimitName::Memory,
        ),
        // Calls and output.
        (
            format!("(func (export \"run\") (loop $l (drop (call $wait {call})) (br $l)))"),
            LimitName::ToolCalls,
        ),
        (
            format!("(func (export \"run\") (loop $l (drop {call}) (br $l)))"),
            LimitName::ToolCalls,
        ),
        (
            "(func (export \"run\") (loop $l (call $print (i32.const 0) (i32.const 4096)) (br $l)))"
                .to_owned(),
            LimitName::Output,
        ),
    ] {
        let submission = Submission::module(with_prelude(&text)).limits(small());
        let ran = run(&executor, submission).await;
        let limit = ran.error.as_ref().and_then(|error| error.limit);
        let name = limit.map(|excess| excess.name);
        assert_eq!(name, Some(expected), "{text}: {:?}", ran.error);
        still_serves(&executor).await;
    }
}

#[tokio::test]
async fn answers_that_nobody_reads_count() {
    let search = "(func (export \"run\") (loop $l
        (drop (call $wait (call $search (i32.const 16) (i32.const 8) (i32.const 0)))) (br $l)))";
    let limits = Limits {
        memory: Some(100_000),
        ..Limits::default()
    };
    let ran = limited(with_prelude(search), limits).await;
    let limit = ran.error.as_ref().and_then(|error| error.limit);
    assert_eq!(limit.map(|excess| excess.name), Some(LimitName::Memory));
}

#[tokio::test]
async fn memories_count_together() {
    // Each of them alone is within the limit.
    let memories = "(memory 20)".repeat(10);
    let ran = limited(wasm(&format!("(module {memories})")), small()).await;
    let limit = ran.error.as_ref().and_then(|error| error.limit);
    assert_eq!(limit.map(|excess| excess.name), Some(LimitName::Memory));
}

#[tokio::test]
async fn no_function_reads_or_writes_outside_of_the_memory() {
    let far = "(i32.const -16) (i32.const 32)";
    for (call, what) in [
        (
            format!("(drop (call $call {far} (i32.const 32) (i32.const 16)))"),
            "toolexec.call: the tool",
        ),
        (
            format!("(drop (call $call (i32.const 16) (i32.const 8) {far}))"),
            "toolexec.call: the arguments",
        ),
        (
            format!("(drop (call $chain {far}))"),
            "toolexec.chain: the steps",
        ),
        (
            format!("(drop (call $search {far} (i32.const 0)))"),
            "toolexec.search: the query",
        ),
        (
            format!("(drop (call $describe {far} (i32.const 0) (i32.const 0)))"),
            "toolexec.describe: the tool",
        ),
        (
            format!("(drop (call $describe (i32.const 16) (i32.const 8) {far}))"),
            "toolexec.describe: the detail",
        ),
        (
            "(drop (call $wait_any (i32.const -16) (i32.const 8)))".to_owned(),
            "toolexec.wait_any: the handles",
        ),
        (
            format!("(drop (call $read (call $sleep (i32.const 0)) {far}))"),
            "toolexec.read: the buffer",
        ),
        (format!("(call $print {far})"), "toolexec.print: the text"),
        (
            format!("(call $result {far})"),
            "toolexec.result: the value",
        ),
        (format!("(call $fail {far})"), "toolexec.fail: the message"),
    ] {
        let ran = outcome(with_prelude(&format!("(func (export \"run\") {call})"))).await;
        let message = format!(
            "{what}: 32 bytes at 4294967280 are outside of the module's memory of 65536 bytes"
        );
        assert_eq!(
            failed(&ran),
            ("Exception".to_owned(), message.as_str()),
            "{call}"
        );
    }
    let inputs = "(func (export \"run\") (call $inputs (i32.const 65535)))";
    let ran = outcome(with_prelude(inputs)).await;
    assert_eq!(
        failed(&ran).1,
        "toolexec.inputs: the buffer: 2 bytes at 65535 are outside of the module's memory of \
         65536 bytes"
    );
}

#[tokio::test]
async fn handles_are_the_modules_own() {
    for (call, expected) in [
        (
            "(drop (call $wait (i32.const 1)))",
            "there is no call 1, or it was read already",
        ),
        (
            "(drop (call $wait (i32.const 0)))",
            "there is no call 0, or it was read already",
        ),
        (
            "(drop (call $read (call $sleep (i32.const 50)) (i32.const 0) (i32.const 9)))",
            "call 1 is not answered yet: wait for it first",
        ),
        (
            "(call $drop (call $sleep (i32.const 50))) (call $drop (i32.const 1))",
            "there is no call 1, or it was read already",
        ),
        (
            "(call $answer (call $sleep (i32.const 0))) (call $answer (i32.const 1))",
            "there is no call 1, or it was read already",
        ),
        (
            "(drop (call $wait_any (i32.const 0) (i32.const 0)))",
            "toolexec.wait_any: 0 handles; 1 to 65536 can be waited for",
        ),
    ] {
        let ran = outcome(with_prelude(&format!("(func (export \"run\") {call})"))).await;
        assert_eq!(failed(&ran), ("Exception".to_owned(), expected), "{call}");
    }
}

#[tokio::test]
async fn arguments_and_values_that_are_no_json_are_told() {
    let call = r#"(func (export "run")
        (call $answer (call $call (i32.const 16) (i32.const 8) (i32.const 16) (i32.const 8))))"#;
    let ran = outcome(with_prelude(call)).await;
    assert_eq!(ran.error, None);
    assert_eq!(ran.value["code"], json!("invalid_input"));
    assert_eq!(
        ran.value["message"],
        json!("this is no JSON: expected value at line 1 column 1")
    );
    let result = "(func (export \"run\") (call $result (i32.const 16) (i32.const 8)))";
    let ran = outcome(with_prelude(result)).await;
    assert_eq!(
        failed(&ran).1,
        "toolexec.result: the value: this is no JSON: expected value at line 1 column 1"
    );
    let deep = format!(
        "(data (i32.const 2048) \"{}{}\")
        (func (export \"run\") (call $result (i32.const 2048) (i32.const 400)))",
        "[".repeat(200),
        "]".repeat(200)
    );
    let ran = outcome(with_prelude(&deep)).await;
    assert_eq!(
        failed(&ran).1,
        "toolexec.result: the value: the JSON nests deeper than 123 levels"
    );
}

#[tokio::test]
async fn traps_say_what_happened_and_where() {
    for (body, expected) in [
        ("unreachable", "wasm `unreachable` instruction executed"),
        (
            "(drop (i32.div_s (i32.const 1) (i32.const 0)))",
            "integer divide by zero",
        ),
        (
            "(drop (i32.load (i32.const 65536)))",
            "out of bounds memory access",
        ),
    ] {
        let text = format!(
            "(module {PRELUDE} (func $inner {body}) (func $outer (export \"run\") (call $inner)))"
        );
        let ran = outcome(wasm(&text)).await;
        let message = format!("the module trapped: {expected}");
        assert_eq!(failed(&ran), ("Exception".to_owned(), message.as_str()));
        let error = ran.error.unwrap();
        assert_eq!(error.name.as_deref(), Some("Trap"));
        assert_eq!(error.trace, ["in inner", "in outer"]);
    }
}

#[tokio::test]
async fn a_module_that_waits_for_a_tool_is_cancelled_with_it() {
    let wait = with_prelude(
        r#"(func (export "run") (call $answer
            (call $call (i32.const 80) (i32.const 9) (i32.const 0) (i32.const 0))))"#,
    );
    let limits = Limits {
        wait_time: Some(Duration::from_millis(100)),
        ..Limits::default()
    };
    let ran = limited(wait, limits).await;
    let limit = ran.error.as_ref().and_then(|error| error.limit);
    assert_eq!(limit.map(|excess| excess.name), Some(LimitName::WaitTime));
}

fn repeat(times: usize, text: impl Fn(usize) -> String) -> String {
    (0..times).map(text).collect::<Vec<_>>().join(" ")
}

/// A function with this body, in a module with a type of 60 results.
fn large(locals: usize, body: &str) -> Vec<u8> {
    let results = "i32 ".repeat(60);
    wasm(&format!(
        "(module (type $wide (func (param {results}) (result {results})))
            (func $id (type $wide) {})
            (func (export \"run\") (local {}) {body}))",
        repeat(60, |n| format!("(local.get {n})")),
        "i32 ".repeat(locals)
    ))
}

#[tokio::test]
async fn what_would_keep_the_compiler_busy_is_not_compiled() {
    let wide = format!(
        "{} {} {}",
        "i32.const 1 ".repeat(60),
        "call $id ".repeat(20_000),
        "drop ".repeat(60)
    );
    let nested = format!(
        "{} {} {}",
        "loop ".repeat(2000),
        repeat(5000, |n| format!(
            "(local.set {n} (i32.add (local.get {n}) (i32.const 1)))"
        )),
        "end ".repeat(2000)
    );
    for (locals, body, expected) in [
        (
            0,
            wide.as_str(),
            "the module is too large to be compiled here: function 1 moves 2420121 values between \
             its instructions; at most 262144",
        ),
        (
            5000,
            nested.as_str(),
            "the module is too large to be compiled here: function 1 has 5000 local variables and \
             2000 branches; at most a product of 1048576",
        ),
        (
            0,
            &"nop ".repeat(600_000),
            "the module is too large to be compiled here: function 1 has 600002 bytes; at most \
             524288",
        ),
    ] {
        let ran = outcome(large(locals, body)).await;
        assert_eq!(failed(&ran), ("Unsupported".to_owned(), expected));
    }
    let functions = "(func)".repeat(40_001);
    let ran = outcome(wasm(&format!("(module {functions})"))).await;
    assert_eq!(
        failed(&ran).1,
        "the module is too large to be compiled here: it has 40001 functions; at most 40000"
    );
}
