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

/// Reads an input, writes a file and one in a directory, changes an input, and makes a link.
const WITH_FILES: [(Language, &str); 4] = [
    (
        Language::Bash,
        "read -r first < in/data.csv; mkdir out; printf '\\0\\1' > out/bytes; echo text > note; \
         rm -f in/data.csv; echo else > in/data.csv; ln -s /etc/passwd link; result \"$first\"",
    ),
    (
        Language::CPython,
        "import os
first = open('in/data.csv').readline().strip()
os.mkdir('out')
open('out/bytes', 'wb').write(b'\\0\\1')
open('note', 'w').write('text\\n')
os.remove('in/data.csv')
open('in/data.csv', 'w').write('else')
os.symlink('/etc/passwd', 'link')
return first",
    ),
    (
        Language::Node,
        "import fs from 'node:fs';
const first = fs.readFileSync('in/data.csv', 'utf8').split('\\n')[0];
fs.mkdirSync('out');
fs.writeFileSync('out/bytes', Buffer.from([0, 1]));
fs.writeFileSync('note', 'text\\n');
fs.rmSync('in/data.csv');
fs.writeFileSync('in/data.csv', 'else');
fs.symlinkSync('/etc/passwd', 'link');
return first",
    ),
    (
        Language::Go,
        "text, _ := os.ReadFile(\"in/data.csv\")
os.Mkdir(\"out\", 0o755)
os.WriteFile(\"out/bytes\", []byte{0, 1}, 0o644)
os.WriteFile(\"note\", []byte(\"text\\n\"), 0o644)
os.Remove(\"in/data.csv\")
os.WriteFile(\"in/data.csv\", []byte(\"else\"), 0o644)
os.Symlink(\"/etc/passwd\", \"link\")
return strings.Split(string(text), \"\\n\")[0]",
    ),
];

#[tokio::test]
async fn files_lie_where_programs_run_and_what_they_leave_is_taken() {
    for (language, source) in WITH_FILES {
        let submission = Submission::new(language, source).file("in/data.csv", *b"a,1\nb,2\n");
        let outcome = run(&executor(), submission).await;
        assert_eq!(
            (&outcome.error, &outcome.value),
            (&None, &json!("a,1")),
            "{language:?}"
        );
        let left = outcome.artifacts.iter();
        let left: Vec<_> = left.map(|one| (one.name.as_str(), &*one.bytes)).collect();
        let expected = [("note", &b"text\n"[..]), ("out/bytes", &[0, 1])];
        assert_eq!(left, expected, "{language:?}");
        let told = "the file in/data.csv is not kept: it was given, and cannot be changed; write \
                    one of another name";
        let logs: Vec<_> = outcome.logs.iter().map(|line| &line.data).collect();
        assert_eq!(logs, [told], "{language:?}");
        assert_eq!(outcome.usage.tool_calls, 0);
    }
}

#[tokio::test]
async fn files_of_programs_that_fail_are_kept_and_their_lines_are_their_own() {
    let bytes: Vec<u8> = (0..=255).cycle().take(9 << 20).collect();
    for (language, source, line) in [
        (Language::Bash, "cp given copy\nset -e\nnosuch", 3),
        (
            Language::CPython,
            "import shutil\nshutil.copy('given', 'copy')\nraise KeyError(1)",
            3,
        ),
    ] {
        let submission = Submission::new(language, source).file("given", bytes.clone());
        let outcome = run(&executor(), submission).await;
        let error = outcome.error.unwrap();
        assert_eq!(error.line, Some(line), "{error:?}");
        let left = outcome.artifacts.iter();
        let left: Vec<_> = left.map(|one| (one.name.as_str(), one.size)).collect();
        assert_eq!(left, [("copy", bytes.len())]);
        assert!(outcome.artifacts[0].bytes.iter().eq(&bytes));
    }
    // Nothing was given, and nothing may be left.
    let none = "ls | grep -v -e main.sh -e prelude.sh -e guest.sock; echo > own; result none";
    let outcome = ran(Language::Bash, none, Limits::default()).await;
    assert_eq!((outcome.value, outcome.artifacts.len()), (json!("none"), 0));
    let few = Limits {
        files: Some(2),
        ..Limits::default()
    };
    let submission = Submission::new(Language::Bash, "touch a b c").limits(few);
    let outcome = run(&executor(), submission.with_files()).await;
    let limit = outcome.error.unwrap().limit.unwrap();
    assert_eq!((limit.name, outcome.artifacts.len()), (LimitName::Files, 2));
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
