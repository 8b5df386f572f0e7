//! Modules that are not run, and why.

use toolexec_core::code::Submission;
use toolexec_core::sandbox::{Language, Profile};
use toolexec_core::{CallContext, ErrorKind};

use super::{executor, failed, outcome, wasm};
use crate::support::{Tools, ways};

/// The kind of the error, its message, and its hints.
async fn refusal(module: impl Into<Vec<u8>>) -> (String, String, Vec<String>) {
    let ran = outcome(module).await;
    let (kind, message) = failed(&ran);
    let hints = ran.error.as_ref().map(|error| error.hints.clone());
    (kind, message.to_owned(), hints.unwrap_or_default())
}

#[tokio::test]
async fn bytes_that_are_no_module_say_how_they_begin() {
    for (bytes, expected) in [
        (&b""[..], "this is no WebAssembly: there are no bytes"),
        (
            b"\x7fELF\x02",
            "this is no WebAssembly: it begins with 7f 45 4c 46",
        ),
        (
            b"\0asm\x09\0\0\0",
            "this is no valid WebAssembly: unknown binary version: 0x9 (at byte 4)",
        ),
        (
            b"\0asm\x01\0\0\0\x01\x7f",
            "this is no valid WebAssembly: unexpected end-of-file (at byte 10)",
        ),
    ] {
        let (kind, message, _) = refusal(bytes).await;
        assert_eq!((kind.as_str(), message.as_str()), ("Syntax", expected));
    }
}

#[tokio::test]
async fn a_module_that_is_not_valid_names_the_place() {
    let mut bytes = wasm("(module (func (result i32) i32.const 1))");
    let last = bytes.iter().rposition(|byte| *byte == 0x41).unwrap();
    bytes[last] = 0x42;
    let (kind, message, _) = refusal(bytes).await;
    assert_eq!(
        (kind.as_str(), message.as_str()),
        (
            "Syntax",
            "the module cannot be compiled: at offset 26: type mismatch: expected i32, found i64"
        )
    );
}

#[tokio::test]
async fn imports_that_are_not_there_are_named_with_those_that_are() {
    let (kind, message, hints) = refusal(wasm(
        r#"(module
            (import "env" "puts" (func (param i32)))
            (import "toolexec" "call" (func (param i32 i32 i32 i32) (result i32)))
            (import "toolexec" "exec" (func))
            (import "wasi_snapshot_preview1" "fd_open" (func))
            (import "env" "memory" (memory 1))
            (func (export "run")))"#,
    ))
    .await;
    assert_eq!(
        (kind.as_str(), message.as_str()),
        (
            "Unsupported",
            "the module imports what is not there: env.puts, toolexec.exec, \
             wasi_snapshot_preview1.fd_open, env.memory"
        )
    );
    assert_eq!(
        hints,
        [
            "toolexec has call, chain, search, describe, sleep, wait, wait_any, ready, read, drop, \
             inputs_len, inputs, print, result, fail",
            "wasi_snapshot_preview1 has what WASI preview 1 has"
        ]
    );
}

#[tokio::test]
async fn an_import_of_another_type_is_named() {
    let (kind, message, _) = refusal(wasm(
        r#"(module (import "toolexec" "wait" (func (param i64))) (func (export "run")))"#,
    ))
    .await;
    assert_eq!(kind, "Unsupported");
    assert_eq!(
        message,
        "the module cannot be linked: incompatible import type for `toolexec::wait`: types \
         incompatible: expected type `(func (param i64))`, found type `(func (param i32) (result \
         i64))`"
    );
}

#[tokio::test]
async fn a_module_without_an_entry_says_what_it_exports() {
    for (text, expected) in [
        (
            r#"(module (func (export "main")) (func (export "add")) (memory (export "memory") 1))"#,
            "the module exports neither run nor _start; it exports main, add",
        ),
        (
            r#"(module (func (export "run") (param i32)))"#,
            "the function run must take nothing and give nothing or an i32",
        ),
    ] {
        let (kind, message, _) = refusal(wasm(text)).await;
        assert_eq!((kind.as_str(), message.as_str()), ("Unsupported", expected));
    }
}

#[tokio::test]
async fn proposals_that_are_off_are_named() {
    for (text, expected) in [
        (
            "(module (memory i64 1))",
            "the module cannot be compiled: memory64 must be enabled for 64-bit memories",
        ),
        (
            "(module (memory 1 2 shared))",
            "the module cannot be compiled: threads must be enabled for shared memories",
        ),
    ] {
        let (kind, message, _) = refusal(wasm(text)).await;
        let message = message.split(" (at").next().unwrap_or_default();
        assert_eq!((kind.as_str(), message), ("Unsupported", expected));
    }
}

#[tokio::test]
async fn a_check_finds_what_a_run_would() {
    let executor = executor(&Tools::new());
    let submission = Submission::module(wasm("(module (func (export \"main\")))"));
    let problems = executor.check(submission, &CallContext::new()).await;
    let problems = problems.unwrap();
    let found: Vec<_> = problems
        .iter()
        .map(|one| (one.code.as_str(), one.message.as_str()))
        .collect();
    let message = "the module exports neither run nor _start; it exports main";
    assert_eq!(found, [("unsupported", message)]);
}

#[tokio::test]
async fn what_is_no_base64_is_refused_before_anything_starts() {
    let executor = executor(&Tools::new());
    for (code, expected) in [
        (
            "(module)",
            "the module is in the text format, which is not supported",
        ),
        (
            "%",
            "the module is no base64 text: invalid symbol 37, offset 0.",
        ),
    ] {
        let submission = Submission::new(Language::Wasm, code);
        let refused = executor.execute(submission, &CallContext::new()).await;
        let error = refused.unwrap_err();
        assert_eq!(
            (error.kind(), error.guest_message()),
            (ErrorKind::InvalidInput, expected)
        );
    }
}

#[tokio::test]
async fn other_sandboxes_do_not_run_modules() {
    let executor = ways::process().executor(&Tools::new());
    let submission = Submission::module(wasm("(module)")).profile(Profile::Standard);
    let cx = CallContext::new();
    let error = executor.execute(submission, &cx).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SandboxUnavailable);
    let reason = error
        .guest_message()
        .split("; ")
        .find(|reason| reason.ends_with("wasm"));
    assert_eq!(
        reason,
        Some("no sandbox is available for standard: process: does not run wasm")
    );
}
