//! Tools and servers whose programs are those of a root.

use tokio::io::AsyncReadExt;
use toolexec_process::{Command, Confine, SpawnError};
use toolexec_sandbox::tools::{ToolKind, ToolPlaces, ToolSandbox};
use toolexec_testkit::{build, daemons, require};

use crate::shared_root::root;

/// What a program prints that works.
async fn said(confine: &dyn Confine, program: &str, args: &[&str]) -> String {
    let command = Command::new(program).args(args.iter().copied());
    let mut child = confine
        .spawn(command.envs(confine.base_env()))
        .await
        .unwrap();
    let mut said = String::new();
    let mut stdout = child.take_stdout().unwrap();
    stdout.read_to_string(&mut said).await.unwrap();
    let exit = child.wait().await.unwrap();
    assert!(exit.is_success(), "{exit}: {:?}", child.stderr());
    said.trim().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_run_on_each_kind_of_wall() {
    let Some(root) = root().await else { return };
    let Some(runsc) = require(daemons::runsc()) else {
        return;
    };
    let work = tempfile::tempdir().unwrap();
    let places = ToolPlaces {
        launcher: Some(build::cell()),
        runsc: Some(runsc),
        cache: Some(work.path().to_owned()),
        ..ToolPlaces::default()
    };
    for kind in [ToolKind::Process, ToolKind::Gvisor] {
        let sandbox = ToolSandbox {
            kind: Some(kind),
            image: Some(root.directory().to_string_lossy().into_owned()),
            ..ToolSandbox::default()
        };
        let confine = sandbox.confine(&places).unwrap();
        confine.probe().await.unwrap();
        let version = said(&*confine, "go", &["version"]).await;
        assert!(version.starts_with("go version go1."), "{version}");
        let names = said(
            &*confine,
            "bash",
            &["-c", "cd /; echo [!l]*; touch /usr/x || true"],
        )
        .await;
        assert!(names.starts_with("bin dev etc "), "{names}");
        let missing = confine.spawn(Command::new("no-such-program")).await;
        let missing = missing.map(|_| ());
        assert!(
            matches!(missing, Err(SpawnError::NotFound { .. })),
            "{missing:?}"
        );
    }
}
