//! One child: environment, pipes, limits, ends.

use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use toolexec_process::{Command, ReadError, RunError, SpawnError, Stdin, base_env};

use super::left_after;

fn sh(script: &str) -> Command {
    Command::new("/bin/sh").args(["-c", script])
}

#[tokio::test]
async fn the_environment_holds_only_what_is_named() {
    let env = Command::new("/usr/bin/env").env("ONE", "1").env("ONE", "2");
    let output = env.run(Vec::new(), 1000).await.unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "ONE=2\n");
    assert!(output.exit.is_success());
}

#[tokio::test]
async fn input_output_and_errors_come_through() {
    let output = sh("cat; echo oops >&2; exit 3")
        .env("PATH", "/usr/bin:/bin")
        .run(b"hello".to_vec(), 1000)
        .await
        .unwrap();
    assert_eq!(output.stdout, b"hello");
    assert_eq!(output.stderr.lines(), ["oops"]);
    assert_eq!(output.exit.to_string(), "exited with status 3");
}

#[tokio::test]
async fn a_descriptor_is_open_in_the_child_that_it_is_handed_to_and_in_no_other() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let writer = Arc::new(OwnedFd::from(writer));
    let number = writer.as_raw_fd();
    let say = || sh(&format!("echo hello >/proc/self/fd/{number}"));
    let has = say().descriptor(writer.clone());
    assert!(has.run(Vec::new(), 10).await.unwrap().exit.is_success());
    let output = say().run(Vec::new(), 10).await.unwrap();
    assert!(!output.exit.is_success());
    drop(writer);
    let mut said = String::new();
    reader.read_to_string(&mut said).unwrap();
    assert_eq!(said, "hello\n");
}

#[tokio::test]
async fn a_child_without_input_sees_its_end_at_once() {
    let cat = Command::new("/bin/cat").stdin(Stdin::Null);
    let output = cat.run(Vec::new(), 10).await.unwrap();
    assert_eq!(output.stdout, b"");
}

#[tokio::test]
async fn input_that_is_not_read_does_not_block() {
    let output = sh("echo done").run(vec![b'x'; 1 << 20], 10).await.unwrap();
    assert_eq!(output.stdout, b"done\n");
}

#[tokio::test]
async fn a_flood_ends_at_the_limit_and_the_program_with_it() {
    let flood = sh("echo $$ >&2; exec yes").env("PATH", "/usr/bin:/bin");
    let error = flood.run(Vec::new(), 100_000).await.unwrap_err();
    assert!(matches!(
        error,
        RunError::Output(ReadError::LimitExceeded { limit: 100_000 })
    ));
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let error = Command::new("no-such-program-here")
        .envs(base_env())
        .spawn()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "program \"no-such-program-here\" was not found"
    );
    let error = sh("true").current_dir("/no/such/dir").spawn().unwrap_err();
    assert!(matches!(error, SpawnError::Directory(_)));
    let error = Command::new("/etc/passwd").spawn().unwrap_err();
    assert!(matches!(error, SpawnError::NotExecutable { .. }));
}

#[tokio::test]
async fn dropping_a_child_kills_its_group() {
    let mut child = sh("sleep 300 & sleep 300")
        .env("PATH", "/usr/bin:/bin")
        .spawn()
        .unwrap();
    let pid = child.pid();
    // Until the shell had time to fork.
    assert!(
        tokio::time::timeout(Duration::from_millis(100), child.wait())
            .await
            .is_err()
    );
    let group = members(pid);
    assert_eq!(group.len(), 3, "{group:?}");
    drop(child);
    assert_eq!(left_after(Duration::from_secs(2), &group).await, []);
}

#[tokio::test]
async fn what_a_child_leaves_behind_is_killed_when_it_ends() {
    let mut child = sh("sleep 300 & sleep 0.2; exit 7")
        .env("PATH", "/usr/bin:/bin")
        .spawn()
        .unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let group = members(child.pid());
    assert_eq!(child.wait().await.unwrap().code, Some(7));
    assert_eq!(left_after(Duration::from_secs(2), &group).await, []);
}

#[tokio::test]
async fn shutdown_asks_before_it_kills() {
    let grace = Duration::from_millis(300);
    // Ends at the end of its input.
    let polite = sh("cat").env("PATH", "/usr/bin:/bin").spawn().unwrap();
    assert_eq!(polite.shutdown(grace).await.unwrap().code, Some(0));
    // Ends at SIGTERM.
    let script = "trap 'exit 4' TERM; echo up >&2; while :; do sleep 0.05; done";
    let deaf = sh(script).env("PATH", "/usr/bin:/bin").spawn().unwrap();
    while deaf.stderr().lines().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(deaf.shutdown(grace).await.unwrap().code, Some(4));
    // Ends at SIGKILL only.
    let script = "trap '' TERM; echo up >&2; while :; do sleep 0.05; done";
    let stubborn = sh(script).env("PATH", "/usr/bin:/bin").spawn().unwrap();
    while stubborn.stderr().lines().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let start = Instant::now();
    let exit = stubborn.shutdown(grace).await.unwrap();
    assert_eq!(exit.to_string(), "was ended by SIGKILL");
    assert!(start.elapsed() >= 2 * grace);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn who_left_the_group_and_was_adopted_ends_with_the_child() {
    use tokio::io::{AsyncBufReadExt, BufReader};
    let script = "setsid sleep 300 & echo $!; sleep 300";
    let mut child = sh(script).env("PATH", "/usr/bin:/bin").spawn().unwrap();
    let stdout = BufReader::new(child.take_stdout().unwrap());
    let stray = stdout.lines().next_line().await.unwrap().unwrap();
    let stray = stray.parse().unwrap();
    child.adopt(stray).unwrap();
    assert!(super::is_running(stray));
    drop(child);
    assert_eq!(left_after(Duration::from_secs(2), &[stray]).await, []);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_control_group_that_is_not_there_is_an_error() {
    let missing = ["/sys/fs/cgroup/no-such-group".into()];
    let error = sh("echo").control_groups(missing).spawn().unwrap_err();
    assert_eq!(
        error.to_string(),
        "a control group of the program could not be opened"
    );
}

/// The processes of a group.
fn members(group: u32) -> Vec<u32> {
    let mut members = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else {
            continue;
        };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        // After the name in parentheses: state, parent, group.
        let fields = stat.rsplit(") ").next().unwrap_or("");
        if fields.split(' ').nth(2) == Some(group.to_string().as_str()) {
            members.push(pid);
        }
    }
    members
}
