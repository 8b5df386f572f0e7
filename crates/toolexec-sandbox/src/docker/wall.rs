//! What separates a container from the machine, and who keeps it within its limits.

use toolexec_core::sandbox::{Enforcement, Enforcer, Isolation, LimitName};

/// What stands between a container and the kernel of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wall {
    /// Nothing: runc, crun and whatever is not known.
    Kernel,
    /// gVisor, a kernel in a process.
    Gvisor,
    /// Kata, a virtual machine.
    Vm,
}

impl Wall {
    /// What the runtime of this name puts up.
    pub(super) fn of(runtime: Option<&str>) -> Self {
        let name = runtime.unwrap_or_default();
        if name.contains("runsc") || name.contains("gvisor") {
            Self::Gvisor
        } else if name.contains("kata") {
            Self::Vm
        } else {
            Self::Kernel
        }
    }

    pub(super) fn isolation(self) -> Isolation {
        match self {
            Self::Kernel => Isolation::Kernel,
            Self::Gvisor | Self::Vm => Isolation::Vm,
        }
    }

    pub(super) fn summary(self) -> &'static str {
        match self {
            Self::Kernel => "a Docker container without network or rights, its root read-only",
            Self::Gvisor => "a Docker container with a kernel of its own, gVisor",
            Self::Vm => "a Docker container in a virtual machine of its own",
        }
    }
}

/// Who keeps a program within its limits. Whether the host can look is known once it runs.
pub(super) fn enforcement(wall: Wall, host_looks: bool) -> Enforcement {
    if wall == Wall::Vm {
        // What becomes of the others is up to the machine's own kernel, and was not tried.
        return vec![(LimitName::Memory, Enforcer::Guest)];
    }
    let mut all = vec![
        (LimitName::Memory, Enforcer::Guest),
        (LimitName::Memory, Enforcer::Kernel),
        (LimitName::Cpus, Enforcer::Kernel),
        (LimitName::Pids, Enforcer::Kernel),
        (LimitName::Disk, Enforcer::Kernel),
    ];
    if wall == Wall::Kernel {
        // gVisor knows the resource limit and does not hold its first process to it.
        all.push((LimitName::CpuTime, Enforcer::Kernel));
    }
    if host_looks {
        all.push((LimitName::CpuTime, Enforcer::Host));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_runtime_is_stands_in_its_name() {
        let walls = [
            None,
            Some("runc"),
            Some("runsc-kvm"),
            Some("io.containerd.kata.v2"),
        ];
        assert_eq!(
            walls.map(Wall::of),
            [Wall::Kernel, Wall::Kernel, Wall::Gvisor, Wall::Vm]
        );
    }
}
