//! Programs with one tool call in the sandbox `process`: from nothing, in a guest that waits, and
//! fifty at once; and the memory of the host over ten thousand.

#![expect(
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a bench reports, and fails by panicking"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::json;
use tokio::runtime::Runtime;
use toolexec_core::backend::local::{Local, LocalTool};
use toolexec_core::code::{CodeExecutor, Submission};
use toolexec_core::index::Index;
use toolexec_core::sandbox::{Language, Sandboxes};
use toolexec_core::{Args, CallContext, DocStore, Runner};
use toolexec_sandbox::process::ProcessSandbox;

fn executor(sandbox: &ProcessSandbox) -> CodeExecutor {
    let add = LocalTool::new("add", async |args: Args| {
        let number = |name: &str| args[name].as_f64().ok_or("not a number");
        Ok::<_, &str>(number("a")? + number("b")?)
    });
    let index = Index::new();
    let tools = Local::new("math").tool(add);
    index.register_all(tools.registrations().unwrap_or_default());
    let sandboxes = Sandboxes::new().with(Arc::new(sandbox.clone()));
    let docs = Arc::new(DocStore::default());
    CodeExecutor::builder(Runner::new(index), docs, sandboxes).build()
}

async fn run(executor: &CodeExecutor) {
    let source = "return 1 + 1 + await tools.math.add({a: 1, b: 2})";
    let submission = Submission::new(Language::JavaScript, source).check(false);
    let outcome = executor.execute(submission, &CallContext::new()).await;
    let outcome = outcome.expect("the submission is taken");
    assert_eq!((&outcome.value, &outcome.error), (&json!(5), &None));
}

fn cold(c: &mut Criterion, runtime: &Runtime) {
    let sandbox = ProcessSandbox::with_warm(toolexec_testkit::build::guest(), 0);
    let executor = executor(&sandbox);
    c.bench_function("program/process/javascript/cold", |b| {
        b.iter_custom(|count| {
            runtime.block_on(async {
                let started = Instant::now();
                for _ in 0..count {
                    run(&executor).await;
                }
                started.elapsed()
            })
        });
    });
    c.bench_function("program/process/javascript/50_at_once", |b| {
        b.iter_custom(|count| {
            runtime.block_on(async {
                let started = Instant::now();
                for _ in 0..count {
                    let mut running = tokio::task::JoinSet::new();
                    for _ in 0..50 {
                        let executor = executor.clone();
                        running.spawn(async move { run(&executor).await });
                    }
                    running.join_all().await;
                }
                started.elapsed()
            })
        });
    });
}

fn warm(c: &mut Criterion, runtime: &Runtime) {
    let sandbox = ProcessSandbox::with_warm(toolexec_testkit::build::guest(), 1);
    let executor = executor(&sandbox);
    c.bench_function("program/process/javascript/warm", |b| {
        b.iter_custom(|count| {
            runtime.block_on(async {
                let mut spent = Duration::ZERO;
                for _ in 0..count {
                    sandbox.warm_up().await.expect("the guest starts");
                    // Let the guest settle in its read.
                    tokio::time::sleep(Duration::from_millis(3)).await;
                    let started = Instant::now();
                    run(&executor).await;
                    spent += started.elapsed();
                }
                spent
            })
        });
    });
}

/// What this process has in memory, in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Takes a minute, so it runs only where `TOOLEXEC_BENCH_MEMORY` says how many programs.
fn memory(_: &mut Criterion, runtime: &Runtime) {
    let programs = std::env::var("TOOLEXEC_BENCH_MEMORY").ok();
    let Some(programs) = programs.and_then(|text| text.parse::<u64>().ok()) else {
        return;
    };
    let sandbox = ProcessSandbox::with_warm(toolexec_testkit::build::guest(), 2);
    let executor = executor(&sandbox);
    runtime.block_on(async {
        for done in 0..=programs {
            if done % (programs / 10).max(1) == 0 {
                eprintln!("after {done} programs: {} KiB", resident());
            }
            run(&executor).await;
        }
    });
}

fn benches(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    cold(c, &runtime);
    warm(c, &runtime);
    memory(c, &runtime);
}

criterion_group! {
    name = process;
    config = Criterion::default()
        .sample_size(20)
        .measurement_time(Duration::from_secs(3))
        .warm_up_time(Duration::from_millis(500));
    targets = benches
}
criterion_main!(process);
