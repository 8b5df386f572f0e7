//! What the host adds to a machine of Firecracker: everything but the machine's own start. What
//! speaks like Firecracker takes its place, and the guest runs as its child.

#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

#[path = "../tests/it/machines.rs"]
mod machines;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::json;
use toolexec_core::sandbox::{Language, Limits, Sandbox, SessionSpec};
use toolexec_sandbox::firecracker::FirecrackerSandbox;
use toolexec_sandbox::linux_guest::LinuxGuest;
use toolexec_sandbox::vm::Images;

fn benches(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let work = tempfile::tempdir().unwrap();
    let builder = double(work.path());
    for (name, are_saved) in [("boot", false), ("restore", true)] {
        let sandbox = builder.clone().snapshots(are_saved).warm(0).build();
        let start = async || {
            let spec = SessionSpec::new(Language::JavaScript, Limits::standard());
            sandbox.start(spec).await.unwrap()
        };
        // The first one is saved.
        drop(runtime.block_on(start()));
        c.bench_function(&format!("start/firecracker-double/{name}"), |b| {
            b.iter_with_large_drop(|| runtime.block_on(start()));
        });
    }
}

/// A sandbox that starts what speaks like Firecracker.
fn double(work: &Path) -> toolexec_sandbox::firecracker::Builder {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("linux-guest");
    let guest = LinuxGuest::built_in(Some(cache));
    let script = json!({ "guest": guest.program().unwrap() });
    fs::write(work.join("script.json"), script.to_string()).unwrap();
    let program = work.join("firecracker");
    symlink(env!("CARGO_BIN_EXE_fake-firecracker"), &program).unwrap();
    let image = machines::image(work, b"\x7fELF kernel");
    FirecrackerSandbox::builder(guest, Images::new(work.join("images")), work.join("state"))
        .program(program)
        .image(image)
        .kvm("/dev/null")
}

criterion_group!(firecracker, benches);
criterion_main!(firecracker);
