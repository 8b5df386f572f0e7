//! What is left of guests when they, or their host, have ended, in whatever way: nothing.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use toolexec_core::sandbox::{Language, Limits, SessionSpec};
use toolexec_process::{Child, Command, base_env};

use crate::support::{Guests, Way};

behind_every_wall!(
    nothing_is_left_of_hosts_that_were_killed,
    nothing_is_left_of_guests_that_were_dropped,
);

/// Names the sandbox of a host that is to be killed.
const DOOMED: &str = "TOOLEXEC_DOOMED";
/// How many hosts are killed at the same time.
const AT_ONCE: usize = 5;
/// How many descriptors may come and go: connections that are kept.
const SLACK: usize = 4;

/// What there was before guests were started.
pub(crate) struct Before {
    processes: HashSet<u32>,
    descriptors: usize,
}

impl Before {
    pub(crate) fn new() -> Self {
        Self {
            processes: family(std::process::id()),
            descriptors: descriptors(),
        }
    }

    /// What is there a short while later that was not there before.
    pub(crate) async fn left(&self) -> impl Iterator<Item = String> + use<> {
        let mut left = Vec::new();
        for _ in 0..500 {
            left = self.now();
            if left.is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        left.into_iter()
    }

    fn now(&self) -> Vec<String> {
        let now = family(std::process::id());
        let processes = now.difference(&self.processes);
        let mut left: Vec<String> = processes.map(|pid| format!("process {pid}")).collect();
        let open = descriptors();
        if open > self.descriptors + SLACK {
            left.push(format!("{open} descriptors, not {}", self.descriptors));
        }
        left.extend(named(std::process::id()));
        left
    }
}

/// A host of its own: this program, which runs [`doomed`].
fn host(way: Way) -> Child {
    Command::new(std::env::current_exe().unwrap().to_string_lossy())
        .args(["remains::doomed", "--exact", "--ignored", "--nocapture"])
        .envs(base_env())
        .env(DOOMED, way.name)
        .spawn()
        .unwrap()
}

/// Waits until the host has started its guests.
async fn ready(host: &mut Child) {
    let stdout = host.take_stdout().unwrap();
    let mut lines = BufReader::new(stdout).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        if line.ends_with("ready") {
            return;
        }
    }
    panic!("the host says something: {:?}", host.stderr());
}

/// Not a test by itself: a host that starts guests and waits to be killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by a test above in a process of its own"]
async fn doomed() {
    let Ok(name) = std::env::var(DOOMED) else {
        return;
    };
    let sandbox = Way::named(&name).sandbox(Guests::HOSTILE);
    let mut sessions = Vec::new();
    for _ in 0..2 {
        sessions.push(sandbox.start(spec()).await.unwrap());
    }
    println!("ready");
    tokio::time::sleep(Duration::from_mins(1)).await;
}

fn spec() -> SessionSpec {
    SessionSpec::new(Language::JavaScript, Limits::standard())
}

async fn nothing_is_left_of_hosts_that_were_killed(way: Way) {
    let mounts = mounts();
    let mut killed = Vec::new();
    while killed.len() < way.kills {
        let mut hosts: Vec<Child> = (0..AT_ONCE).map(|_| host(way)).collect();
        let mut families = HashSet::new();
        for host in &mut hosts {
            ready(host).await;
            families.extend(family(host.pid()));
        }
        for mut host in hosts {
            let pid = rustix::process::Pid::from_raw(host.pid().cast_signed()).unwrap();
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
            host.wait().await.unwrap();
            killed.push(host.pid());
        }
        let running = running(&families).await;
        assert_eq!(running, [0_u32; 0], "after {} hosts", killed.len());
    }
    // Where nobody was in time to clean up, the next host sweeps.
    let sandbox = way.sandbox(Guests::HOSTILE);
    drop(sandbox.start(spec()).await.unwrap());
    drop(sandbox);
    let mut left: Vec<String> = Vec::new();
    for _ in 0..500 {
        left = killed.iter().flat_map(|host| named(*host)).collect();
        left.extend(self::mounts().difference(&mounts).cloned());
        if left.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(left, [] as [String; 0]);
}

async fn nothing_is_left_of_guests_that_were_dropped(way: Way) {
    let before = Before::new();
    let sandbox = way.sandbox(Guests {
        warm: 1,
        ..Guests::HOSTILE
    });
    for _ in 0..10 {
        drop(sandbox.start(spec()).await.unwrap());
    }
    drop(sandbox);
    let left: Vec<String> = before.left().await.collect();
    assert_eq!(left, [] as [String; 0]);
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
fn family(of: u32) -> HashSet<u32> {
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

/// Who of a family still runs after a short while.
async fn running(family: &HashSet<u32>) -> Vec<u32> {
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

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

/// What bears the name of a host's guests: processes, control groups, mounts, temporary files.
fn named(host: u32) -> Vec<String> {
    let is_guest = |text: &str| {
        let is_host = |field: &str| field == host.to_string();
        // toolexec-WORLD-PID-START-NUMBER
        let mut names = text.split("toolexec-").skip(1);
        names.any(|rest| {
            let fields: Vec<&str> = rest.split('-').take(4).collect();
            fields.len() == 4 && is_host(fields[1])
        })
    };
    let mut all = Vec::new();
    below(Path::new("/sys/fs/cgroup"), 6, &mut all);
    below(&std::env::temp_dir(), 2, &mut all);
    below(Path::new("/run"), 2, &mut all);
    below(Path::new("/dev/shm"), 1, &mut all);
    let files = all.iter().map(|path| path.to_string_lossy().into_owned());
    let commands = processes().into_iter().filter_map(|(pid, ..)| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        Some(format!("process {pid}: {}", String::from_utf8_lossy(&line)))
    });
    let names = files.chain(commands).chain(mounts());
    names.filter(|name| is_guest(name)).collect()
}

/// The mounts of this machine, by their places.
fn mounts() -> HashSet<String> {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let place = |line: &str| line.split(' ').nth(4).map(str::to_owned);
    text.lines().filter_map(place).collect()
}

fn below(dir: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        found.push(entry.path());
        if depth > 1 && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            below(&entry.path(), depth - 1, found);
        }
    }
}
