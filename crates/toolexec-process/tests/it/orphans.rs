//! Nothing outlives a parent that was killed.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use toolexec_process::{Command, base_env, watchdog_pid};

use super::{is_running, left_after};

/// A parent that spawned a group and adopted one that left it: itself, and what it reported.
struct Doomed {
    // Killed with SIGKILL when dropped, as any child.
    parent: toolexec_process::Child,
    family: Vec<u32>,
    watchdog: u32,
}

async fn doomed() -> Doomed {
    let program = env!("CARGO_BIN_EXE_doomed-parent");
    let mut parent = Command::new(program).envs(base_env()).spawn().unwrap();
    let stdout = parent.take_stdout().unwrap();
    let line = BufReader::new(stdout).lines().next_line().await.unwrap();
    let pids: Vec<u32> = line
        .expect("the parent reports its family")
        .split(' ')
        .map(|pid| pid.parse().unwrap())
        .collect();
    Doomed {
        parent,
        family: pids[..3].to_vec(),
        watchdog: pids[3],
    }
}

fn kill(pid: u32) {
    let pid = nix::unistd::Pid::from_raw(pid.cast_signed());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
}

#[tokio::test]
async fn nothing_outlives_a_parent_killed_with_sigkill() {
    for round in 0..20 {
        let mut doomed = doomed().await;
        let family = doomed.family.clone();
        assert!(family.iter().all(|pid| is_running(*pid)), "{family:?}");
        kill(doomed.parent.pid());
        doomed.parent.wait().await.unwrap();
        let left = left_after(Duration::from_secs(2), &family).await;
        assert_eq!(left, [], "round {round}");
        let left = left_after(Duration::from_secs(2), &[doomed.watchdog]).await;
        assert_eq!(left, [], "the watchdog ends too, round {round}");
    }
}

#[tokio::test]
async fn a_watchdog_that_was_killed_is_replaced_and_told_again() {
    for round in 0..5 {
        let mut doomed = doomed().await;
        kill(doomed.watchdog);
        // The parent needs a moment to notice and to start the next one.
        tokio::time::sleep(Duration::from_millis(200)).await;
        kill(doomed.parent.pid());
        doomed.parent.wait().await.unwrap();
        let left = left_after(Duration::from_secs(2), &doomed.family).await;
        assert_eq!(left, [], "round {round}");
    }
}

#[tokio::test]
async fn the_watchdog_holds_nothing_of_ours() {
    let child = Command::new("/bin/cat").spawn().unwrap();
    let watchdog = watchdog_pid().expect("there is one after a spawn");
    let fds = std::fs::read_dir(format!("/proc/{watchdog}/fd")).unwrap();
    let fds: Vec<String> = fds
        .flatten()
        .map(|fd| fd.file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(fds, ["0"]);
    drop(child);
}
