//! What is made of an image and of limits. Nothing here touches the machine.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::Accel;
use crate::container::Resources;
use crate::vm::memory;

const MIB: u64 = 1 << 20;
/// What QEMU takes besides the memory of its machine.
const OWN_MEMORY: u64 = 256 * MIB;
/// Of that, what it translates the machine's code into.
const TRANSLATED: u64 = 96;
/// The threads of QEMU, and of those that read from a disk for it.
const THREADS: u64 = 32;
const READERS: u64 = 64;

/// A machine that is to be started.
#[derive(Debug, Clone)]
pub(super) struct Plan<'a> {
    pub(super) kernel: PathBuf,
    pub(super) initrd: PathBuf,
    pub(super) accel: Accel,
    /// Counts of this machine's processor in a millisecond.
    pub(super) counter_khz: u64,
    pub(super) resources: &'a Resources,
    /// A disk with a root, which nobody writes to.
    pub(super) disk: Option<&'a Path>,
    pub(super) drop_to: DropTo,
    pub(super) life: Life,
}

/// How a machine comes to its guest. The numbers are those of descriptors that QEMU has: the
/// machine's memory, its monitor, and the port on which it hears the host's word once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    /// It starts, and is never saved.
    Whole,
    /// It starts, and is saved when its guest is ready.
    Saved { ram: i32, monitor: i32, again: i32 },
    /// It goes on where it was saved.
    Restored { ram: i32, monitor: i32, again: i32 },
}

/// Whom QEMU becomes when it has opened its files, and how that is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DropTo {
    /// It was not started by root.
    Itself,
    /// Its owner, as versions before 9.1 are told.
    Owner,
    /// The owner, as later versions are told.
    OwnerNew,
}

/// The arguments of QEMU, which becomes the owner, who owns nothing, where root starts it.
pub(super) fn args(plan: &Plan<'_>, owner: u32) -> Vec<OsString> {
    let memory = format!("{}", memory(plan.resources) / MIB);
    let mut sandbox = "on,obsolete=deny,spawn=deny,resourcecontrol=deny".to_owned();
    let (accel, cpu) = match plan.accel {
        Accel::Kvm => ("kvm".to_owned(), "host"),
        Accel::Tcg => (format!("tcg,tb-size={TRANSLATED}"), "max"),
    };
    let owner = format!("{owner}:{owner}");
    let user = match plan.drop_to {
        DropTo::Itself => {
            sandbox.push_str(",elevateprivileges=deny");
            None
        }
        // It must be able to become another user; as that it can become no further one.
        DropTo::Owner => Some(["-runas".to_owned(), owner]),
        DropTo::OwnerNew => Some(["-run-with".to_owned(), format!("user={owner}")]),
    };
    let mut board = "microvm,x-option-roms=off,isa-serial=on,rtc=on".to_owned();
    if plan.life != Life::Whole {
        board.push_str(",memory-backend=ram");
    }
    let ports = match plan.life {
        Life::Whole => "virtio-serial-device,max_ports=2",
        _ => "virtio-serial-device,max_ports=3",
    };
    let fixed = [
        ["-M", &board],
        ["-accel", &accel],
        ["-cpu", cpu],
        ["-smp", "1"],
        ["-m", &memory],
        ["-display", "none"],
        ["-sandbox", &sandbox],
        ["-chardev", "stdio,id=host,signal=off"],
        ["-device", ports],
        ["-device", "virtserialport,chardev=host"],
        ["-serial", "file:/dev/stderr"],
        ["-append", &kernel_args(plan)],
    ]
    .map(|pair| pair.map(OsString::from));
    let mut all: Vec<OsString> = ["-nodefaults", "-no-user-config", "-no-reboot"]
        .map(OsString::from)
        .to_vec();
    all.extend(fixed.into_iter().flatten());
    all.extend(plan.disk.map(disk).into_iter().flatten());
    all.extend(life(plan).into_iter().flatten().map(OsString::from));
    all.extend(user.into_iter().flatten().map(OsString::from));
    for (option, file) in [("-kernel", &plan.kernel), ("-initrd", &plan.initrd)] {
        all.push(option.into());
        all.push(file.into());
    }
    all
}

/// A disk that nobody writes to.
fn disk(path: &Path) -> [OsString; 4] {
    let mut drive = OsString::from("if=none,id=root,format=raw,read-only=on,file=");
    // A comma would be the end of the name.
    let name = path.as_os_str().as_bytes();
    let doubled = name.iter().flat_map(|byte| match byte {
        b',' => vec![b',', b','],
        byte => vec![*byte],
    });
    drive.push(OsString::from_vec(doubled.collect()));
    let device = OsString::from("virtio-blk-device,drive=root");
    ["-drive".into(), drive, "-device".into(), device]
}

/// What a machine has besides that is saved, or was.
fn life(plan: &Plan<'_>) -> Vec<[String; 2]> {
    let (ram, monitor, again, share) = match plan.life {
        Life::Whole => return Vec::new(),
        Life::Saved {
            ram,
            monitor,
            again,
        } => (ram, monitor, again, "on"),
        Life::Restored {
            ram,
            monitor,
            again,
        } => (ram, monitor, again, "off"),
    };
    let size = memory(plan.resources) / MIB;
    let ram = format!(
        "memory-backend-file,id=ram,size={size}M,mem-path=/proc/self/fd/{ram},share={share}"
    );
    let mut all = vec![
        ["-object".to_owned(), ram],
        ["-chardev".to_owned(), format!("socket,id=again,fd={again}")],
        [
            "-device".to_owned(),
            "virtserialport,chardev=again".to_owned(),
        ],
        [
            "-chardev".to_owned(),
            format!("socket,id=monitor,fd={monitor}"),
        ],
        ["-mon".to_owned(), "chardev=monitor,mode=control".to_owned()],
    ];
    if share == "off" {
        all.push(["-incoming".to_owned(), "defer".to_owned()]);
    }
    all
}

/// What QEMU is told of a machine that is saved, with nothing in it that differs from one start to
/// the next: by this it is told apart from others.
pub(super) fn machine(plan: &Plan<'_>) -> String {
    let nameless = Plan {
        kernel: PathBuf::new(),
        initrd: PathBuf::new(),
        disk: plan.disk.map(|_| Path::new("")),
        counter_khz: 0,
        life: Life::Saved {
            ram: 0,
            monitor: 0,
            again: 0,
        },
        ..plan.clone()
    };
    let all = args(&nameless, 0);
    let texts = all.iter().map(|arg| arg.to_string_lossy());
    texts.collect::<Vec<_>>().join(" ")
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
        // Nothing in it uses what these would try out.
        "cryptomgr.notests".to_owned(),
        // Nobody was in its memory before, which is zeros.
        "init_on_alloc=0".to_owned(),
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

/// The threads that QEMU may have.
pub(super) fn threads(has_disk: bool) -> u64 {
    THREADS + if has_disk { READERS } else { 0 }
}

/// What the control group of QEMU holds, in bytes.
pub(super) fn memory_with_qemu(resources: &Resources) -> u64 {
    memory(resources).saturating_add(OWN_MEMORY)
}

/// What a machine that is saved is told besides: where its word comes once more.
pub(super) const AGAIN: &str = " again=/dev/vport0p2";

#[cfg(test)]
mod tests {
    use super::*;

    fn line(accel: Accel, drop_to: DropTo, life: Life) -> String {
        let resources = Resources {
            memory: Some(64 * MIB),
            ..Resources::default()
        };
        let plan = Plan {
            kernel: "/images/kernel".into(),
            initrd: "/images/initrd".into(),
            accel,
            counter_khz: 2_596_000,
            resources: &resources,
            disk: None,
            drop_to,
            life,
        };
        let args: Vec<String> = args(&plan, 7)
            .into_iter()
            .map(|arg| arg.into_string().unwrap())
            .collect();
        args.join(" ")
    }

    #[test]
    fn an_emulated_machine_is_told_the_time_and_qemu_becomes_its_owner() {
        assert_eq!(
            line(Accel::Tcg, DropTo::Owner, Life::Whole),
            "-nodefaults -no-user-config -no-reboot \
             -M microvm,x-option-roms=off,isa-serial=on,rtc=on -accel tcg,tb-size=96 -cpu max \
             -smp 1 -m 192 -display none \
             -sandbox on,obsolete=deny,spawn=deny,resourcecontrol=deny \
             -chardev stdio,id=host,signal=off -device virtio-serial-device,max_ports=2 \
             -device virtserialport,chardev=host -serial file:/dev/stderr \
             -append console=ttyS0 quiet loglevel=1 rdinit=/init reboot=t panic=-1 \
             no_timer_check sysctl.vm.overcommit_memory=1 cryptomgr.notests \
                        init_on_alloc=0 tsc_early_khz=2596000 tsc=reliable mitigations=off \
             -runas 7:7 -kernel /images/kernel -initrd /images/initrd"
        );
        assert!(line(Accel::Tcg, DropTo::OwnerNew, Life::Whole).contains(" -run-with user=7:7 "));
    }

    #[test]
    fn a_disk_is_read_only_whatever_its_name_is() {
        let told = disk(Path::new("/roots/a,readonly=off/disk"));
        let told = told.map(|arg| arg.into_string().unwrap());
        let drive = "if=none,id=root,format=raw,read-only=on,file=/roots/a,,readonly=off/disk";
        let device = "virtio-blk-device,drive=root";
        assert_eq!(told, ["-drive", drive, "-device", device]);
    }

    #[test]
    fn with_kvm_the_machine_has_the_processor_as_it_is() {
        let line = line(Accel::Kvm, DropTo::Itself, Life::Whole);
        assert!(line.contains(" -accel kvm -cpu host "), "{line}");
        assert!(line.contains(",elevateprivileges=deny "), "{line}");
        assert!(
            !line.contains("tsc") && !line.contains("mitigations"),
            "{line}"
        );
    }

    #[test]
    fn a_restored_machine_is_the_one_that_was_saved_with_a_view_of_its_memory() {
        let (ram, monitor, again) = (3, 4, 5);
        let saved = line(
            Accel::Tcg,
            DropTo::Itself,
            Life::Saved {
                ram,
                monitor,
                again,
            },
        );
        let own = " -object memory-backend-file,id=ram,size=192M,mem-path=/proc/self/fd/3,share=on \
                   -chardev socket,id=again,fd=5 -device virtserialport,chardev=again \
                   -chardev socket,id=monitor,fd=4 -mon chardev=monitor,mode=control -kernel";
        assert!(saved.contains(own), "{saved}");
        let restored = line(
            Accel::Tcg,
            DropTo::Itself,
            Life::Restored {
                ram,
                monitor,
                again,
            },
        );
        let waiting = "mode=control -incoming defer";
        let wanted = saved
            .replace("share=on", "share=off")
            .replace("mode=control", waiting);
        assert_eq!(restored, wanted);
    }
}
