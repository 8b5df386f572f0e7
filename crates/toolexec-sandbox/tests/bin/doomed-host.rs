//! A host that runs programs in the sandbox `process`. With `wait` it starts some that do not
//! end, says so and waits to be killed; with `tidy` it runs some, ends everything, and says how
//! many descriptors it had before and has after. With the socket of containerd, a namespace and a
//! directory for streams besides, it does so in the sandbox `containerd`; with `docker`, it waits
//! with two guests on the Docker daemon whose socket it is given.

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

    let args: Vec<String> = std::env::args().skip(1).collect();
    #[cfg(feature = "containerd")]
    if let [guest, what, socket, namespace, streams] = &args[..] {
        return containerd(guest, what, [socket, namespace, streams]).await;
    }
    let mut args = args.into_iter();
    let (guest, what) = (args.next().unwrap_or_default(), args.next());
    let spec = SessionSpec::new(Language::JavaScript, Limits::standard());
    #[cfg(feature = "docker")]
    if what.as_deref() == Some("docker") {
        return docker(&guest).await;
    }
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

#[cfg(all(feature = "docker", target_os = "linux"))]
#[expect(clippy::print_stdout, reason = "the test reads it")]
async fn docker(socket: &str) -> ExitCode {
    use toolexec_core::sandbox::{Language, Limits, Sandbox, SessionSpec};
    use toolexec_sandbox::docker::DockerSandbox;
    use toolexec_sandbox::linux_guest::LinuxGuest;

    let sandbox = DockerSandbox::builder(LinuxGuest::built_in(None)).host(socket);
    let Ok(sandbox) = sandbox.warm(0).build() else {
        return ExitCode::FAILURE;
    };
    let spec = || SessionSpec::new(Language::JavaScript, Limits::standard());
    let (Ok(_first), Ok(_second)) = (sandbox.start(spec()).await, sandbox.start(spec()).await)
    else {
        return ExitCode::FAILURE;
    };
    println!("ready");
    tokio::time::sleep(Duration::from_mins(1)).await;
    ExitCode::SUCCESS
}

#[cfg(all(feature = "containerd", target_os = "linux"))]
#[expect(clippy::print_stdout, reason = "the test reads it")]
async fn containerd(guest: &str, what: &str, [socket, namespace, streams]: [&str; 3]) -> ExitCode {
    use toolexec_core::sandbox::{Language, Limits, Sandbox, SessionSpec};
    use toolexec_sandbox::containerd::ContainerdSandbox;
    use toolexec_sandbox::linux_guest::LinuxGuest;

    let guest = LinuxGuest::built_in(Some(guest.into()));
    let builder = ContainerdSandbox::builder(guest)
        .socket(socket)
        .namespace(namespace);
    let sandbox = builder.streams(streams).warm(0).build();
    let spec = || SessionSpec::new(Language::JavaScript, Limits::standard());
    let (Ok(first), Ok(second)) = (sandbox.start(spec()).await, sandbox.start(spec()).await) else {
        return ExitCode::FAILURE;
    };
    if what == "wait" {
        println!("ready");
        tokio::time::sleep(Duration::from_mins(1)).await;
        return ExitCode::SUCCESS;
    }
    let open = || std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    drop((first, second));
    let settled = Duration::from_secs(2);
    tokio::time::sleep(settled).await;
    let before = open();
    for _ in 0..10 {
        drop(sandbox.start(spec()).await);
    }
    tokio::time::sleep(settled).await;
    println!("{before} {}", open());
    ExitCode::SUCCESS
}
