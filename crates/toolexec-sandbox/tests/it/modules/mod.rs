//! WebAssembly modules as programs.

mod component;
mod core;
mod hostile;
mod refused;
mod rust;
mod wasi;

use serde_json::Value;
use toolexec_core::code::{CodeExecutor, Outcome, Submission};
use toolexec_core::sandbox::Limits;

use crate::support::{Tools, run, ways};

/// The functions that modules of the tests import, and a memory with these texts from 16 on.
const PRELUDE: &str = r#"
    (import "toolexec" "call" (func $call (param i32 i32 i32 i32) (result i32)))
    (import "toolexec" "chain" (func $chain (param i32 i32) (result i32)))
    (import "toolexec" "search" (func $search (param i32 i32 i32) (result i32)))
    (import "toolexec" "describe" (func $describe (param i32 i32 i32 i32) (result i32)))
    (import "toolexec" "sleep" (func $sleep (param i32) (result i32)))
    (import "toolexec" "wait" (func $wait (param i32) (result i64)))
    (import "toolexec" "wait_any" (func $wait_any (param i32 i32) (result i32)))
    (import "toolexec" "ready" (func $ready (param i32) (result i32)))
    (import "toolexec" "read" (func $read (param i32 i32 i32) (result i32)))
    (import "toolexec" "drop" (func $drop (param i32)))
    (import "toolexec" "inputs_len" (func $inputs_len (result i32)))
    (import "toolexec" "inputs" (func $inputs (param i32)))
    (import "toolexec" "print" (func $print (param i32 i32)))
    (import "toolexec" "result" (func $result (param i32 i32)))
    (import "toolexec" "fail" (func $fail (param i32 i32)))
    (memory (export "memory") 1)
    (data (i32.const 16) "math:add")
    (data (i32.const 32) "{\"a\": 1, \"b\": 2}")
    (data (i32.const 64) "math:fail")
    (data (i32.const 80) "test:slow")
    (data (i32.const 96) "{\"ms\": 200}")
    (data (i32.const 128) "h\c3\a9llo\n")
    (func $answer (param $handle i32)
        (local $len i64)
        (local.set $len (call $wait (local.get $handle)))
        (if (i64.lt_s (local.get $len) (i64.const 0))
            (then (local.set $len (i64.sub (i64.const 0) (local.get $len)))))
        (drop (call $read (local.get $handle) (i32.const 1024) (i32.wrap_i64 (local.get $len))))
        (call $result (i32.const 1024) (i32.wrap_i64 (local.get $len))))
"#;

/// A module with these functions after the prelude.
fn with_prelude(functions: &str) -> Vec<u8> {
    wasm(&format!("(module {PRELUDE} {functions})"))
}

/// A module from its text.
fn wasm(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn executor(tools: &Tools) -> CodeExecutor {
    ways::wasm().executor(tools)
}

async fn outcome(module: impl Into<Vec<u8>>) -> Outcome {
    let module: Vec<u8> = module.into();
    run(&executor(&Tools::new()), Submission::module(module)).await
}

async fn limited(module: Vec<u8>, limits: Limits) -> Outcome {
    let submission = Submission::module(module).limits(limits);
    run(&executor(&Tools::new()), submission).await
}

/// The value, and the message of the error.
fn ended(outcome: &Outcome) -> (Value, Option<&str>) {
    let error = outcome.error.as_ref().map(|error| error.message.as_str());
    (outcome.value.clone(), error)
}

/// The kind and the message of the error.
fn failed(outcome: &Outcome) -> (String, &str) {
    let error = outcome.error.as_ref().expect("it fails");
    (format!("{:?}", error.kind), error.message.as_str())
}
