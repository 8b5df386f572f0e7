//! Who keeps a program in a machine within its limits.

use toolexec_core::sandbox::{Enforcement, Enforcer, LimitName};

use crate::cgroup::Controller;

/// What is enforced where what runs the machine is in a group of these controllers.
pub(crate) fn enforcement(controllers: &[Controller]) -> Enforcement {
    let mut all = vec![
        (LimitName::Memory, Enforcer::Guest),
        // The machine has no more.
        (LimitName::Memory, Enforcer::Kernel),
        (LimitName::CpuTime, Enforcer::Host),
        // The guest is nobody in its machine: it may have so many processes, and write nowhere.
        (LimitName::Pids, Enforcer::Kernel),
        (LimitName::Disk, Enforcer::Kernel),
    ];
    if controllers.contains(&Controller::Cpu) {
        all.push((LimitName::Cpus, Enforcer::Kernel));
    }
    all
}
