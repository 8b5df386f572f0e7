//! Users that own nothing, one for each program that runs a machine: of the same user, one that was
//! taken over could end the others.

use std::fs;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// The user that owns nothing on every machine.
const NOBODY: u32 = 65534;
/// The first of the users that Linux distributions leave unused (systemd, "Users, Groups, UIDs and
/// GIDs"), and how many of them a process has, and how many processes.
const FIRST: u32 = 0x7000_0000;
const OWN: u32 = 64;
const PROCESSES: u32 = 0x3f_f000;

/// The number of the next user, and of its group. Nobody's, where this process may have no such
/// user, as in many containers.
pub(crate) fn next() -> u32 {
    // Of its own, so that no other numbers bring one round sooner.
    static NEXT: AtomicU64 = AtomicU64::new(0);
    static ARE_THERE: LazyLock<bool> = LazyLock::new(|| {
        ["uid_map", "gid_map"].iter().all(|map| {
            let map = fs::read_to_string(format!("/proc/self/{map}"));
            map.is_ok_and(|map| is_mapped(&map, FIRST..=FIRST - 1 + PROCESSES * OWN))
        })
    });
    if *ARE_THERE {
        number(std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
    } else {
        NOBODY
    }
}

fn number(process: u32, guest: u64) -> u32 {
    let guest = u32::try_from(guest % u64::from(OWN)).unwrap_or_default();
    FIRST + process % PROCESSES * OWN + guest
}

/// Whether a map of users (`man user_namespaces`) has all of a range in one line.
fn is_mapped(map: &str, range: std::ops::RangeInclusive<u32>) -> bool {
    let covers = |line: &str| {
        let mut numbers = line.split_whitespace().map(str::parse::<u64>);
        let (Some(Ok(first)), Some(Ok(_)), Some(Ok(count))) =
            (numbers.next(), numbers.next(), numbers.next())
        else {
            return false;
        };
        first <= u64::from(*range.start()) && u64::from(*range.end()) < first + count
    };
    map.lines().any(covers)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn users_differ_and_are_unused_ones() {
        let all: BTreeSet<u32> = (0..u64::from(OWN))
            .flat_map(|guest| [1, 2, PROCESSES - 1].map(|process| number(process, guest)))
            .collect();
        assert_eq!(all.len(), 3 * 64);
        assert!(all.iter().all(|user| (FIRST..0x7ffe_0000).contains(user)));
    }

    #[test]
    fn a_container_may_have_no_such_users() {
        let all = FIRST..=FIRST + 1;
        assert!(is_mapped("         0          0 4294967295\n", all.clone()));
        assert!(is_mapped("0 1000 1\n1 100000 4294967294\n", all.clone()));
        for less in ["", "0 100000 65536\n", "0 1000 1", "x", "0 0 1879048193"] {
            assert!(!is_mapped(less, all.clone()), "{less}");
        }
    }
}
