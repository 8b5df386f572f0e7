//! What is made of a machine and of limits. Nothing here touches the kernel.

use std::path::PathBuf;

use toolexec_core::sandbox::{Enforcement, Enforcer, LimitName, Limits};
use toolexec_jail::Spec;

use crate::cgroup::{Controller, Setting, Version, basics, caps};
use crate::share::thousandths;

/// The threads of a guest: it can start no more, and the kernel counts besides.
const PIDS: u64 = 8;
/// What a control group holds above the limit: the stack, pipes and page tables, and what an engine
/// goes above its limit before it notices. Its own error, which is the better one, comes first.
const HEADROOM: u64 = 64 << 20;

/// What the jail of a guest is to be.
pub(super) fn jail(is_root: bool, host: u32, guest: u64, cgroups: Vec<PathBuf>) -> Spec {
    Spec {
        user: is_root.then(|| user(host, guest)),
        cgroups,
    }
}

/// A user of its own for a guest that root starts: one that has no name, owns nothing, and is
/// shared with no other guest of this host for a long time.
fn user(host: u32, guest: u64) -> u32 {
    let guest = u32::try_from(guest & 0xfff).unwrap_or_default();
    0x7000_0000 | ((host & 0xffff) << 12) | guest
}

/// What is enforced where these controllers are there.
pub(super) fn enforcement(controllers: &[Controller]) -> Enforcement {
    let mut all = vec![
        (LimitName::Memory, Enforcer::Guest),
        (LimitName::Memory, Enforcer::Kernel),
        (LimitName::CpuTime, Enforcer::Host),
        (LimitName::CpuTime, Enforcer::Kernel),
        // No system call that starts anything, or that could write a file, is left.
        (LimitName::Pids, Enforcer::Kernel),
        (LimitName::Disk, Enforcer::Kernel),
    ];
    if controllers.contains(&Controller::Cpu) {
        all.push((LimitName::Cpus, Enforcer::Kernel));
    }
    if !controllers.contains(&Controller::Memory) {
        // What resource limits do not count, its stack, is looked at.
        all.push((LimitName::Memory, Enforcer::Host));
    }
    all
}

/// What is written to the control group of a guest before it has a program.
pub(super) fn at_start(version: Version) -> Vec<Setting> {
    basics(version, PIDS)
}

/// What is written to the control group of a guest that gets a program. It uses `used` bytes
/// already, which are its engine's. What it maps is capped at the limit itself besides.
pub(super) fn at_hand_over(version: Version, limits: &Limits, used: u64) -> Vec<Setting> {
    let memory = limits
        .memory
        .map(|memory| memory.saturating_add(used + HEADROOM));
    caps(version, memory, limits.cpus.map(thousandths))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_root_gives_a_guest_another_user() {
        let cgroups = vec![PathBuf::from("/sys/fs/cgroup/memory/x")];
        assert_eq!(jail(false, 1, 2, Vec::new()), Spec::default());
        let spec = jail(true, 0x1_2345, 0x2001, cgroups.clone());
        let user = Some(0x7000_0000 | 0x0234_5001);
        assert_eq!(spec, Spec { user, cgroups });
    }

    #[test]
    fn guests_of_a_host_are_different_users() {
        let users: std::collections::HashSet<u32> = (0..4096).map(|guest| user(7, guest)).collect();
        assert_eq!(users.len(), 4096);
    }

    #[test]
    fn limits_are_written_as_each_version_wants_them() {
        let limits = Limits {
            memory: Some(1000),
            cpus: Some(0.5),
            ..Limits::default()
        };
        let written = |version| -> Vec<String> {
            let settings = at_hand_over(version, &limits, 24);
            settings.iter().map(ToString::to_string).collect()
        };
        assert_eq!(
            written(Version::V1),
            [
                "memory.limit_in_bytes=67109888",
                "memory.memsw.limit_in_bytes=67109888",
                "cpu.cfs_period_us=100000",
                "cpu.cfs_quota_us=50000"
            ]
        );
        assert_eq!(
            written(Version::V2),
            ["memory.max=67109888", "cpu.max=50000 100000"]
        );
        assert_eq!(at_hand_over(Version::V2, &Limits::default(), 24), []);
    }

    #[test]
    fn what_needs_a_control_group_is_claimed_with_one() {
        let cpus = (LimitName::Cpus, Enforcer::Kernel);
        let memory = (LimitName::Memory, Enforcer::Host);
        let claims = |controllers: &[Controller]| {
            let all = enforcement(controllers);
            (all.contains(&cpus), all.contains(&memory))
        };
        assert_eq!(claims(&[]), (false, true));
        assert_eq!(claims(&[Controller::Cpu]), (true, true));
        assert_eq!(
            claims(&[Controller::Cpu, Controller::Memory]),
            (true, false)
        );
    }
}
