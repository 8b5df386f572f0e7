//! What is made of an image and of limits. Nothing here touches the machine.

use std::ffi::OsString;
use std::path::Path;

use toolexec_core::sandbox::{Enforcement, Enforcer, LimitName};

use super::Accel;
use crate::cgroup::{Controller, PERIOD};
use crate::container::Resources;
use crate::vm::memory;

const MIB: u64 = 1 << 20;
/// What QEMU takes besides the memory of its machine.
const OWN_MEMORY: u64 = 256 * MIB;
/// Of that, what it translates the machine's code into.
const TRANSLATED: u64 = 96;
/// The threads of QEMU.
pub(super) const THREADS: u64 = 32;
/// A user that owns nothing, for QEMU to become where root starts it.
pub(super) const NOBODY: u32 = 65534;

/// A machine that is to be started.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan<'a> {
    pub(super) kernel: &'a Path,
    pub(super) initrd: &'a Path,
    pub(super) accel: Accel,
    /// Counts of this machine's processor in a millisecond.
    pub(super) counter_khz: u64,
    pub(super) resources: &'a Resources,
    pub(super) drop_to: DropTo,
}

/// Whom QEMU becomes when it has opened its files, and how that is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DropTo {
    /// It was not started by root.
    Itself,
    /// Nobody, as versions before 9.1 are told.
    Nobody,
    /// Nobody, as later versions are told.
    NobodyNew,
}

/// The arguments of QEMU.
pub(super) fn args(plan: &Plan<'_>) -> Vec<OsString> {
    let memory = format!("{}", memory(plan.resources) / MIB);
    let mut sandbox = "on,obsolete=deny,spawn=deny,resourcecontrol=deny".to_owned();
    let (accel, cpu) = match plan.accel {
        Accel::Kvm => ("kvm".to_owned(), "host"),
        Accel::Tcg => (format!("tcg,tb-size={TRANSLATED}"), "max"),
    };
    let nobody = format!("{NOBODY}:{NOBODY}");
    let user = match plan.drop_to {
        DropTo::Itself => {
            sandbox.push_str(",elevateprivileges=deny");
            None
        }
        // It must be able to become another user; as that it can become no further one.
        DropTo::Nobody => Some(["-runas".to_owned(), nobody]),
        DropTo::NobodyNew => Some(["-run-with".to_owned(), format!("user={nobody}")]),
    };
    let fixed = [
        ["-M", "microvm,x-option-roms=off,isa-serial=on,rtc=on"],
        ["-accel", &accel],
        ["-cpu", cpu],
        ["-smp", "1"],
        ["-m", &memory],
        ["-display", "none"],
        ["-sandbox", &sandbox],
        ["-chardev", "stdio,id=host,signal=off"],
        ["-device", "virtio-serial-device,max_ports=2"],
        ["-device", "virtserialport,chardev=host"],
        ["-serial", "file:/dev/stderr"],
        ["-append", &kernel_args(plan)],
    ]
    .map(|pair| pair.map(OsString::from));
    let mut all: Vec<OsString> = ["-nodefaults", "-no-user-config", "-no-reboot"]
        .map(OsString::from)
        .to_vec();
    all.extend(fixed.into_iter().flatten());
    all.extend(user.into_iter().flatten().map(OsString::from));
    for (option, file) in [("-kernel", plan.kernel), ("-initrd", plan.initrd)] {
        all.push(option.into());
        all.push(file.into());
    }
    all
}

fn kernel_args(plan: &Plan<'_>) -> String {
    let mut all = vec![
        "console=ttyS0".to_owned(),
        "quiet".to_owned(),
        "loglevel=1".to_owned(),
        "rdinit=/init".to_owned(),
        // A machine that panics ends.
        "reboot=t".to_owned(),
        "panic=-1".to_owned(),
        "no_timer_check".to_owned(),
        // The guest reserves more for its stack than a small machine has.
        "sysctl.vm.overcommit_memory=1".to_owned(),
    ];
    if plan.accel == Accel::Tcg {
        // It cannot find out how fast its clock goes while others use the processor.
        all.push(format!("tsc_early_khz={}", plan.counter_khz));
        all.push("tsc=reliable".to_owned());
        // What is emulated does not speculate.
        all.push("mitigations=off".to_owned());
    }
    all.join(" ")
}

/// What the control group of QEMU holds, in bytes.
pub(super) fn memory_with_qemu(resources: &Resources) -> u64 {
    memory(resources).saturating_add(OWN_MEMORY)
}

/// Thousandths of a processor as time in each period.
pub(super) fn quota(cpus: u64) -> u64 {
    (cpus * PERIOD / 1000).max(1000)
}

/// What is enforced where QEMU is in a group of these controllers.
pub(super) fn enforcement(controllers: &[Controller]) -> Enforcement {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn line(accel: Accel, drop_to: DropTo) -> String {
        let resources = Resources {
            memory: Some(64 * MIB),
            ..Resources::default()
        };
        let plan = Plan {
            kernel: Path::new("/images/kernel"),
            initrd: Path::new("/images/initrd"),
            accel,
            counter_khz: 2_596_000,
            resources: &resources,
            drop_to,
        };
        let args: Vec<String> = args(&plan)
            .into_iter()
            .map(|arg| arg.into_string().unwrap())
            .collect();
        args.join(" ")
    }

    #[test]
    fn an_emulated_machine_is_told_the_time_and_qemu_becomes_nobody() {
        assert_eq!(
            line(Accel::Tcg, DropTo::Nobody),
            "-nodefaults -no-user-config -no-reboot \
             -M microvm,x-option-roms=off,isa-serial=on,rtc=on -accel tcg,tb-size=96 -cpu max \
             -smp 1 -m 192 -display none \
             -sandbox on,obsolete=deny,spawn=deny,resourcecontrol=deny \
             -chardev stdio,id=host,signal=off -device virtio-serial-device,max_ports=2 \
             -device virtserialport,chardev=host -serial file:/dev/stderr \
             -append console=ttyS0 quiet loglevel=1 rdinit=/init reboot=t panic=-1 \
             no_timer_check sysctl.vm.overcommit_memory=1 tsc_early_khz=2596000 tsc=reliable mitigations=off \
             -runas 65534:65534 -kernel /images/kernel -initrd /images/initrd"
        );
        assert!(line(Accel::Tcg, DropTo::NobodyNew).contains(" -run-with user=65534:65534 "));
    }

    #[test]
    fn with_kvm_the_machine_has_the_processor_as_it_is() {
        let line = line(Accel::Kvm, DropTo::Itself);
        assert!(line.contains(" -accel kvm -cpu host "), "{line}");
        assert!(line.contains(",elevateprivileges=deny "), "{line}");
        assert!(
            !line.contains("tsc") && !line.contains("mitigations"),
            "{line}"
        );
    }
}
