//! Programs in Go in a container with a root that has it: compiled anew, compiled before, and
//! compiled before with a container that waits. The tests make the root.

#![expect(clippy::expect_used, reason = "a bench fails by panicking")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use tokio::runtime::Runtime;
use toolexec_core::code::{CodeExecutor, Submission};
use toolexec_core::index::Index;
use toolexec_core::sandbox::{Language, Profile, Sandboxes};
use toolexec_core::{CallContext, DocStore, Runner};
use toolexec_sandbox::linux_guest::LinuxGuest;
use toolexec_sandbox::roots::Roots;
use toolexec_sandbox::runc::RuncSandbox;
use toolexec_testkit::daemons::place;
use toolexec_testkit::{Missing, daemons, require};

/// A root that the tests made.
const ROOT: &str = "tests";

fn executor(cache: &Path, warm: usize) -> Result<CodeExecutor, Missing> {
    let remedy = "run the tests of roots: cargo nextest run -p toolexec-sandbox roots";
    let missing = || Missing::new("root", "there is none with Go", remedy);
    let roots = Roots::new(place::root().ok_or_else(missing)?.join("roots"));
    let root = roots.find(ROOT).ok_or_else(missing)?;
    let guest = LinuxGuest::built_in(Some(std::env::temp_dir().join("toolexec-bench")));
    let sandbox = RuncSandbox::builder(guest)
        .program(daemons::runc()?)
        .root(root.directory())
        .toolchain_cache(cache)
        .warm(warm)
        .build();
    let sandboxes = Sandboxes::new()
        .candidates(Profile::Standard, ["runc"])
        .with(Arc::new(sandbox));
    let docs = Arc::new(DocStore::default());
    Ok(CodeExecutor::builder(Runner::new(Index::new()), docs, sandboxes).build())
}

async fn run(executor: &CodeExecutor, number: u64) {
    let source = format!("return strings.Repeat(\"a\", {number})");
    let submission = Submission::new(Language::Go, source);
    let outcome = executor.execute(submission, &CallContext::new()).await;
    let outcome = outcome.expect("the submission is taken");
    assert_eq!(outcome.error, None);
}

/// Runs programs one after the other, with a pause in which another guest is started.
fn measure(
    c: &mut Criterion,
    runtime: &Runtime,
    name: &str,
    executor: &CodeExecutor,
    mut number: impl FnMut() -> u64,
) {
    runtime.block_on(run(executor, number()));
    c.bench_function(name, |b| {
        b.iter_custom(|count| {
            runtime.block_on(async {
                let mut spent = Duration::ZERO;
                for _ in 0..count {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    let started = Instant::now();
                    run(executor, number()).await;
                    spent += started.elapsed();
                }
                spent
            })
        });
    });
}

fn benches(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let scratch = tempfile::tempdir().expect("a directory");
    let cache = scratch.path().join("cache");
    let Some(cold) = require(executor(&cache, 0)) else {
        return;
    };
    let mut next = 0;
    let mut anew = || {
        next += 1;
        next
    };
    measure(c, &runtime, "program/runc/go/compiled", &cold, &mut anew);
    measure(c, &runtime, "program/runc/go/kept", &cold, || 0);
    let Some(warm) = require(executor(&cache, 1)) else {
        return;
    };
    measure(c, &runtime, "program/runc/go/kept and waiting", &warm, || 0);
}

criterion_group! {
    name = toolchains;
    config = Criterion::default()
        .sample_size(10)
        .measurement_time(Duration::from_secs(3))
        .warm_up_time(Duration::from_millis(500));
    targets = benches
}
criterion_main!(toolchains);
