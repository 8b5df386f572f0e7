//! The name of what belongs to a host, from which others can tell whether it still lives.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

/// The name of what belongs to this host: in which world of processes it is, its process id, and
/// when it was started, so that another process with the same id is not taken for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Label {
    world: String,
    pid: u32,
    start: u64,
}

/// The number of the next guest of this process, whichever sandbox starts it.
pub(crate) fn next_guest() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

const PREFIX: &str = "toolexec-";

impl Label {
    /// The label of this process.
    pub(crate) fn own() -> Self {
        let world = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
        let world = world.to_string_lossy();
        let pid = std::process::id();
        Self {
            world: world.chars().filter(char::is_ascii_digit).collect(),
            pid,
            start: start_of(pid).unwrap_or_default(),
        }
    }

    /// The name of a guest.
    pub(crate) fn of(&self, guest: u64) -> String {
        format!("{PREFIX}{}-{}-{}-{guest}", self.world, self.pid, self.start)
    }

    /// Whether this is the name of a guest whose host is gone. Of hosts in other worlds nothing
    /// can be known.
    pub(crate) fn is_orphan(&self, name: &str) -> bool {
        let Some(fields) = name.strip_prefix(PREFIX) else {
            return false;
        };
        let fields: Vec<&str> = fields.split('-').collect();
        let [world, pid, start, _guest] = fields[..] else {
            return false;
        };
        let (Ok(pid), Ok(start)) = (pid.parse(), start.parse::<u64>()) else {
            return false;
        };
        world == self.world && start_of(pid) != Some(start)
    }
}

/// When a process was started, in ticks since the machine was.
fn start_of(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything. The time is field 22 of `man proc_pid_stat`.
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_hosts_left_that_are_gone_is_an_orphan() {
        let own = Label::own();
        assert!(!own.is_orphan(&own.of(3)));
        let earlier = Label {
            start: own.start + 1,
            ..own.clone()
        };
        assert!(own.is_orphan(&earlier.of(3)));
        let gone = Label {
            pid: u32::MAX,
            ..own.clone()
        };
        assert!(own.is_orphan(&gone.of(0)));
        let elsewhere = Label {
            world: "1".to_owned(),
            ..gone
        };
        for name in [&elsewhere.of(0), "toolexec-1", "toolexec-a-b-c-d", "docker"] {
            assert!(!own.is_orphan(name), "{name}");
        }
    }
}
