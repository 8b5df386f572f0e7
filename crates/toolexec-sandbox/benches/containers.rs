//! Programs with one tool call in containers and machines: from nothing, in one that waits, and in
//! a machine that is restored. What a sandbox needs and is not there is said, and nothing is
//! measured of it.

#![expect(clippy::expect_used, reason = "a bench fails by panicking")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::json;
use tokio::runtime::Runtime;
use toolexec_core::backend::local::{Local, LocalTool};
use toolexec_core::code::{CodeExecutor, Submission};
use toolexec_core::index::Index;
use toolexec_core::sandbox::{Isolation, Language, Profile, Sandbox, Sandboxes};
use toolexec_core::{Args, CallContext, DocStore, Runner};
use toolexec_sandbox::linux_guest::LinuxGuest;
use toolexec_testkit::{Missing, require};

/// Makes a sandbox with so many guests started ahead.
type Make = fn(LinuxGuest, usize) -> Result<Arc<dyn Sandbox>, Missing>;

/// The sandboxes that are built in.
const ALL: &[(&str, Make)] = &[
    #[cfg(feature = "containerd")]
    ("containerd", |guest, warm| {
        let socket = toolexec_testkit::daemons::containerd()?;
        let builder = toolexec_sandbox::containerd::ContainerdSandbox::builder(guest);
        Ok(Arc::new(builder.socket(socket).warm(warm).build()))
    }),
    #[cfg(feature = "docker")]
    ("docker", |guest, warm| docker(guest, warm, None)),
    #[cfg(feature = "docker")]
    ("docker-runsc", |guest, warm| {
        docker(guest, warm, Some("runsc"))
    }),
    #[cfg(feature = "runc")]
    ("runc", |guest, warm| {
        let program = toolexec_testkit::daemons::runc()?;
        let builder = toolexec_sandbox::runc::RuncSandbox::builder(guest);
        Ok(Arc::new(builder.program(program).warm(warm).build()))
    }),
    #[cfg(feature = "gvisor")]
    ("gvisor", |guest, warm| {
        let program = toolexec_testkit::daemons::runsc()?;
        let builder = toolexec_sandbox::gvisor::GvisorSandbox::builder(guest);
        Ok(Arc::new(builder.program(program).warm(warm).build()))
    }),
];

#[cfg(feature = "docker")]
fn docker(
    guest: LinuxGuest,
    warm: usize,
    runtime: Option<&str>,
) -> Result<Arc<dyn Sandbox>, Missing> {
    let socket = toolexec_testkit::daemons::docker()?;
    let mut builder = toolexec_sandbox::docker::DockerSandbox::builder(guest);
    if let Some(runtime) = runtime {
        builder = builder.runtime(runtime);
    }
    let builder = builder.host(socket.to_string_lossy()).warm(warm);
    Ok(Arc::new(builder.build().expect("a socket is an address")))
}

fn guest() -> LinuxGuest {
    LinuxGuest::built_in(Some(std::env::temp_dir().join("toolexec-bench")))
}

fn executor(sandbox: Arc<dyn Sandbox>) -> CodeExecutor {
    let add = LocalTool::new("add", async |args: Args| {
        let number = |name: &str| args[name].as_f64().ok_or("not a number");
        Ok::<_, &str>(number("a")? + number("b")?)
    });
    let index = Index::new();
    let tools = Local::new("math").tool(add);
    index.register_all(tools.registrations().unwrap_or_default());
    let profile = match sandbox.describe().isolation {
        Isolation::Vm => Profile::Hardened,
        _ => Profile::Standard,
    };
    let candidates = [sandbox.name().to_owned()];
    let sandboxes = Sandboxes::new()
        .candidates(profile, candidates)
        .with(sandbox);
    let docs = Arc::new(DocStore::default());
    CodeExecutor::builder(Runner::new(index), docs, sandboxes)
        .profile(profile)
        .build()
}

async fn run(executor: &CodeExecutor) {
    let source = "return 1 + 1 + await tools.math.add({a: 1, b: 2})";
    let submission = Submission::new(Language::JavaScript, source).check(false);
    let outcome = executor.execute(submission, &CallContext::new()).await;
    let outcome = outcome.expect("the submission is taken");
    assert_eq!((&outcome.value, &outcome.error), (&json!(5), &None));
}

/// Runs programs one after the other, with a pause in which another guest is started.
fn measure(c: &mut Criterion, runtime: &Runtime, name: &str, executor: &CodeExecutor, pause: u64) {
    runtime.block_on(run(executor));
    c.bench_function(name, |b| {
        b.iter_custom(|count| {
            runtime.block_on(async {
                let mut spent = Duration::ZERO;
                for _ in 0..count {
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                    let started = Instant::now();
                    run(executor).await;
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
    for (name, make) in ALL {
        let Some(cold) = require(make(guest(), 0)) else {
            continue;
        };
        // The removal of the container before is not part of a start.
        let id = format!("program/{name}/javascript/cold");
        measure(c, &runtime, &id, &executor(cold), 100);
        let warm = make(guest(), 1).expect("it was there before");
        let id = format!("program/{name}/javascript/warm");
        measure(c, &runtime, &id, &executor(warm), 1000);
    }
    #[cfg(feature = "qemu")]
    machines(c, &runtime);
}

#[cfg(feature = "qemu")]
fn machines(c: &mut Criterion, runtime: &Runtime) {
    use toolexec_sandbox::qemu::QemuSandbox;
    use toolexec_sandbox::vm::Images;
    let Some(kernel) = require(toolexec_testkit::daemons::qemu()) else {
        return;
    };
    let images = Images::new(std::env::temp_dir().join("toolexec-bench/images"));
    images.build(&kernel, &guest()).expect("an image");
    for (how, is_restored, warm, pause) in [
        ("cold", false, 0, 100),
        ("snapshot", true, 0, 100),
        ("warm", true, 1, 2000),
    ] {
        let builder = QemuSandbox::builder(guest(), images.clone());
        let sandbox = builder.snapshots(is_restored).warm(warm).build();
        let id = format!("program/qemu/javascript/{how}");
        measure(c, runtime, &id, &executor(Arc::new(sandbox)), pause);
    }
}

criterion_group! {
    name = containers;
    config = Criterion::default()
        .sample_size(10)
        .measurement_time(Duration::from_secs(3))
        .warm_up_time(Duration::from_millis(500));
    targets = benches
}
criterion_main!(containers);
