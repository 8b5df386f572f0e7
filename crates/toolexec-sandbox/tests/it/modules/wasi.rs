//! Commands of WASI preview 1: programs in other languages, without files and network.

use serde_json::{Value, json};
use toolexec_core::code::Submission;

use super::{ended, executor, failed, outcome, wasm};
use crate::support::{Tools, run};

/// Imports, a memory, and a function that prints.
const WASI: &str = r#"
    (import "wasi_snapshot_preview1" "fd_write"
        (func $fd_write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_read"
        (func $fd_read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "clock_time_get"
        (func $time (param i32 i64 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_open"
        (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (func $write (param $fd i32) (param $at i32) (param $len i32)
        (i32.store (i32.const 0) (local.get $at))
        (i32.store (i32.const 4) (local.get $len))
        (if (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8))
            (then unreachable)))
    (data (i32.const 64) "hello\n__out = [1, 2]\n")
    (data (i32.const 128) "oh\n")
"#;

fn command(body: &str) -> Vec<u8> {
    wasm(&format!(
        "(module {WASI} (func (export \"_start\") {body}))"
    ))
}

#[tokio::test]
async fn what_a_command_prints_is_output_and_its_last_out_is_the_value() {
    let ran = outcome(command(
        "(call $write (i32.const 1) (i32.const 64) (i32.const 21))
         (call $write (i32.const 2) (i32.const 128) (i32.const 3))",
    ))
    .await;
    assert_eq!(ended(&ran), (json!([1, 2]), None));
    assert_eq!(
        (ran.stdout.as_str(), ran.stderr.as_str()),
        ("hello\n__out = [1, 2]\n", "oh\n")
    );
}

#[tokio::test]
async fn the_inputs_are_the_standard_input() {
    let echo = command(
        "(i32.store (i32.const 0) (i32.const 1024))
         (i32.store (i32.const 4) (i32.const 4096))
         (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
         (call $write (i32.const 1) (i32.const 1024) (i32.load (i32.const 8)))",
    );
    let submission = Submission::module(echo).input("n", 7);
    let ran = run(&executor(&Tools::new()), submission).await;
    assert_eq!(ended(&ran), (Value::Null, None));
    assert_eq!(ran.stdout, "{\"n\":7}");
}

#[tokio::test]
async fn a_status_that_is_not_null_is_a_failure() {
    let ran = outcome(command("(call $exit (i32.const 0)) unreachable")).await;
    assert_eq!(ended(&ran), (Value::Null, None));
    let ran = outcome(command("(call $exit (i32.const 3))")).await;
    assert_eq!(
        failed(&ran),
        ("Exception".to_owned(), "the module ended with status 3")
    );
}

#[tokio::test]
async fn there_are_clocks_and_random_numbers_and_no_files() {
    let ran = outcome(command(
        "(if (call $random (i32.const 512) (i32.const 32)) (then unreachable))
         (if (i64.eqz (i64.load (i32.const 512))) (then unreachable))
         (if (call $time (i32.const 0) (i64.const 0) (i32.const 600)) (then unreachable))
         (if (i64.eqz (i64.load (i32.const 600))) (then unreachable))
         (if (i32.ne (i32.const 28) (call $time (i32.const 9) (i64.const 0) (i32.const 600)))
            (then unreachable))
         ;; It is not there, and the command goes on.
         (if (i32.ne (i32.const 52) (call $open (i32.const 3) (i32.const 0) (i32.const 0)
            (i32.const 0) (i32.const 0) (i64.const 0) (i64.const 0) (i32.const 0) (i32.const 0)))
            (then unreachable))",
    ))
    .await;
    assert_eq!(ended(&ran), (Value::Null, None));
}

#[tokio::test]
async fn pointers_that_point_elsewhere_end_the_command() {
    for (body, expected) in [
        (
            "(drop (call $fd_write (i32.const 1) (i32.const -8) (i32.const 1) (i32.const 8)))",
            "WASI: a vector: 8 bytes at 4294967288 are outside of the module's memory of 65536 \
             bytes",
        ),
        (
            "(call $write (i32.const 1) (i32.const -1) (i32.const 9))",
            "WASI: fd_write: 9 bytes at 4294967295 are outside of the module's memory of 65536 \
             bytes",
        ),
        (
            "(drop (call $random (i32.const 65535) (i32.const 9)))",
            "WASI: random bytes: 9 bytes at 65535 are outside of the module's memory of 65536 \
             bytes",
        ),
        (
            "(drop (call $time (i32.const 1) (i64.const 0) (i32.const 65530)))",
            "WASI: a time: 8 bytes at 65530 are outside of the module's memory of 65536 bytes",
        ),
    ] {
        let ran = outcome(command(body)).await;
        assert_eq!(failed(&ran), ("Exception".to_owned(), expected));
    }
}
