//! Components: the world of `wit/toolexec.wit`.

use std::time::Duration;

use serde_json::{Value, json};
use toolexec_core::code::Submission;
use toolexec_core::sandbox::{LimitName, Limits};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use super::{ended, executor, failed, limited, outcome, wasm};
use crate::support::{Tools, run};

/// The functions of the host as a core module of a component sees them, a memory and its
/// allocator. The value of `main` is made at 512: 0 or 1, and where its text is.
const PRELUDE: &str = r#"
    (import "toolexec:program/host@0.1.0" "run"
        (func $run (param i32 i32 i32 i32) (result i32)))
    (import "toolexec:program/host@0.1.0" "search"
        (func $search (param i32 i32 i32 i32) (result i32)))
    (import "toolexec:program/host@0.1.0" "wait-any" (func $wait_any (param i32 i32) (result i32)))
    (import "toolexec:program/host@0.1.0" "print" (func $print (param i32 i32)))
    (import "toolexec:program/host@0.1.0" "[method]call.ready"
        (func $ready (param i32) (result i32)))
    (import "toolexec:program/host@0.1.0" "[method]call.wait" (func $wait (param i32 i32)))
    (import "toolexec:program/host@0.1.0" "[resource-drop]call" (func $drop (param i32)))
    (memory (export "memory") 2)
    (global $free (mut i32) (i32.const 4096))
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
        (global.set $free (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
        (global.get $free)
        (global.set $free (i32.add (global.get $free) (local.get 3))))
    (data (i32.const 16) "math:add")
    (data (i32.const 32) "{\"a\": 1, \"b\": 2}")
    (data (i32.const 64) "math:fail")
    (data (i32.const 80) "test:slow")
    (data (i32.const 96) "{\"ms\": 200}")
    (data (i32.const 128) "hello\n")
"#;

/// A component whose `main` has this body.
fn component(main: &str) -> Vec<u8> {
    let mut module = wasm(&format!(
        "(module {PRELUDE} (func (export \"main\") (param $inputs i32) (param $len i32)
            (result i32) (local $n i32) {main} (i32.const 512)))"
    ));
    let mut resolve = Resolve::default();
    let wit = include_str!("../../../wit/toolexec.wit");
    let package = resolve.push_str("toolexec.wit", wit).unwrap();
    let world = resolve.select_world(&[package], Some("program")).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false).unwrap();
    let mut encoder = ComponentEncoder::default();
    encoder.validate(true).module(&module).unwrap();
    encoder.encode().unwrap()
}

/// Hands out what the call with this handle gave.
fn answer(call: &str) -> String {
    format!("(call $wait {call} (i32.const 512))")
}

#[tokio::test]
async fn a_component_calls_a_tool() {
    let add = "(call $run (i32.const 16) (i32.const 8) (i32.const 32) (i32.const 16))";
    let ran = outcome(component(&format!(
        "(call $print (i32.const 128) (i32.const 6)) {}",
        answer(add)
    )))
    .await;
    assert_eq!(ended(&ran), (json!(3), None));
    assert_eq!((ran.stdout.as_str(), ran.calls.len()), ("hello\n", 1));
}

#[tokio::test]
async fn the_inputs_come_and_an_error_goes() {
    let echo = "(i32.store (i32.const 516) (local.get $inputs))
        (i32.store (i32.const 520) (local.get $len))";
    let submission = Submission::module(component(echo)).input("a", json!([1, "ö"]));
    let ran = run(&executor(&Tools::new()), submission).await;
    assert_eq!(ended(&ran), (json!({"a": [1, "ö"]}), None));
    let fail = format!("{echo} (i32.store8 (i32.const 512) (i32.const 1))");
    let ran = outcome(component(&fail)).await;
    assert_eq!(ended(&ran), (Value::Null, Some("{}")));
}

#[tokio::test]
async fn the_error_of_a_tool_is_an_answer() {
    let fail = answer("(call $run (i32.const 64) (i32.const 9) (i32.const 0) (i32.const 0))");
    // Its error is taken as the value.
    let ran = outcome(component(&format!(
        "{fail} (if (i32.eqz (i32.load8_u (i32.const 512))) (then unreachable))
        (i32.store8 (i32.const 512) (i32.const 0))"
    )))
    .await;
    assert_eq!(ran.error, None);
    assert_eq!(ran.value["code"], json!("tool_error"));
}

#[tokio::test]
async fn several_calls_are_open_at_once() {
    let slow = "(call $run (i32.const 80) (i32.const 9) (i32.const 96) (i32.const 11))";
    let main = format!(
        "(loop $more
            (i32.store (i32.add (i32.const 600) (i32.mul (local.get $n) (i32.const 4))) {slow})
            (local.set $n (i32.add (local.get $n) (i32.const 1)))
            (br_if $more (i32.lt_u (local.get $n) (i32.const 5))))
        (if (call $ready (i32.load (i32.const 600))) (then unreachable))
        (local.set $n (call $wait_any (i32.const 600) (i32.const 5)))
        (local.set $n (i32.const 0))
        (loop $each
            (call $wait (i32.load (i32.add (i32.const 600)
                (i32.mul (local.get $n) (i32.const 4)))) (i32.const 512))
            (call $drop (i32.load (i32.add (i32.const 600)
                (i32.mul (local.get $n) (i32.const 4)))))
            (local.set $n (i32.add (local.get $n) (i32.const 1)))
            (br_if $each (i32.lt_u (local.get $n) (i32.const 5))))"
    );
    let tools = Tools::new();
    let ran = run(&executor(&tools), Submission::module(component(&main))).await;
    assert_eq!(ended(&ran), (json!(200), None));
    assert_eq!((ran.calls.len(), tools.most_in_flight()), (5, 5));
}

#[tokio::test]
async fn tools_are_found() {
    let search = "(call $search (i32.const 21) (i32.const 3) (i32.const 1) (i32.const 1))";
    let ran = outcome(component(&answer(search))).await;
    assert_eq!(ended(&ran).1, None);
    assert_eq!(ran.value[0]["id"], json!("math:add"), "{}", ran.value);
}

#[tokio::test]
async fn hostile_components_end_themselves_only() {
    let far = "(i32.const -16) (i32.const 32)";
    for (main, expected) in [
        (
            "unreachable".to_owned(),
            "the module trapped: wasm `unreachable` instruction executed",
        ),
        (
            "(drop (call $ready (i32.const 77)))".to_owned(),
            "the module failed: ",
        ),
        (
            "(call $drop (i32.const 0))".to_owned(),
            "the module failed: ",
        ),
        (format!("(call $print {far})"), "the module "),
        (format!("(drop (call $wait_any {far}))"), "the module "),
        (
            format!("(drop (call $run {far} (i32.const 0) (i32.const 0)))"),
            "the module ",
        ),
        (
            "(i32.store (i32.const 516) (i32.const -5)) (i32.store (i32.const 520) (i32.const 9))"
                .to_owned(),
            "the module ",
        ),
        (
            "(drop (call $wait_any (i32.const 0) (i32.const 0)))".to_owned(),
            "wait-any: there is no call to wait for",
        ),
    ] {
        let ran = outcome(component(&main)).await;
        let (kind, message) = failed(&ran);
        assert_eq!(kind, "Exception", "{main}: {message}");
        assert_eq!(
            message.get(..expected.len()),
            Some(expected),
            "{main}: {message}"
        );
    }
}

#[tokio::test]
async fn limits_end_components_that_exceed_them() {
    let limits = Limits {
        run_time: Some(Duration::from_millis(500)),
        memory: Some(4 << 20),
        output: Some(10_000),
        tool_calls: Some(5),
        ..Limits::default()
    };
    let call = "(call $run (i32.const 16) (i32.const 8) (i32.const 32) (i32.const 16))";
    for (main, expected) in [
        ("(loop $l (br $l))".to_owned(), LimitName::RunTime),
        (
            "(loop $l (br_if $l (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable"
                .to_owned(),
            LimitName::Memory,
        ),
        (
            format!("(loop $l (drop {call}) (br $l))"),
            LimitName::ToolCalls,
        ),
        (
            "(loop $l (call $print (i32.const 0) (i32.const 4096)) (br $l))".to_owned(),
            LimitName::Output,
        ),
    ] {
        let ran = limited(component(&main), limits).await;
        let limit = ran.error.as_ref().and_then(|error| error.limit);
        assert_eq!(
            limit.map(|excess| excess.name),
            Some(expected),
            "{main}: {:?}",
            ran.error
        );
    }
}

#[tokio::test]
async fn what_would_keep_the_compiler_of_components_busy_is_not_compiled() {
    let lowered = "(core func (canon resource.new $t))".repeat(1025);
    let nested = "(component (core module $m (func (export \"f\"))) \
        (core instance $i (instantiate $m)) (func (canon lift (core func $i \"f\"))))";
    for (text, expected) in [
        (
            format!("(component (type $t (resource (rep i32))) {lowered})"),
            "the module is too large to be compiled here: it lifts and lowers 1025 functions; at \
             most 1024",
        ),
        (
            format!("(component {})", "(core module)".repeat(33)),
            "the module is too large to be compiled here: it is made of too many modules; at most \
             32",
        ),
        (
            format!("(component {nested})"),
            "components made of components that have code are not supported",
        ),
    ] {
        let ran = outcome(wasm(&text)).await;
        assert_eq!(failed(&ran), ("Unsupported".to_owned(), expected));
    }
}

#[tokio::test]
async fn the_component_of_the_example_is_made_of_its_text() {
    let text = include_str!("../../../../toolexec/examples/component.wat");
    let bytes = include_bytes!("../../../../toolexec/examples/component.wasm");
    assert!(
        wasm(text) == bytes,
        "make component.wasm of component.wat again"
    );
    let submission = Submission::module(*bytes)
        .input("a", json!(2))
        .input("b", json!(6));
    let ran = run(&executor(&Tools::new()), submission).await;
    assert_eq!(ended(&ran), (json!(8), None));
}

#[tokio::test]
async fn components_of_another_world_are_refused() {
    let wasi = r#"(component
        (import "wasi:cli/environment@0.2.0" (instance))
        (import "wasi:io/streams@0.2.0" (instance)))"#;
    let other = r#"(component
        (core module $m (func (export "f") (result i32) i32.const 1))
        (core instance $i (instantiate $m))
        (func (export "main") (result u32) (canon lift (core func $i "f"))))"#;
    let export = "export main: func(inputs: string) -> result<string, string>";
    for (text, expected, hints) in [
        (
            wasi,
            "the component imports what is not there: wasi:cli/environment@0.2.0, \
             wasi:io/streams@0.2.0",
            vec![
                "there is toolexec:program/host@0.1.0",
                "build it for WASI preview 1 (wasm32-wasip1): such commands run as they are",
            ],
        ),
        (
            "(component)",
            "the component exports no main; it exports nothing",
            vec![export],
        ),
        (
            other,
            "main must be func(inputs: string) -> result<string, string>",
            vec![export],
        ),
    ] {
        let ran = outcome(wasm(text)).await;
        assert_eq!(failed(&ran), ("Unsupported".to_owned(), expected));
        assert_eq!(
            ran.error.map(|error| error.hints),
            Some(hints.into_iter().map(str::to_owned).collect())
        );
    }
}
