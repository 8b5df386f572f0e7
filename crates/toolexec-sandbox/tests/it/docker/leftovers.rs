//! What is left on a daemon of hosts that ended, in whatever way: nothing.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use toolexec_core::sandbox::{Language, Limits, Sandbox, SessionSpec};
use toolexec_process::{Child, Command, base_env};

use super::api::Api;
use super::{daemon, sandbox};

/// What is left of a host, after a while in which it may go.
async fn left(daemon: &Api, host: u32) -> Vec<String> {
    let mut left = Vec::new();
    for _ in 0..500 {
        left = daemon.containers_of(host);
        left.extend(daemon.volumes_of(host));
        if left.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    left
}

/// A host with two guests.
async fn doomed(daemon: &Api) -> Child {
    let mut host = Command::new(env!("CARGO_BIN_EXE_doomed-host"))
        .arg(&daemon.0)
        .arg("docker")
        .envs(base_env())
        .spawn()
        .unwrap();
    let stdout = host.take_stdout().unwrap();
    let line = BufReader::new(stdout).lines().next_line().await.unwrap();
    assert_eq!(line.as_deref(), Some("ready"), "{:?}", host.stderr());
    host
}

async fn kill(mut host: Child) -> u32 {
    let pid = host.pid();
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::KILL).unwrap();
    host.wait().await.unwrap();
    pid
}

fn spec() -> SessionSpec {
    SessionSpec::new(Language::JavaScript, Limits::standard())
}

#[tokio::test]
async fn guests_end_by_themselves_when_their_host_is_killed() {
    let Some(daemon) = daemon() else { return };
    let host = doomed(&daemon).await;
    assert_eq!(daemon.containers_of(host.pid()).len(), 2);
    let host = kill(host).await;
    assert_eq!(left(&daemon, host).await, [] as [String; 0]);
}

#[tokio::test]
async fn what_a_killed_host_left_is_removed_by_the_next() {
    let Some(daemon) = daemon() else { return };
    drop(
        sandbox(&daemon)
            .build()
            .unwrap()
            .start(spec())
            .await
            .unwrap(),
    );
    let host = kill(doomed(&daemon).await).await;
    // One that was created and never started does not end by itself.
    let image = daemon.get("/images/json?filters=%7B%22label%22%3A%5B%22toolexec.guest%22%5D%7D");
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let world = std::fs::read_link("/proc/self/ns/pid").unwrap();
    let world: String = world
        .to_string_lossy()
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    let name = format!("toolexec-{world}-{host}-1-7");
    let labels = serde_json::json!({"toolexec.name": name, "toolexec.machine": boot.trim()});
    let body = serde_json::json!({"Image": image[0]["Id"], "Cmd": ["x"], "Labels": labels});
    let path = format!("/containers/create?name={name}");
    let body = body.to_string();
    let (status, answer) = daemon.ask("POST", &path, "application/json", body.as_bytes());
    assert_eq!(status, 201, "{answer}");
    let next = sandbox(&daemon).build().unwrap();
    drop(next.start(spec()).await.unwrap());
    assert_eq!(left(&daemon, host).await, [] as [String; 0]);
}

#[tokio::test]
async fn nothing_is_left_of_guests_that_were_dropped_or_given_up() {
    let Some(daemon) = daemon() else { return };
    let sandbox = sandbox(&daemon).warm(1).build().unwrap();
    sandbox.warm_up().await.unwrap();
    for wait in [0, 5, 20, 60, 200] {
        let start = sandbox.start(SessionSpec {
            limits: Limits::default(),
            ..spec()
        });
        let _ = tokio::time::timeout(Duration::from_millis(wait), start).await;
    }
    drop(sandbox);
    // Nextest runs each test in a process of its own; elsewhere the others' are seen too.
    if std::env::var_os("NEXTEST").is_some() {
        assert_eq!(left(&daemon, std::process::id()).await, [] as [String; 0]);
    }
}
