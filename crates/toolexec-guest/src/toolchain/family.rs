//! The processes that a program started, and their end.
//!
//! They stay in the guest's process group, so that whoever kills the guest kills them. What leaves
//! the group or its parent becomes the guest's child, as long as there is a guest.

use std::collections::HashSet;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, set_child_subreaper, wait};

/// How long processes are hunted that go on forking.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a killed process may take to be gone.
const MOMENT: Duration = Duration::from_millis(1);

/// What is left by its parent becomes a child of this process.
pub(super) fn adopt() {
    // Only Linux has it; elsewhere such processes end with the sandbox.
    #[cfg(target_os = "linux")]
    let _ = set_child_subreaper(Some(getpid()));
}

/// Ends every process below this one. Whether none is left.
pub(super) fn end() -> bool {
    let until = Instant::now() + PATIENCE;
    loop {
        // What is stopped does not fork while the others are looked for.
        let mut stopped = HashSet::new();
        loop {
            let new: Vec<Pid> = below(getpid())
                .into_iter()
                .filter(|pid| stopped.insert(*pid))
                .collect();
            if new.is_empty() {
                break;
            }
            for pid in new {
                let _ = kill_process(pid, Signal::STOP);
            }
        }
        for pid in &stopped {
            let _ = kill_process(*pid, Signal::KILL);
        }
        reap();
        if stopped.is_empty() {
            return true;
        }
        if Instant::now() > until {
            return false;
        }
        thread::sleep(MOMENT);
    }
}

/// Takes leave of children that ended.
fn reap() {
    while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
}

/// All descendants, as far as the kernel tells.
fn below(root: Pid) -> Vec<Pid> {
    let mut all = Vec::new();
    let mut seen = HashSet::from([root]);
    let mut next = vec![root];
    while let Some(parent) = next.pop() {
        for child in children(parent) {
            if seen.insert(child) {
                all.push(child);
                next.push(child);
            }
        }
    }
    all
}

fn children(parent: Pid) -> Vec<Pid> {
    let number = parent.as_raw_nonzero();
    let Ok(threads) = fs::read_dir(format!("/proc/{number}/task")) else {
        return Vec::new();
    };
    let mut all = Vec::new();
    for thread in threads.flatten() {
        match fs::read_to_string(thread.path().join("children")) {
            Ok(text) => all.extend(text.split(' ').filter_map(pid)),
            // A kernel without these files, or a thread that is gone.
            Err(_) => return by_parent(parent),
        }
    }
    all
}

/// The children of a process, by what every process says of its parent.
fn by_parent(parent: Pid) -> Vec<Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let of = |name: &str| {
        let stat = fs::read_to_string(format!("/proc/{name}/stat")).ok()?;
        let (_, rest) = stat.rsplit_once(") ")?;
        pid(rest.split(' ').nth(1)?)
    };
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| of(name) == Some(parent))
        .filter_map(|name| pid(&name))
        .collect()
}

fn pid(text: &str) -> Option<Pid> {
    Pid::from_raw(text.trim().parse().ok()?)
}
