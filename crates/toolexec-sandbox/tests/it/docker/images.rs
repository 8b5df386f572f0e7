//! Images: any will do, and nothing is pulled.

use std::os::fd::AsRawFd;
use std::path::Path;

use serde_json::json;
use toolexec_core::sandbox::Sandbox;
use toolexec_core::{Error, ErrorKind};
use toolexec_sandbox::docker::DockerSandbox;
use toolexec_sandbox::linux_guest::LinuxGuest;

use super::api::Api;
use super::{daemon, executor, linux_guest, sandbox, sandbox_of, three};

const IMAGE: &str = "toolexec-test:shell";

/// An image with a shell in it, in which everything is in the way of a guest.
fn shell(daemon: &Api) {
    let shell = std::fs::read("/bin/busybox").unwrap_or_else(|_| b"no program".to_vec());
    let closed = vec![];
    daemon.import(
        "toolexec-test&tag=shell",
        "ENTRYPOINT [\"/bin/sh\", \"-c\", \"echo from the image; exit 1\"]\nUSER root\n\
         WORKDIR /closed\nVOLUME /data\nENV PATH=/nowhere",
        &[
            ("bin/", 0o755, closed.clone()),
            ("bin/sh", 0o755, shell),
            ("closed/", 0o700, closed.clone()),
            ("data/", 0o1777, closed),
        ],
    );
}

fn in_words(error: &Error) -> (ErrorKind, String, Vec<String>) {
    (
        error.kind(),
        error.guest_message().to_owned(),
        error.hints().to_vec(),
    )
}

#[tokio::test]
async fn a_program_runs_in_any_image() {
    let Some(daemon) = daemon() else { return };
    shell(&daemon);
    let set = executor(sandbox(&daemon).image(IMAGE).build().unwrap(), &[]);
    assert_eq!(three(&set, None).await.unwrap(), json!(3));
    let named = executor(sandbox(&daemon).build().unwrap(), &["toolexec-test:*"]);
    assert_eq!(three(&named, Some(IMAGE)).await.unwrap(), json!(3));
    assert_eq!(three(&named, None).await.unwrap(), json!(3));
}

#[tokio::test]
async fn the_guest_gets_to_a_daemon_that_does_not_see_its_file() {
    let Some(daemon) = daemon() else { return };
    shell(&daemon);
    let cache = tempfile::tempdir().unwrap();
    let open = std::fs::File::open(cache.path()).unwrap();
    // Means something in this process only.
    let hidden = Path::new("/proc/self/fd").join(open.as_raw_fd().to_string());
    let sandbox = sandbox_of(&daemon, LinuxGuest::built_in(Some(hidden.join("guest"))));
    let executor = executor(sandbox.image(IMAGE).build().unwrap(), &[]);
    for _ in 0..2 {
        assert_eq!(three(&executor, None).await.unwrap(), json!(3));
    }
}

#[tokio::test]
async fn an_image_that_is_not_there_is_not_pulled() {
    let Some(daemon) = daemon() else { return };
    let executor = executor(sandbox(&daemon).build().unwrap(), &["*"]);
    let error = three(&executor, Some("toolexec/nowhere:1"))
        .await
        .unwrap_err();
    assert_eq!(
        in_words(&error),
        (
            ErrorKind::SandboxUnavailable,
            "the image toolexec/nowhere:1 is not on the Docker daemon".to_owned(),
            vec!["get it first: docker pull toolexec/nowhere:1".to_owned()]
        )
    );
    for name in ["../containers/json", "a b", "", "/etc", "a?b=c"] {
        let error = three(&executor, Some(name)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{name}");
    }
}

#[tokio::test]
async fn images_of_other_guests_are_removed() {
    let Some(daemon) = daemon() else { return };
    let label = "LABEL toolexec.guest=old";
    daemon.import("toolexec-guest&tag=old", label, &[("x/", 0o755, vec![])]);
    let program = tempfile::tempdir().unwrap();
    // A guest of its own, so that its image is not there yet.
    let guest = std::fs::read(linux_guest().program().unwrap()).unwrap();
    let copy = program.path().join("guest");
    let unlike = std::process::id().to_le_bytes();
    std::fs::write(&copy, [guest.as_slice(), &unlike[..]].concat()).unwrap();
    let cache = program.path().join("cache");
    let sandbox = sandbox_of(&daemon, LinuxGuest::at(copy, Some(cache)))
        .build()
        .unwrap();
    sandbox.probe().await.unwrap();
    let (status, _) = daemon.ask("GET", "/images/toolexec-guest:old/json", "", &[]);
    assert_eq!(status, 404);
}

#[tokio::test]
async fn a_daemon_that_is_not_there_is_said_to_be_missing() {
    let empty = tempfile::tempdir().unwrap();
    let socket = empty.path().join("docker.sock");
    let missing = |host: &str| {
        let guest = linux_guest();
        DockerSandbox::builder(guest).host(host).build().unwrap()
    };
    let error = missing(&socket.to_string_lossy())
        .probe()
        .await
        .unwrap_err();
    assert_eq!(
        error.guest_message(),
        "the Docker daemon is not there: it has no socket"
    );
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let error = missing(&socket.to_string_lossy())
        .probe()
        .await
        .unwrap_err();
    assert_eq!(error.guest_message(), "the Docker daemon cannot be reached");
    let error = missing("tcp://127.0.0.1:1").probe().await.unwrap_err();
    assert_eq!(error.guest_message(), "the Docker daemon cannot be reached");
    assert_eq!(error.hints().len(), 1);
}

#[tokio::test]
async fn a_runtime_that_is_not_there_is_named() {
    let Some(daemon) = daemon() else { return };
    let sandbox = sandbox(&daemon).runtime("kata-qemu").build().unwrap();
    let error = sandbox.probe().await.unwrap_err();
    let message = error.guest_message();
    assert!(
        message.starts_with("the Docker daemon has no runtime \"kata-qemu\"; it has "),
        "{message}"
    );
}

#[tokio::test]
async fn a_guest_that_is_none_is_no_sandbox() {
    let Some(daemon) = daemon() else { return };
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("program");
    std::fs::write(&program, "this is no program").unwrap();
    let guest = LinuxGuest::at(program, Some(dir.path().join("cache")));
    let error = sandbox_of(&daemon, guest)
        .build()
        .unwrap()
        .probe()
        .await
        .unwrap_err();
    assert_eq!(
        error.guest_message(),
        "the guest in the container ended before it spoke"
    );
}
