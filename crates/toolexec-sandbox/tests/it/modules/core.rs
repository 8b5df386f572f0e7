//! Core modules that call tools.

use serde_json::{Value, json};
use toolexec_core::CallContext;
use toolexec_core::code::Submission;
use toolexec_core::sandbox::{Language, Limits};

use super::{ended, executor, outcome, wasm, with_prelude};
use crate::support::{Tools, run};

const EMPTY: [u8; 8] = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
/// Calls math:add with 1 and 2, and hands its answer out.
const ADD: &str = "(call $answer (call $call
    (i32.const 16) (i32.const 8) (i32.const 32) (i32.const 16)))";

#[tokio::test]
async fn the_empty_module_gives_null() {
    let ran = outcome(EMPTY).await;
    assert_eq!(ended(&ran), (Value::Null, None));
    assert_eq!(
        (ran.sandbox.as_str(), ran.language),
        ("wasm", Language::Wasm)
    );
}

#[tokio::test]
async fn a_module_may_come_as_base64_text() {
    let executor = executor(&Tools::new());
    let submission = Submission::new(Language::Wasm, "AGFzbQEAAAA=");
    let ran = run(&executor, submission.clone()).await;
    assert_eq!(ended(&ran), (Value::Null, None));
    let problems = executor.check(submission, &CallContext::new()).await;
    assert_eq!(problems.unwrap(), []);
}

#[tokio::test]
async fn a_tool_is_called_and_its_answer_is_the_value() {
    let ran = outcome(with_prelude(&format!("(func (export \"run\") {ADD})"))).await;
    assert_eq!(ended(&ran), (json!(3), None));
    assert_eq!((ran.calls.len(), ran.usage.tool_calls), (1, 1));
    // The program ran in one page, and in what its answer took.
    assert!(ran.usage.memory.unwrap() >= 65_536);
}

#[tokio::test]
async fn what_is_run_is_run_then_start_then_only_what_starts_by_itself() {
    for form in [
        format!("(func (export \"_start\") {ADD})"),
        format!("(func (export \"run\") {ADD}) (func (export \"_start\") unreachable)"),
        format!("(func (export \"run\") (result i32) {ADD} (i32.const 0))"),
        format!("(func $go {ADD}) (start $go)"),
        format!("(func (export \"_initialize\") {ADD}) (func (export \"run\"))"),
    ] {
        let ran = outcome(with_prelude(&form)).await;
        assert_eq!(ended(&ran), (json!(3), None), "{form}");
    }
    let ran = outcome(with_prelude(
        "(func (export \"run\") (result i32) (i32.const 7))",
    ))
    .await;
    let message = "the module ended with status 7";
    assert_eq!(ended(&ran), (Value::Null, Some(message)));
}

#[tokio::test]
async fn the_error_of_a_tool_is_an_answer_of_negative_length() {
    let ran = outcome(with_prelude(
        r#"(func (export "run") (local $call i32)
            (local.set $call (call $call (i32.const 64) (i32.const 9) (i32.const 0) (i32.const 0)))
            (if (i64.ge_s (call $wait (local.get $call)) (i64.const 0)) (then unreachable))
            (call $answer (local.get $call)))"#,
    ))
    .await;
    assert_eq!(ran.error, None);
    assert_eq!(
        (&ran.value["code"], &ran.value["message"]),
        (&json!("tool_error"), &json!("it does that always"))
    );
}

#[tokio::test]
async fn many_calls_are_open_at_the_same_time() {
    // Ten calls of 200 ms, their handles from 512 on; `wait_any` gives the place of one of them.
    let text = with_prelude(
        r#"(func (export "run") (local $n i32)
            (loop $more
                (i32.store
                    (i32.add (i32.const 512) (i32.mul (local.get $n) (i32.const 4)))
                    (call $call (i32.const 80) (i32.const 9) (i32.const 96) (i32.const 11)))
                (local.set $n (i32.add (local.get $n) (i32.const 1)))
                (br_if $more (i32.lt_u (local.get $n) (i32.const 10))))
            (if (call $ready (i32.load (i32.const 512))) (then unreachable))
            (local.set $n (call $wait_any (i32.const 512) (i32.const 10)))
            (if (i32.ge_u (local.get $n) (i32.const 10)) (then unreachable))
            (local.set $n (i32.const 0))
            (loop $each
                (call $answer
                    (i32.load (i32.add (i32.const 512) (i32.mul (local.get $n) (i32.const 4)))))
                (local.set $n (i32.add (local.get $n) (i32.const 1)))
                (br_if $each (i32.lt_u (local.get $n) (i32.const 10)))))"#,
    );
    let tools = Tools::new();
    let ran = run(&executor(&tools), Submission::module(text)).await;
    assert_eq!(ended(&ran), (json!(200), None));
    assert_eq!((ran.calls.len(), tools.most_in_flight()), (10, 10));
    assert!(ran.usage.wait_time > ran.usage.run_time);
}

#[tokio::test]
async fn tools_are_found_described_and_chained() {
    let search = r#"(data (i32.const 256) "add")
        (func (export "run") (call $answer
            (call $search (i32.const 256) (i32.const 3) (i32.const 1))))"#;
    let ran = outcome(with_prelude(search)).await;
    assert_eq!(ended(&ran).1, None);
    assert_eq!(ran.value[0]["id"], json!("math:add"), "{}", ran.value);
    let describe = r#"(data (i32.const 256) "signature")
        (func (export "run") (call $answer (call $describe
            (i32.const 16) (i32.const 8) (i32.const 256) (i32.const 9))))"#;
    let ran = outcome(with_prelude(describe)).await;
    assert_eq!(ended(&ran).1, None);
    assert_eq!(ran.value["id"], json!("math:add"), "{}", ran.value);
    let steps = r#"[{"tool": "math:add", "args": {"a": 1, "b": 2}},
        {"tool": "math:add", "args": {"a": "{{prev}}", "b": 4}}]"#;
    let chain = format!(
        "(data (i32.const 256) {steps:?})
        (func (export \"run\") (call $answer (call $chain (i32.const 256) (i32.const {}))))",
        steps.len()
    );
    let chain = chain.replace("\\n", "\\0a");
    let ran = outcome(with_prelude(&chain)).await;
    assert_eq!(ended(&ran).1, None);
    assert_eq!(ran.usage.chain_steps, 2, "{}", ran.value);
}

#[tokio::test]
async fn inputs_come_in_and_texts_go_out() {
    let module = with_prelude(
        r#"(func (export "run")
            (call $print (i32.const 128) (i32.const 2))
            (call $print (i32.const 130) (i32.const 5))
            (call $inputs (i32.const 2048))
            (call $result (i32.const 2048) (call $inputs_len)))"#,
    );
    let submission = Submission::module(module).input("name", "wörld");
    let ran = run(&executor(&Tools::new()), submission).await;
    assert_eq!(ended(&ran), (json!({"name": "wörld"}), None));
    assert_eq!(ran.stdout, "héllo\n");
}

#[tokio::test]
async fn a_module_fails_in_its_own_words() {
    let fail = r#"(func (export "run")
        (call $print (i32.const 16) (i32.const 4))
        (call $fail (i32.const 16) (i32.const 8)))"#;
    let ran = outcome(with_prelude(fail)).await;
    assert_eq!(ended(&ran), (Value::Null, Some("math:add")));
    assert_eq!(ran.stdout, "math");
}

#[tokio::test]
async fn sleeping_is_waiting() {
    let sleep = r#"(func (export "run")
        (call $answer (call $sleep (i32.const 300))))"#;
    let limits = Limits {
        run_time: Some(std::time::Duration::from_millis(150)),
        ..Limits::default()
    };
    let ran = super::limited(with_prelude(sleep), limits).await;
    assert_eq!(ended(&ran), (Value::Null, None));
}

#[tokio::test]
async fn every_run_has_a_memory_of_its_own() {
    let count = wasm(&format!(
        "(module {} (func (export \"run\")
            (i32.store8 (i32.const 600) (i32.add (i32.load8_u (i32.const 600)) (i32.const 49)))
            (call $result (i32.const 600) (i32.const 1))))",
        super::PRELUDE
    ));
    let executor = executor(&Tools::new());
    for _ in 0..3 {
        let ran = run(&executor, Submission::module(count.clone())).await;
        assert_eq!(ended(&ran), (json!(1), None));
    }
    let opened = executor.open(Language::Wasm, Limits::default(), None).await;
    assert_eq!(
        opened.unwrap_err().guest_message(),
        "a WebAssembly module keeps nothing from one program to the next"
    );
}

#[tokio::test]
async fn fifty_modules_run_at_once() {
    let module = with_prelude(&format!("(func (export \"run\") {ADD})"));
    let executor = executor(&Tools::new());
    let all = (0..50).map(|_| run(&executor, Submission::module(module.clone())));
    for ran in futures_util::future::join_all(all).await {
        assert_eq!(ended(&ran), (json!(3), None));
    }
}

#[tokio::test]
async fn the_module_of_the_example_is_made_of_its_text() {
    let text = include_str!("../../../../toolexec/examples/call.wat");
    let module = include_bytes!("../../../../toolexec/examples/call.wasm");
    assert!(wasm(text) == module, "make call.wasm of call.wat again");
    let ran = outcome(*module).await;
    assert_eq!(ended(&ran), (json!(8), None));
}
