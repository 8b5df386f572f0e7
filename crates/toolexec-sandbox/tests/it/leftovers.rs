//! What is left of guests when their host has ended, in whatever way: nothing.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use toolexec_process::{Child, Command, base_env};
use toolexec_testkit::{daemons, require};

pub(crate) fn host(what: &str) -> Child {
    host_with(what, &[])
}

/// A host with another sandbox than `process`: its name, its runtime, and a cache.
fn host_with(what: &str, sandbox: &[&str]) -> Child {
    let guest = toolexec_testkit::build::guest();
    Command::new(env!("CARGO_BIN_EXE_doomed-host"))
        .arg(guest)
        .arg(what)
        .args(sandbox)
        .envs(base_env())
        .spawn()
        .unwrap()
}

pub(crate) async fn line(host: &mut Child) -> String {
    let stdout = host.take_stdout().unwrap();
    let line = BufReader::new(stdout).lines().next_line().await.unwrap();
    line.unwrap_or_else(|| panic!("the host says something: {:?}", host.stderr()))
}

/// A process as `/proc/PID/stat` shows it: id, state and parent.
fn processes() -> Vec<(u32, char, u32)> {
    let one = |name: &str| {
        let pid: u32 = name.parse().ok()?;
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let mut rest = stat.rsplit_once(") ")?.1.split(' ');
        let state = rest.next()?.chars().next()?;
        Some((pid, state, rest.next()?.parse().ok()?))
    };
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter_map(|entry| one(&entry.file_name().to_string_lossy()))
        .collect()
}

/// The children of a process, and theirs.
pub(crate) fn family(of: u32) -> HashSet<u32> {
    let all = processes();
    let mut family = HashSet::from([of]);
    loop {
        let more = all
            .iter()
            .filter(|(pid, _, parent)| family.contains(parent) && !family.contains(pid))
            .map(|(pid, ..)| *pid)
            .collect::<Vec<_>>();
        if more.is_empty() {
            family.remove(&of);
            return family;
        }
        family.extend(more);
    }
}

/// The control groups of the guests of a host.
pub(crate) fn cgroups(host: u32) -> Vec<PathBuf> {
    fn look(dir: &Path, name: &str, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                let own = entry.file_name();
                let own = own.to_string_lossy();
                if own.starts_with("toolexec-") && own.contains(name) {
                    found.push(entry.path());
                }
                look(&entry.path(), name, found);
            }
        }
    }
    let mut found = Vec::new();
    look(
        Path::new("/sys/fs/cgroup"),
        &format!("-{host}-"),
        &mut found,
    );
    found
}

/// Who of a family still runs after a short while.
pub(crate) async fn left(family: &HashSet<u32>) -> Vec<u32> {
    let mut left = Vec::new();
    for _ in 0..500 {
        let running = processes()
            .into_iter()
            .filter(|(_, state, _)| *state != 'Z');
        left = running
            .map(|(pid, ..)| pid)
            .filter(|pid| family.contains(pid))
            .collect();
        if left.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    left
}

#[tokio::test]
async fn nothing_is_left_of_a_hundred_hosts_that_were_killed() {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mut hosts = Vec::new();
    for round in 0..100 {
        let mut host = host("wait");
        assert_eq!(line(&mut host).await, "ready");
        let family = family(host.pid());
        // Two guests, each with its supervisor.
        assert_eq!(family.len(), 4, "{family:?}");
        let pid = rustix::process::Pid::from_raw(host.pid().cast_signed()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        host.wait().await.unwrap();
        assert_eq!(left(&family).await, [0_u32; 0], "round {round}");
        hosts.push(host.pid());
    }
    // Where a supervisor was not in time, the next host sweeps.
    let mut next = host("tidy");
    line(&mut next).await;
    next.wait().await.unwrap();
    let groups: Vec<PathBuf> = hosts.into_iter().flat_map(cgroups).collect();
    assert_eq!(groups, [] as [PathBuf; 0]);
    assert_eq!(fs::read_to_string("/proc/self/mountinfo").unwrap(), mounts);
}

#[tokio::test]
async fn nothing_is_left_of_guests_that_were_dropped() {
    let mut host = host("tidy");
    let said = line(&mut host).await;
    let (before, after) = said.split_once(' ').unwrap();
    assert_eq!(before, after, "descriptors");
    assert!(host.wait().await.unwrap().is_success());
    assert_eq!(cgroups(host.pid()), [] as [PathBuf; 0]);
}

/// Hosts of containers are killed, and one more ends in peace.
async fn nothing_is_left_of_containers(name: &str, program: &Path, hosts: usize) {
    let cache = tempfile::tempdir().unwrap();
    let sandbox = [
        name,
        program.to_str().unwrap(),
        cache.path().to_str().unwrap(),
    ];
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mut killed = Vec::new();
    for round in 0..hosts {
        let mut host = host_with("wait", &sandbox);
        assert_eq!(line(&mut host).await, "ready");
        let family = family(host.pid());
        assert!(family.len() >= 4, "{family:?}");
        let pid = rustix::process::Pid::from_raw(host.pid().cast_signed()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        host.wait().await.unwrap();
        assert_eq!(left(&family).await, [0_u32; 0], "round {round}");
        killed.push(host.pid());
    }
    // What is no process is swept by the next host, which leaves nothing of its own.
    let mut next = host_with("tidy", &sandbox);
    let said = line(&mut next).await;
    let (before, after) = said.split_once(' ').unwrap();
    assert_eq!(before, after, "descriptors");
    assert!(next.wait().await.unwrap().is_success());
    killed.push(next.pid());
    let groups: Vec<PathBuf> = killed.into_iter().flat_map(cgroups).collect();
    assert_eq!(groups, [] as [PathBuf; 0]);
    let containers = fs::read_dir(cache.path().join("containers")).unwrap();
    assert_eq!(containers.count(), 0);
    assert_eq!(fs::read_to_string("/proc/self/mountinfo").unwrap(), mounts);
}

#[cfg(feature = "runc")]
#[tokio::test]
async fn nothing_is_left_of_containers_of_runc() {
    if let Some(program) = require(daemons::runc()) {
        nothing_is_left_of_containers("runc", &program, 10).await;
    }
}

#[cfg(feature = "gvisor")]
#[tokio::test]
async fn nothing_is_left_of_containers_of_gvisor() {
    if let Some(program) = require(daemons::runsc()) {
        nothing_is_left_of_containers("gvisor", &program, 5).await;
    }
}
