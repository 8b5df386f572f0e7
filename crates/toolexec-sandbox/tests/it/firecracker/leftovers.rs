//! What is left of machines whose host was killed: nothing, once another one started.

use std::fs;

use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};
use toolexec_process::{Command, base_env};

use super::{Double, start};

#[tokio::test]
async fn a_host_that_is_killed_leaves_no_process_and_the_next_sweeps_up() {
    let double = Double::new(json!({}));
    let mut host = Command::new(env!("CARGO_BIN_EXE_doomed-host"))
        .arg("")
        .arg("wait")
        .arg("firecracker")
        .args([double.program(), double.image.clone(), double.state()])
        .envs(base_env())
        .spawn()
        .unwrap();
    let stdout = host.take_stdout().unwrap();
    let line = BufReader::new(stdout).lines().next_line().await.unwrap();
    assert_eq!(line.as_deref(), Some("ready"), "{:?}", host.stderr());
    assert_eq!(double.machines().len(), 2);
    let pids = running(&double);
    assert!(pids.len() >= 2, "{pids:?}");
    let pid = rustix::process::Pid::from_raw(host.pid().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let _ = host.wait().await;
    for _ in 0..500 {
        if running(&double).is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(running(&double), Vec::<u32>::new());
    // Their directories are found by the next host.
    let session = start(&double.sandbox()).await.unwrap();
    assert_eq!(double.machines().len(), 1);
    drop(session);
    assert_eq!(double.machines(), Vec::<String>::new());
}

/// Who runs in a directory of this double's machines.
fn running(double: &Double) -> Vec<u32> {
    let state = double.state();
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        let dir = fs::read_link(format!("/proc/{pid}/cwd"));
        dir.is_ok_and(|dir| dir.starts_with(&state))
    })
    .collect()
}
