//! The root of programs: a disk that nobody writes to, with what they need over it.

use std::net::{Ipv4Addr, UdpSocket};
use std::os::unix::fs::{chroot, symlink};
use std::path::Path;
use std::time::Instant;
use std::{fs, io};

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use rustix::ioctl::{Opcode, Setter, ioctl};
use rustix::mount::{MountFlags, mount, mount_bind};

use crate::failed;
use crate::machine::{AGAIN, GUEST, PATIENCE, load_modules};

/// What a disk needs, besides what every machine does.
const MODULES: &str = "/disk-modules";
const DISK: &str = "/dev/vda";
/// Where the root is until it is the root.
const ROOT: &str = "/root";
/// Devices that programs look for, with their numbers.
const DEVICES: [(&str, u32, u32); 6] = [
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
];
const LINKS: [(&str, &str); 4] = [
    ("/proc/self/fd", "fd"),
    ("fd/0", "stdin"),
    ("fd/1", "stdout"),
    ("fd/2", "stderr"),
];

/// Makes the disk the root of this process and of those that it starts, which may write as many
/// bytes to `/tmp`.
pub(crate) fn enter(bytes: u64) -> Result<(), String> {
    load_modules(Path::new(MODULES), |_| true)?;
    wait_for_disk()?;
    let (quiet, data) = (MountFlags::NOSUID | MountFlags::NODEV, MountFlags::NOEXEC);
    let at = |name: &str| Path::new(ROOT).join(name);
    mount(DISK, ROOT, "ext4", quiet | MountFlags::RDONLY, None)
        .map_err(failed("mounting the disk"))?;
    mount("proc", at("proc"), "proc", quiet | data, None).map_err(failed("mounting its /proc"))?;
    let options = std::ffi::CString::new(format!("mode=1777,size={bytes}"));
    let options = options.map_err(failed("mounting its /tmp"))?;
    mount("tmp", at("tmp"), "tmpfs", quiet | data, &*options)
        .map_err(failed("mounting its /tmp"))?;
    let devices = MountFlags::NOSUID | MountFlags::NOEXEC;
    mount("dev", at("dev"), "tmpfs", devices, c"mode=755,size=64k")
        .map_err(failed("mounting its /dev"))?;
    fill(&at("dev")).map_err(failed("making its devices"))?;
    take_loopback_up().map_err(failed("taking the loopback interface into use"))?;
    mount_bind(GUEST, at(GUEST.trim_start_matches('/'))).map_err(failed("mounting the guest"))?;
    chroot(ROOT)
        .and_then(|()| std::env::set_current_dir("/"))
        .map_err(failed("entering the disk"))
}

fn wait_for_disk() -> Result<(), String> {
    let until = Instant::now() + PATIENCE;
    while !Path::new(DISK).exists() {
        if Instant::now() > until {
            return Err("the disk is not there".to_owned());
        }
        std::thread::sleep(AGAIN);
    }
    Ok(())
}

/// What the kernel is told of an interface.
#[repr(C)]
struct Interface {
    name: [u8; 16],
    flags: i16,
    rest: [u8; 22],
}

/// Lets programs connect to their own servers. There is no other interface.
#[expect(
    unsafe_code,
    reason = "a system call for which no library has a function"
)]
fn take_loopback_up() -> io::Result<()> {
    const SET_FLAGS: Opcode = 0x8914;
    const UP_AND_RUNNING: i16 = 0x41;
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    let mut loopback = Interface {
        name: [0; 16],
        flags: UP_AND_RUNNING,
        rest: [0; 22],
    };
    loopback.name[..2].copy_from_slice(b"lo");
    // SAFETY: SIOCSIFFLAGS reads what it is pointed to: a name of 16 bytes and the flags, in what
    // is as large as any `ifreq`, which is 40 bytes.
    unsafe { ioctl(&socket, Setter::<SET_FLAGS, Interface>::new(loopback))? };
    Ok(())
}

fn fill(dev: &Path) -> io::Result<()> {
    for (name, major, minor) in DEVICES {
        let (path, everybody) = (dev.join(name), Mode::from_raw_mode(0o666));
        mknodat(
            CWD,
            &path,
            FileType::CharacterDevice,
            everybody,
            makedev(major, minor),
        )?;
        // Whatever is taken from the modes of new files.
        rustix::fs::chmod(&path, everybody)?;
    }
    for (to, name) in LINKS {
        symlink(to, dev.join(name))?;
    }
    fs::set_permissions(dev, std::os::unix::fs::PermissionsExt::from_mode(0o555))
}
