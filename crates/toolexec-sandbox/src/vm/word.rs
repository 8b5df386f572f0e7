//! What the first process of a machine says and is told, and what it says of the end of its guest.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use toolexec_core::Result;
use toolexec_core::sandbox::Ended;

use crate::container::{Kind, PROGRAM_PIDS, Resources, tmp};
use crate::hex::hex;
use crate::piped::warm;
use crate::unavailable;

/// What a machine says when it waits for its word.
pub(crate) const READY: &[u8] = b"R";
/// What the kernel of a machine and the guest at rest take.
const SYSTEM: u64 = 128 << 20;
/// The memory of a machine whose program has no limit.
const UNLIMITED: u64 = 512 << 20;
/// The threads that a guest has by itself.
const GUEST_THREADS: u64 = 8;
/// What the first process says when the guest ended.
const MARK: &str = "toolexec-init: the guest ended: ";
/// The status with which a guest ends that is out of memory.
const OUT_OF_MEMORY: &str = "status 65";

/// The memory of a machine, in bytes.
pub(crate) fn memory(resources: &Resources) -> u64 {
    let memory = resources.memory.unwrap_or(UNLIMITED);
    memory.saturating_add(SYSTEM)
}

/// What makes a machine itself, of now, and its guest one of a kind.
///
/// # Errors
/// When this machine has no random numbers.
pub(crate) fn new_word(kind: &Kind) -> Result<String> {
    word_about(&guest(kind))
}

/// What makes a machine itself, of now, and what [`guest`] says of its guest.
///
/// # Errors
/// As [`new_word`].
pub(crate) fn word_about(guest: &str) -> Result<String> {
    let mut seed = [0; 32];
    let filled = rustix::rand::getrandom(&mut seed, rustix::rand::GetRandomFlags::empty());
    match filled {
        Ok(32) => {}
        _ => return Err(unavailable("this machine has no random numbers")),
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    Ok(word(now.unwrap_or_default(), &seed, guest))
}

/// What the first process is told of the guest: the processes it may have, and its arguments.
pub(crate) fn guest(kind: &Kind) -> String {
    let (pids, disk) = match kind.image {
        None => (kind.resources.pids.unwrap_or_default(), String::new()),
        Some(_) => (
            kind.resources.pids.unwrap_or(PROGRAM_PIDS),
            format!(" disk={}", tmp(&kind.resources)),
        ),
    };
    let mut text = format!("pids={}{disk}", GUEST_THREADS + pids);
    for arg in warm(kind.language) {
        text.push_str(" arg=");
        text.push_str(arg);
    }
    text
}

fn word(now: Duration, seed: &[u8; 32], guest: &str) -> String {
    let seed = hex(seed);
    let (seconds, nanos) = (now.as_secs(), now.subsec_nanos());
    format!("time={seconds}.{nanos} seed={seed} {guest}\n")
}

/// What the first process said of the end of the guest, on the console.
pub(crate) fn how_ended(console: &str) -> Option<Ended> {
    let (_, how) = console.rsplit_once(MARK)?;
    let how = how.lines().next()?.trim();
    let is_starved = how == OUT_OF_MEMORY
        || how.ends_with("out of memory")
        || console.contains("memory allocation of");
    Some(if how == "status 0" {
        Ended::Exited
    } else if is_starved {
        Ended::OutOfMemory
    } else {
        Ended::Crashed {
            how: format!("it ended with {how}"),
        }
    })
}

#[cfg(test)]
mod tests {
    use toolexec_core::sandbox::{Language, Limits};

    use super::*;

    #[test]
    fn a_word_says_what_the_first_process_reads() {
        let limits = Limits {
            pids: Some(2),
            ..Limits::default()
        };
        let kind = Kind::new(Language::Python, None, &limits);
        let now = Duration::new(17, 5);
        let seed = "07".repeat(32);
        assert_eq!(
            word(now, &[7; 32], &guest(&kind)),
            format!("time=17.5 seed={seed} pids=10 arg=--warm arg=python\n")
        );
        let limits = Limits {
            disk: Some(1 << 20),
            ..Limits::default()
        };
        let kind = Kind::new(Language::Bash, Some("debian".into()), &limits);
        assert_eq!(
            guest(&kind),
            "pids=264 disk=1048576 arg=--warm arg=javascript"
        );
    }

    #[test]
    fn the_end_of_a_guest_is_read_from_the_console() {
        let crashed = |how: &str| Ended::Crashed {
            how: how.to_owned(),
        };
        let said =
            |text: &str| how_ended(&format!("[ 1.0] noise\r\n{MARK}{text}\r\n[ 2.0] reboot"));
        assert_eq!(said("status 0"), Some(Ended::Exited));
        assert_eq!(said("status 65"), Some(Ended::OutOfMemory));
        assert_eq!(said("signal 9, out of memory"), Some(Ended::OutOfMemory));
        assert_eq!(said("signal 11"), Some(crashed("it ended with signal 11")));
        assert_eq!(how_ended("Kernel panic"), None);
    }
}
