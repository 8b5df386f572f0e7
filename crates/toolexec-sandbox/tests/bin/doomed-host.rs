//! A host that runs programs in the sandbox `process`, or in the one that its third argument
//! names, with the runtime and the cache that follow. With `wait` it starts some that do not
//! end, says so and waits to be killed; with `tidy` it runs some, ends everything, and says how
//! many descriptors it had before and has after. With the socket of containerd, a namespace and a
//! directory for streams besides, it does so in the sandbox `containerd`; with `docker`, it waits
//! with two guests on the Docker daemon whose socket it is given; with `firecracker`, a program,
//! an image and a directory, with two machines.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

#[cfg(target_os = "linux")]
use toolexec_core::sandbox::{Language, Limits, Sandbox, SessionSpec};
#[cfg(all(feature = "gvisor", target_os = "linux"))]
use toolexec_sandbox::gvisor::GvisorSandbox;
#[cfg(all(feature = "linux-guest", target_os = "linux"))]
use toolexec_sandbox::linux_guest::LinuxGuest;
#[cfg(target_os = "linux")]
use toolexec_sandbox::process::ProcessSandbox;
#[cfg(all(feature = "runc", target_os = "linux"))]
use toolexec_sandbox::runc::RuncSandbox;

/// One of the sandboxes.
#[cfg(target_os = "linux")]
enum Any {
    Process(ProcessSandbox),
    #[cfg(feature = "runc")]
    Runc(RuncSandbox),
    #[cfg(feature = "gvisor")]
    Gvisor(GvisorSandbox),
}

#[cfg(target_os = "linux")]
impl Any {
    fn sandbox(&self) -> &dyn Sandbox {
        match self {
            Self::Process(sandbox) => sandbox,
            #[cfg(feature = "runc")]
            Self::Runc(sandbox) => sandbox,
            #[cfg(feature = "gvisor")]
            Self::Gvisor(sandbox) => sandbox,
        }
    }

    async fn warm_up(&self) -> toolexec_core::Result<()> {
        match self {
            Self::Process(sandbox) => sandbox.warm_up().await,
            #[cfg(feature = "runc")]
            Self::Runc(sandbox) => sandbox.warm_up().await,
            #[cfg(feature = "gvisor")]
            Self::Gvisor(sandbox) => sandbox.warm_up().await,
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    ExitCode::FAILURE
}

#[cfg(target_os = "linux")]
#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "the test reads it")]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    #[cfg(feature = "containerd")]
    if let [guest, what, socket, namespace, streams] = &args[..]
        && !matches!(socket.as_str(), "gvisor" | "runc")
    {
        return containerd(guest, what, [socket, namespace, streams]).await;
    }
    #[cfg(feature = "firecracker")]
    if let [_, _, name, program, image, state] = &args[..]
        && name == "firecracker"
    {
        return firecracker([program, image, state]).await;
    }
    let mut args = args.into_iter();
    let (guest, what) = (args.next().unwrap_or_default(), args.next());
    let spec = SessionSpec::new(Language::JavaScript, Limits::standard());
    #[cfg(feature = "docker")]
    if what.as_deref() == Some("docker") {
        return docker(&guest).await;
    }
    let is_doomed = what.as_deref() == Some("wait");
    let warm = usize::from(!is_doomed);
    let rest: Vec<String> = args.collect();
    let sandbox = match rest.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        #[cfg(feature = "runc")]
        ["runc", program, cache] => Any::Runc(
            RuncSandbox::builder(LinuxGuest::built_in(Some(cache.into())))
                .program(program)
                .warm(warm)
                .build(),
        ),
        #[cfg(feature = "gvisor")]
        ["gvisor", program, cache] => Any::Gvisor(
            GvisorSandbox::builder(LinuxGuest::built_in(Some(cache.into())))
                .program(program)
                .warm(warm)
                .build(),
        ),
        _ => Any::Process(ProcessSandbox::with_warm(Path::new(&guest), warm)),
    };
    let mut sessions = Vec::new();
    for _ in 0..2 {
        match sandbox.sandbox().start(spec.clone()).await {
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
        drop(sandbox.sandbox().start(spec.clone()).await);
    }
    let after = descriptors(&sandbox).await;
    drop(sandbox);
    println!("{before} {after}");
    ExitCode::SUCCESS
}

/// How many descriptors are open when as many guests wait as shall, and what was killed is reaped.
#[cfg(target_os = "linux")]
async fn descriptors(sandbox: &Any) -> usize {
    tokio::time::sleep(Duration::from_millis(500)).await;
    drop(sandbox.warm_up().await);
    tokio::time::sleep(Duration::from_millis(500)).await;
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

#[cfg(all(feature = "firecracker", target_os = "linux"))]
#[expect(clippy::print_stdout, reason = "the test reads it")]
async fn firecracker([program, image, state]: [&str; 3]) -> ExitCode {
    use toolexec_sandbox::firecracker::FirecrackerSandbox;
    use toolexec_sandbox::vm::Images;

    let guest = LinuxGuest::built_in(None);
    let builder = FirecrackerSandbox::builder(guest, Images::new(state), state);
    let builder = builder.program(program).image(image).kvm("/dev/null");
    let sandbox = builder.warm(0).build();
    let spec = || SessionSpec::new(Language::JavaScript, Limits::standard());
    let (Ok(_first), Ok(_second)) = (sandbox.start(spec()).await, sandbox.start(spec()).await)
    else {
        return ExitCode::FAILURE;
    };
    println!("ready");
    tokio::time::sleep(Duration::from_mins(1)).await;
    ExitCode::SUCCESS
}

#[cfg(all(feature = "docker", target_os = "linux"))]
#[expect(clippy::print_stdout, reason = "the test reads it")]
async fn docker(socket: &str) -> ExitCode {
    use toolexec_sandbox::docker::DockerSandbox;

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
    use toolexec_sandbox::containerd::ContainerdSandbox;

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
