//! A host that runs programs in the sandbox `process`. With `wait` it starts some that do not
//! end, says so and waits to be killed; with `tidy` it runs some, ends everything, and says how
//! many descriptors it had before and has after.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    ExitCode::FAILURE
}

#[cfg(target_os = "linux")]
#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "the test reads it")]
async fn main() -> ExitCode {
    use toolexec_core::sandbox::{Language, Limits, Sandbox, SessionSpec};
    use toolexec_sandbox::process::ProcessSandbox;

    let mut args = std::env::args().skip(1);
    let (guest, what) = (args.next().unwrap_or_default(), args.next());
    let spec = SessionSpec {
        module: None,
        language: Language::JavaScript,
        limits: Limits::standard(),
    };
    let is_doomed = what.as_deref() == Some("wait");
    let sandbox = ProcessSandbox::with_warm(Path::new(&guest), usize::from(!is_doomed));
    let mut sessions = Vec::new();
    for _ in 0..2 {
        match sandbox.start(spec.clone()).await {
            Ok(session) => sessions.push(session),
            Err(_) => return ExitCode::FAILURE,
        }
    }
    if sandbox.warm_up().await.is_err() {
        return ExitCode::FAILURE;
    }
    if is_doomed {
        println!("ready");
        tokio::time::sleep(Duration::from_mins(1)).await;
        return ExitCode::SUCCESS;
    }
    drop(sessions);
    let before = descriptors(&sandbox).await;
    for _ in 0..20 {
        drop(sandbox.start(spec.clone()).await);
    }
    let after = descriptors(&sandbox).await;
    drop(sandbox);
    println!("{before} {after}");
    ExitCode::SUCCESS
}

/// How many descriptors are open when as many guests wait as shall, and what was killed is reaped.
#[cfg(target_os = "linux")]
async fn descriptors(sandbox: &toolexec_sandbox::process::ProcessSandbox) -> usize {
    tokio::time::sleep(Duration::from_millis(500)).await;
    drop(sandbox.warm_up().await);
    tokio::time::sleep(Duration::from_millis(500)).await;
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}
