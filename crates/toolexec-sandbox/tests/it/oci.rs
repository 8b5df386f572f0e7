//! What is special about containers that runc and gVisor start: what native code finds in them,
//! and what is said when they do not start.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use toolexec_core::sandbox::{
    Ended, Enforcer, Guest, Language, LimitName, Limits, Sandbox, Session, SessionSpec,
};
use toolexec_sandbox::gvisor::GvisorSandbox;
use toolexec_sandbox::linux_guest::LinuxGuest;
use toolexec_sandbox::runc::RuncSandbox;
use toolexec_testkit::{daemons, require};

/// A guest that is a script of the shell, in a root with `BusyBox`.
struct Script {
    place: TempDir,
    busybox: PathBuf,
}

impl Script {
    fn new() -> Option<Self> {
        let busybox = require(daemons::busybox())?;
        let place = tempfile::tempdir().unwrap();
        Some(Self { place, busybox })
    }

    /// A root directory, and a guest that is this script.
    fn of(&self, script: &str) -> (PathBuf, LinuxGuest) {
        let root = self.place.path().join("root");
        for dir in ["bin", "dev", "proc", "tmp"] {
            fs::create_dir_all(root.join(dir)).unwrap();
        }
        fs::copy(&self.busybox, root.join("bin/busybox")).unwrap();
        for name in [
            "sh", "id", "grep", "mount", "dd", "wc", "ls", "sleep", "tail", "uname",
        ] {
            // Left from the script before it.
            let _ = symlink("busybox", root.join("bin").join(name));
        }
        let program = self.place.path().join("script");
        fs::write(&program, format!("#!/bin/sh\nPATH=/bin\n{script}\n")).unwrap();
        let all = fs::Permissions::from_mode(0o755);
        fs::set_permissions(&program, all.clone()).unwrap();
        fs::set_permissions(self.place.path(), all).unwrap();
        let cache = self.place.path().join("cache");
        (root, LinuxGuest::at(program, Some(cache)))
    }
}

async fn runc(script: &Script, text: &str) -> Option<Arc<dyn Sandbox>> {
    let program = require(daemons::runc())?;
    let (root, guest) = script.of(text);
    let sandbox = RuncSandbox::builder(guest).program(program).root(root);
    Some(Arc::new(sandbox.warm(0).build()))
}

async fn gvisor(script: &Script, text: &str) -> Option<Arc<dyn Sandbox>> {
    let program = require(daemons::runsc())?;
    let (root, guest) = script.of(text);
    let sandbox = GvisorSandbox::builder(guest).program(program).root(root);
    Some(Arc::new(sandbox.warm(0).build()))
}

async fn start(sandbox: &Arc<dyn Sandbox>, limits: Limits) -> Session {
    let language = Language::JavaScript;
    let spec = SessionSpec::new(language, limits);
    sandbox.start(spec).await.unwrap()
}

/// What it says until it ends, and why it ended. It is looked at as a host does.
async fn to_end(mut session: Session) -> (String, Option<Ended>) {
    let mut said = Vec::new();
    let mut part = [0; 4096];
    loop {
        let look = tokio::time::sleep(Duration::from_millis(20));
        tokio::select! {
            read = session.read(&mut part) => match read.unwrap() {
                0 => break,
                read => said.extend(&part[..read]),
            },
            () = look => {
                let _ = session.usage();
            }
        }
    }
    let mut ended = session.ended();
    for _ in 0..500 {
        if ended.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        ended = session.ended();
    }
    (String::from_utf8_lossy(&said).into_owned(), ended)
}

/// Says who it is, and tries what it may not.
const TRIES: &str = r#"
echo "user $(id -u) group $(id -g)"
echo "capabilities $(grep CapEff /proc/self/status)"
(echo > /file) 2> /dev/null && echo "wrote to the root"
(echo > /proc/sys/kernel/hostname) 2> /dev/null && echo "wrote to /proc"
mount -t tmpfs none /tmp 2> /dev/null && echo "mounted"
dd if=/dev/zero of=/tmp/file bs=64k count=100 2> /dev/null
echo "wrote $(wc -c < /tmp/file) bytes"
echo "interfaces $(grep -c -v -e '|' -e 'lo:' /proc/net/dev)"
"#;

const FOUND: &str = "\
user 65534 group 65534
capabilities CapEff:\t0000000000000000
wrote 1048576 bytes
interfaces 0
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn native_code_finds_nothing_in_a_container_of_runc() {
    let Some(script) = Script::new() else { return };
    let Some(sandbox) = runc(&script, TRIES).await else {
        return;
    };
    let limits = Limits {
        disk: Some(1 << 20),
        ..Limits::standard()
    };
    let session = start(&sandbox, limits).await;
    let expected = (FOUND.to_owned(), Some(Ended::Exited));
    assert_eq!(to_end(session).await, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gvisor_is_a_kernel_of_its_own() {
    let Some(script) = Script::new() else { return };
    let text = format!("uname -r\n{TRIES}");
    let Some(sandbox) = gvisor(&script, &text).await else {
        return;
    };
    let limits = Limits {
        disk: Some(1 << 20),
        ..Limits::standard()
    };
    let session = start(&sandbox, limits).await;
    // The version that gVisor says it is, whatever the machine's is.
    let expected = (format!("4.4.0\n{FOUND}"), Some(Ended::Exited));
    assert_eq!(to_end(session).await, expected);
}

/// Starts processes until it cannot, and says whether it came to a hundred.
const FORKS: &str = r#"
echo start
(
  i=0
  while [ $i -lt 100 ]; do sleep 20 & i=$((i + 1)); done
  echo "a hundred started"
) 2> /dev/null
exit 3
"#;

/// Ends as limits of the kernel make it end, with no host that looks at it.
async fn kernel_limits_hold(make: impl AsyncFn(&Script, &str) -> Option<Arc<dyn Sandbox>>) {
    let Some(script) = Script::new() else { return };
    let usual = Limits::standard();
    let Some(sandbox) = make(&script, FORKS).await else {
        return;
    };
    let pids = Limits {
        pids: Some(4),
        ..usual
    };
    let (said, _) = to_end(start(&sandbox, pids).await).await;
    assert_eq!(said, "start\n");
    let many = Limits {
        pids: Some(200),
        ..usual
    };
    let (said, _) = to_end(start(&sandbox, many).await).await;
    assert_eq!(said, "start\na hundred started\n");

    let sandbox = make(&script, "echo start; exec tail /dev/zero")
        .await
        .unwrap();
    let memory = Limits {
        memory: Some(64 << 20),
        ..usual
    };
    let ended = to_end(start(&sandbox, memory).await).await;
    assert_eq!(ended, ("start\n".to_owned(), Some(Ended::OutOfMemory)));

    let sandbox = make(&script, "echo start; while :; do :; done")
        .await
        .unwrap();
    let claim = (LimitName::CpuTime, Enforcer::Kernel);
    if !sandbox.describe().enforcement.contains(&claim) {
        // Then the host does, which the doctor attacks.
        return;
    }
    let cpu_time = Limits {
        cpu_time: Some(Duration::from_secs(1)),
        ..usual
    };
    let ended = to_end(start(&sandbox, cpu_time).await).await;
    assert_eq!(ended, ("start\n".to_owned(), Some(Ended::OutOfCpu)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_kernel_holds_native_code_to_its_limits_in_runc() {
    kernel_limits_hold(runc).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_kernel_holds_native_code_to_its_limits_in_gvisor() {
    kernel_limits_hold(gvisor).await;
}

#[tokio::test]
async fn a_runtime_that_is_not_there_or_does_not_work_says_what_to_install() {
    let place = tempfile::tempdir().unwrap();
    let guest = || LinuxGuest::built_in(Some(place.path().join("cache")));
    let old = place.path().join("old");
    fs::write(
        &old,
        "#!/bin/sh\necho flag provided but not defined: -platform >&2\nexit 2\n",
    )
    .unwrap();
    fs::set_permissions(&old, fs::Permissions::from_mode(0o755)).unwrap();
    let runc = |program: &Path| RuncSandbox::builder(guest()).program(program).build();
    let gvisor = |program: &Path| GvisorSandbox::builder(guest()).program(program).build();
    let mut said = Vec::new();
    let sandboxes: [Box<dyn Sandbox>; 4] = [
        Box::new(runc(Path::new("no-such-runc"))),
        Box::new(runc(Path::new("/bin/false"))),
        Box::new(gvisor(Path::new("/nowhere/runsc"))),
        Box::new(gvisor(&old)),
    ];
    for sandbox in sandboxes {
        let report = sandbox.probe().await.unwrap_err().report();
        said.push(json!([report.message, report.hints]));
    }
    let get_runc = "install runc 1.1 or later: apt-get install runc";
    let get_gvisor = "install gVisor's runsc: https://gvisor.dev/docs/user_guide/install";
    let try_it = "try its own example first: it may need rights that this container or user lacks";
    let too_old = "the program is too old, or another one of that name";
    let expected = [
        json!(["runc is not installed", [get_runc]]),
        json!(["runc does not start a container", [try_it, get_runc]]),
        json!(["gVisor's runsc is not installed", [get_gvisor]]),
        json!([
            "gVisor's runsc does not start a container",
            [too_old, get_gvisor]
        ]),
    ];
    assert_eq!(said, expected);
}

#[tokio::test]
async fn a_root_that_is_not_there_is_an_error() {
    let Some(program) = require(daemons::runc()) else {
        return;
    };
    let place = tempfile::tempdir().unwrap();
    let guest = LinuxGuest::built_in(Some(place.path().join("cache")));
    let sandbox = RuncSandbox::builder(guest).program(program);
    let sandbox = sandbox.root("/nowhere/root").build();
    let error = sandbox.probe().await.unwrap_err();
    assert_eq!(
        error.guest_message(),
        "the root directory of containers is not there"
    );
}
