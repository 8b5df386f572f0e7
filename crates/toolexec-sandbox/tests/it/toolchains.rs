//! Languages with a toolchain, in the sandbox that has those of this machine.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use toolexec_core::code::{CodeErrorKind, CodeExecutor, Outcome, Submission};
use toolexec_core::sandbox::{Enforcer, Language, LimitName, Limits, Profile, Sandboxes};
use toolexec_core::{CallContext, DocStore};
use toolexec_sandbox::host::{HostSandbox, Toolchains};
use toolexec_sandbox::wasm::WasmSandbox;
use toolexec_testkit::{peers, require};

use crate::support::{Tools, run};

fn executor() -> CodeExecutor {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("toolchains");
    // The peers first.
    let go = peers::go().ok();
    let go = go
        .as_ref()
        .and_then(|go| go.parent())
        .map(Path::to_path_buf);
    let machine = std::env::var_os("PATH").unwrap_or_default();
    let path = go.into_iter().chain(std::env::split_paths(&machine));
    let path = std::env::join_paths(path).unwrap().into_string().unwrap();
    let toolchains = Toolchains {
        path: Some(path),
        cache: Some(cache),
    };
    let host = HostSandbox::with_toolchains(toolexec_testkit::build::guest(), 0, toolchains);
    let sandboxes = Sandboxes::new().allow_unsafe(true).with(Arc::new(host));
    let tools = Tools::new();
    CodeExecutor::builder(
        tools.runner.clone(),
        Arc::new(DocStore::default()),
        sandboxes,
    )
    .profile(Profile::Dev)
    .build()
}

async fn ran(language: Language, source: &str, limits: Limits) -> Outcome {
    let submission = Submission::new(language, source).limits(limits);
    run(&executor(), submission).await
}

#[tokio::test]
async fn programs_call_tools_on_the_run_path() {
    for (language, source) in [
        (
            Language::Bash,
            "tool math:fail || true; result \"$(tool math:add a=1 b=2)\"",
        ),
        (
            Language::CPython,
            "try:\n    tools.math.fail()\nexcept ToolError:\n    pass\nreturn tools.math.add(a=1, b=2)",
        ),
    ] {
        let outcome = ran(language, source, Limits::default()).await;
        assert_eq!(
            (outcome.error, outcome.value),
            (None, json!(3)),
            "{language:?}"
        );
        let calls: Vec<_> = outcome
            .calls
            .iter()
            .map(|call| (call.tool.as_deref(), call.error.is_some()))
            .collect();
        assert_eq!(
            calls,
            [(Some("math:fail"), true), (Some("math:add"), false)]
        );
    }
}

#[tokio::test]
async fn the_check_names_tools_that_are_not_there() {
    let source = "tools.math.ad(a=1)";
    let outcome = ran(Language::CPython, source, Limits::default()).await;
    let error = outcome.error.unwrap();
    assert_eq!(
        (error.kind, error.message.as_str()),
        (CodeErrorKind::Check, "there is no tool math:ad")
    );
}

#[tokio::test]
async fn limits_hold_for_all_processes_of_a_program() {
    // Three processes of 60 MB each.
    let source = "for i in 1 2 3; do python3 -c 'x = b\"a\" * 60000000; import time; time.sleep(60)' & done; wait";
    let limits = Limits {
        memory: Some(128 << 20),
        run_time: Some(Duration::from_secs(30)),
        ..Limits::default()
    };
    let outcome = ran(Language::Bash, source, limits).await;
    let error = outcome.error.unwrap();
    assert_eq!(error.limit.unwrap().name, LimitName::Memory);
    let memory = outcome.enforced.get(LimitName::Memory).unwrap();
    assert_eq!(memory.by, [Enforcer::Host]);

    let limits = Limits {
        cpu_time: Some(Duration::from_millis(500)),
        ..Limits::default()
    };
    let outcome = ran(Language::Bash, "(while :; do :; done) & wait", limits).await;
    assert_eq!(
        outcome.error.unwrap().limit.unwrap().name,
        LimitName::CpuTime
    );

    let limits = Limits {
        output: Some(10_000),
        ..Limits::default()
    };
    let outcome = ran(Language::Bash, "while :; do echo flood; done", limits).await;
    assert_eq!(
        outcome.error.unwrap().limit.unwrap().name,
        LimitName::Output
    );
    assert_eq!(outcome.stdout.len(), 10_000);
}

#[tokio::test]
async fn waiting_for_a_tool_is_no_run_time() {
    let limits = Limits {
        run_time: Some(Duration::from_secs(20)),
        wait_time: Some(Duration::from_millis(300)),
        ..Limits::default()
    };
    let outcome = ran(Language::Bash, "tool test:slow ms=60000", limits).await;
    assert_eq!(
        outcome.error.unwrap().limit.unwrap().name,
        LimitName::WaitTime
    );
}

#[tokio::test]
async fn the_snippets_of_the_seed_run() {
    if require(peers::go()).is_none() {
        return;
    }
    let seed = "\
        // Access tools via the tools interface\n\
        result, _ := tools.RunTool(ctx, \"math:add\", map[string]any{\"a\": 1, \"b\": 2})\n\
        return result.Structured";
    for (source, value) in [(seed, json!(3)), ("__out = 1 + 1", json!(2))] {
        let outcome = ran(Language::Go, source, Limits::default()).await;
        assert_eq!((outcome.error, outcome.value), (None, value));
    }
}

#[tokio::test]
async fn a_sandbox_without_toolchains_says_so() {
    let sandboxes = Sandboxes::new()
        .candidates(Profile::Standard, ["wasm"])
        .with(Arc::new(WasmSandbox::builder().build()));
    let tools = Tools::new();
    let executor = CodeExecutor::builder(
        tools.runner.clone(),
        Arc::new(DocStore::default()),
        sandboxes,
    )
    .build();
    let submission = Submission::new(Language::Go, "return 1");
    let error = executor
        .execute(submission, &CallContext::new())
        .await
        .unwrap_err();
    assert_eq!(
        error.guest_message(),
        "no sandbox is available for standard: wasm: does not run go: it has no toolchains"
    );
}
