//! The sandbox `containerd`, with the real daemon: what no suite for all sandboxes says.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use toolexec_core::code::{CodeExecutor, Outcome, Submission};
use toolexec_core::index::Index;
use toolexec_core::sandbox::{
    Isolation, Language, LimitName, Limits, Profile, Sandbox, Sandboxes, SessionSpec,
};
use toolexec_core::{CallContext, Error, Runner};
use toolexec_process::{Child, Command, base_env};
use toolexec_sandbox::containerd::{Builder, ContainerdSandbox};
use toolexec_sandbox::doctor::{Verdict, examine};
use toolexec_sandbox::linux_guest::LinuxGuest;
use toolexec_testkit::{daemons, require};

fn linux_guest() -> LinuxGuest {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("linux-guest");
    LinuxGuest::built_in(Some(cache))
}

fn builder() -> Option<Builder> {
    let socket = require(daemons::containerd())?;
    Some(
        ContainerdSandbox::builder(linux_guest())
            .socket(socket)
            .warm(0),
    )
}

/// Runs a program in a sandbox.
async fn run(sandbox: ContainerdSandbox, source: &str) -> Result<Outcome, Error> {
    let isolation = sandbox.describe().isolation;
    let profile = if isolation == Isolation::Vm {
        Profile::Hardened
    } else {
        Profile::Standard
    };
    let sandboxes = Sandboxes::new()
        .candidates(profile, [sandbox.name()])
        .with(Arc::new(sandbox));
    let runner = Runner::new(Index::new());
    let executor = CodeExecutor::builder(runner, Arc::default(), sandboxes).build();
    let submission = Submission::new(Language::JavaScript, source).profile(profile);
    executor.execute(submission, &CallContext::new()).await
}

/// Message and hints of what a sandbox says that cannot be used.
async fn said(builder: Builder) -> (String, Vec<String>) {
    let error = builder.build().probe().await.unwrap_err();
    (error.guest_message().to_owned(), error.hints().to_vec())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gvisor_is_a_runtime_of_containerd() {
    let Some(builder) = builder() else { return };
    let Some(runsc) = require(daemons::runsc_for_containerd()) else {
        return;
    };
    let sandbox = builder.binary(runsc).build();
    assert_eq!(sandbox.describe().isolation, Isolation::Vm);
    let outcome = run(sandbox, "return 1 + 1").await.unwrap();
    assert_eq!((outcome.error, outcome.value), (None, 2.into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_limit_holds_under_attack() {
    let Some(builder) = builder() else { return };
    let sandboxes = |warm| Sandboxes::new().with(Arc::new(builder.clone().warm(warm).build()));
    let found = examine(&sandboxes(0), &sandboxes(1)).await.remove(0);
    assert_eq!(found.missing, None);
    assert!(found.version.is_some());
    assert!(found.warm_ms.is_some());
    let verdicts = found.limits.iter().map(|limit| (limit.name, limit.verdict));
    let verdict = |name| match name {
        LimitName::Pids | LimitName::Disk => Verdict::NoMeans,
        _ => Verdict::Held,
    };
    let expected = LimitName::ALL.map(|name| (name, verdict(name)));
    assert_eq!(verdicts.collect::<Vec<_>>(), expected, "{:?}", found.limits);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_programs_at_once_all_end() {
    let Some(builder) = builder() else { return };
    let sandbox = builder.build();
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..50 {
        running.spawn(run(sandbox.clone(), "return 1 + 1"));
    }
    for outcome in running.join_all().await {
        let outcome = outcome.unwrap();
        assert_eq!((outcome.error, outcome.value), (None, 2.into()));
    }
}

#[tokio::test]
async fn a_shim_that_is_missing_is_named_with_what_to_install() {
    let Some(builder) = builder() else { return };
    let missing = "containerd does not have the shim of its runtime".to_owned();
    for (runtime, hint) in [
        (
            "io.containerd.kata.v2",
            "install Kata Containers: containerd-shim-kata-v2 must be in the PATH of containerd",
        ),
        (
            "io.containerd.runsc.v1",
            "install gVisor's containerd-shim-runsc-v1 where containerd finds it, or use the \
             runtime io.containerd.runc.v2 with a program named runsc: [code.containerd] \
             runtime_options",
        ),
        (
            "io.containerd.nosuch.v1",
            "install the shim of the runtime, or name another: [code.containerd] runtime",
        ),
    ] {
        let found = said(builder.clone().runtime(runtime)).await;
        assert_eq!(found, (missing.clone(), vec![hint.to_owned()]), "{runtime}");
    }
}

#[tokio::test]
async fn a_socket_where_nobody_listens_is_said() {
    let nowhere = ContainerdSandbox::builder(linux_guest()).socket("/nowhere/containerd.sock");
    let hint = "install and start containerd, or say where its socket is: [code.containerd] socket";
    let found = said(nowhere).await;
    assert_eq!(
        found,
        (
            "containerd does not answer".to_owned(),
            vec![hint.to_owned()]
        )
    );
}

#[tokio::test]
async fn an_image_that_is_missing_is_named_with_how_to_get_it() {
    let Some(builder) = builder() else { return };
    let found = said(builder.image("docker.io/library/nosuch:1")).await;
    let message =
        "containerd does not have the image \"docker.io/library/nosuch:1\" for this machine";
    let hint = "nothing is pulled here; get it with: ctr --namespace toolexec images pull \
                docker.io/library/nosuch:1";
    assert_eq!(found, (message.to_owned(), vec![hint.to_owned()]));
}

/// A namespace and a directory for streams of a test's own.
struct Place {
    socket: PathBuf,
    namespace: &'static str,
    streams: TempDir,
}

impl Place {
    fn new(namespace: &'static str) -> Option<Self> {
        let socket = require(daemons::containerd())?;
        let streams = TempDir::new().unwrap();
        Some(Self {
            socket,
            namespace,
            streams,
        })
    }

    fn builder(&self) -> Builder {
        let builder = ContainerdSandbox::builder(linux_guest())
            .socket(&self.socket)
            .warm(0);
        builder
            .namespace(self.namespace)
            .streams(self.streams.path())
    }

    fn host(&self, what: &str) -> Child {
        let guest = Path::new(env!("CARGO_TARGET_TMPDIR")).join("linux-guest");
        Command::new(env!("CARGO_BIN_EXE_doomed-host"))
            .arg(guest)
            .arg(what)
            .arg(&self.socket)
            .arg(self.namespace)
            .arg(self.streams.path())
            .envs(base_env())
            .spawn()
            .unwrap()
    }

    /// What containerd has in the namespace, and which streams there are.
    async fn left(&self) -> (Vec<String>, usize) {
        let containers = self.listed(&["containers", "list", "--quiet"]).await;
        let tasks = self.listed(&["tasks", "list", "--quiet"]).await;
        let all = containers.lines().chain(tasks.lines()).map(str::to_owned);
        (
            all.collect(),
            std::fs::read_dir(self.streams.path()).unwrap().count(),
        )
    }

    async fn listed(&self, args: &[&str]) -> String {
        let output = Command::new("ctr")
            .arg("--address")
            .arg(&self.socket)
            .args(["--namespace", self.namespace])
            .args(args)
            .envs(base_env())
            .spawn()
            .unwrap();
        text(output).await
    }
}

async fn text(mut child: Child) -> String {
    let mut stdout = child.take_stdout().unwrap();
    let mut text = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut stdout, &mut text)
        .await
        .unwrap();
    assert!(
        child.wait().await.unwrap().is_success(),
        "{:?}",
        child.stderr()
    );
    text
}

async fn line(host: &mut Child) -> String {
    let stdout = host.take_stdout().unwrap();
    let line = BufReader::new(stdout).lines().next_line().await.unwrap();
    line.unwrap_or_else(|| panic!("the host says something: {:?}", host.stderr()))
}

fn nothing() -> (Vec<String>, usize) {
    (Vec::new(), 0)
}

fn spec() -> SessionSpec {
    SessionSpec::new(Language::JavaScript, Limits::standard())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_when_a_sandbox_is_dropped() {
    let Some(place) = Place::new("toolexec-test-drop") else {
        return;
    };
    let sandbox = place.builder().build();
    let session = sandbox.start(spec()).await.unwrap();
    let cancelled =
        tokio::time::timeout(std::time::Duration::from_millis(30), sandbox.start(spec()));
    drop(cancelled.await);
    drop(session);
    drop(sandbox);
    assert_eq!(place.left().await, nothing());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_start_sweeps_what_hosts_left_that_were_killed() {
    let Some(place) = Place::new("toolexec-test-kill") else {
        return;
    };
    for _ in 0..3 {
        let mut host = place.host("wait");
        assert_eq!(line(&mut host).await, "ready");
        let pid = rustix::process::Pid::from_raw(host.pid().cast_signed()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        host.wait().await.unwrap();
    }
    assert_ne!(place.left().await, nothing());
    let sandbox = place.builder().build();
    sandbox.probe().await.unwrap();
    drop(sandbox);
    assert_eq!(place.left().await, nothing());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropped_sessions_keep_no_descriptor() {
    let Some(place) = Place::new("toolexec-test-tidy") else {
        return;
    };
    let mut host = place.host("tidy");
    let said = line(&mut host).await;
    let (before, after) = said.split_once(' ').unwrap();
    assert_eq!(before, after, "descriptors");
    assert!(host.wait().await.unwrap().is_success());
    assert_eq!(place.left().await, nothing());
}

/// Makes an image of two layers and gives it to containerd.
const IMAGE: &str = r#"
set -e
mkdir -p 1/etc 1/tmp 2/opt
for layer in 1 2; do
    tar -cf $layer.tar -C $layer .
    sha256sum $layer.tar | cut -d ' ' -f 1 > $layer.sum
done
printf '{"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers",
    "diff_ids": ["sha256:%s", "sha256:%s"]}}' $(cat 1.sum 2.sum) > config.json
echo '[{"Config": "config.json", "RepoTags": ["toolexec.test/layers:1"],
    "Layers": ["1.tar", "2.tar"]}]' > manifest.json
tar -cf image.tar config.json manifest.json 1.tar 2.tar
ctr --address "$1" --namespace "$2" images import image.tar
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_that_containerd_has_is_the_root() {
    let Some(place) = Place::new("toolexec-test-image") else {
        return;
    };
    let image = "toolexec.test/layers:1";
    let directory = TempDir::new().unwrap();
    let made = Command::new("sh")
        .args(["-c", IMAGE, "sh"])
        .arg(&place.socket)
        .arg(place.namespace)
        .current_dir(directory.path())
        .envs(base_env());
    text(made.spawn().unwrap()).await;
    let sandbox = place.builder().image(image).build();
    let outcome = run(sandbox, "return 1 + 1").await.unwrap();
    assert_eq!((outcome.error, outcome.value), (None, 2.into()));
    assert_eq!(place.left().await, nothing());
    let snapshots = place.listed(&["snapshots", "list"]).await;
    let in_use = snapshots.lines().filter(|line| line.contains("Active"));
    assert_eq!(in_use.collect::<Vec<_>>(), [] as [&str; 0]);
    place.listed(&["images", "remove", "--sync", image]).await;
}
