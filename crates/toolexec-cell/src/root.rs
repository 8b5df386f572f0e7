//! The root of a program: what it sees of the host, a few devices, and a place of its own.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::CWD;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MountPropagationFlags, MoveMountFlags,
    OpenTreeFlags, UnmountFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen, mount,
    mount_change, move_mount, open_tree, unmount,
};
use rustix::process::{chdir, pivot_root};
use toolexec_jail::JailError;
use toolexec_jail::steps::Step;

use crate::spec::{Mount, Spec};
use crate::sys::{self, NO_DEVICES, NO_SUID, READ_ONLY};

/// Devices that every program may use.
const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];
/// Links in `/dev`.
const DEVICE_LINKS: [(&str, &str); 5] = [
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
    ("/dev/shm", "/tmp"),
];

/// A part of the host that waits to be mounted.
struct Tree {
    fd: OwnedFd,
    target: PathBuf,
    is_dir: bool,
}

/// Makes the root and enters it. What is not named is not there.
pub(crate) fn enter(spec: &Spec) -> Result<(), JailError> {
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).step("making mounts private")?;
    let trees: Vec<Tree> = spec.mounts.iter().map(tree).collect::<Result<_, _>>()?;
    let devices: Vec<Tree> = DEVICES.iter().map(device).collect::<Result<_, _>>()?;
    // While the host's is still to be seen: the kernel asks for that.
    let own = processes().step("mounting /proc")?;
    empty_root()?;
    for (path, text) in DEVICE_LINKS {
        link(Path::new(path), Path::new(text)).step("making /dev")?;
    }
    for one in &spec.links {
        link(&one.path, &one.to).step("making the links of the root")?;
    }
    for file in &spec.files {
        parent(&file.path).step("making files")?;
        fs::write(&file.path, &file.text).step("making files")?;
    }
    let proc = Path::new("/proc");
    fs::create_dir(proc).step("mounting /proc")?;
    attach(own.as_fd(), proc).step("mounting /proc")?;
    let tmp = temporary(spec.disk).step("mounting /tmp")?;
    fs::create_dir("/tmp").step("mounting /tmp")?;
    attach(tmp.as_fd(), Path::new("/tmp")).step("mounting /tmp")?;
    for one in trees.iter().chain(&devices) {
        put(one)
            .map_err(|error| at(&one.target, &error))
            .step("mounting")?;
    }
    let root = fs::File::open("/").step("closing the root")?;
    sys::set_flags(root.as_fd(), READ_ONLY, false).step("closing the root")
}

/// A part of the host, read-only unless it may be written to.
fn tree(mount: &Mount) -> Result<Tree, JailError> {
    let make = || {
        let is_dir = fs::metadata(&mount.source)?.is_dir();
        let tree = open(&mount.source)?;
        let write = if mount.write { 0 } else { READ_ONLY };
        sys::set_flags(tree.as_fd(), write | NO_SUID | NO_DEVICES, true)?;
        Ok(Tree {
            fd: tree,
            target: mount.target.clone(),
            is_dir,
        })
    };
    make()
        .map_err(|error| at(&mount.source, &error))
        .step("mounting")
}

fn device(name: &&str) -> Result<Tree, JailError> {
    let path = Path::new("/dev").join(name);
    let tree = open(&path)
        .map_err(|error| at(&path, &error))
        .step("mounting")?;
    Ok(Tree {
        fd: tree,
        target: path,
        is_dir: false,
    })
}

fn open(path: &Path) -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE;
    Ok(open_tree(CWD, path, flags)?)
}

/// The processes of the namespace, and nothing else of the kernel.
fn processes() -> io::Result<OwnedFd> {
    let system = fsopen(c"proc", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(system.as_fd(), c"subset", c"pid")?;
    // The first process, whose arguments tell of the host, is not to be seen.
    fsconfig_set_string(system.as_fd(), c"hidepid", c"ptraceable")?;
    fsconfig_create(system.as_fd())?;
    let flags = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    Ok(fsmount(
        system.as_fd(),
        FsMountFlags::FSMOUNT_CLOEXEC,
        flags,
    )?)
}

/// A directory in memory that holds so much.
fn temporary(bytes: u64) -> io::Result<OwnedFd> {
    let system = fsopen(c"tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(system.as_fd(), c"size", bytes.to_string())?;
    fsconfig_set_string(system.as_fd(), c"mode", c"1777")?;
    // Empty files take memory too.
    fsconfig_set_string(
        system.as_fd(),
        c"nr_inodes",
        (bytes / 4096 + 64).to_string(),
    )?;
    fsconfig_create(system.as_fd())?;
    let flags = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    Ok(fsmount(
        system.as_fd(),
        FsMountFlags::FSMOUNT_CLOEXEC,
        flags,
    )?)
}

/// Makes an empty directory in memory the root.
fn empty_root() -> Result<(), JailError> {
    // Any directory would do; this one is always there.
    let root = c"/proc";
    mount(
        c"tmpfs",
        root,
        c"tmpfs",
        MountFlags::NOSUID | MountFlags::NODEV,
        c"mode=0755,size=4m,nr_inodes=4k",
    )
    .step("mounting an empty root")?;
    chdir(root).step("entering the root")?;
    // The old root is put over the new one, and taken off.
    pivot_root(c".", c".").step("changing the root")?;
    unmount(c".", UnmountFlags::DETACH).step("leaving the old root")?;
    chdir(c"/").step("entering the new root")
}

fn link(path: &Path, to: &Path) -> io::Result<()> {
    parent(path)?;
    std::os::unix::fs::symlink(to, path)
}

/// Mounts a tree; what it is mounted on is made unless it is there.
fn put(one: &Tree) -> io::Result<()> {
    if !one.target.exists() {
        if one.is_dir {
            fs::create_dir_all(&one.target)?;
        } else {
            parent(&one.target)?;
            fs::write(&one.target, "")?;
        }
    }
    attach(one.fd.as_fd(), &one.target)
}

fn parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)
}

fn attach(tree: std::os::fd::BorrowedFd<'_>, target: &Path) -> io::Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    Ok(move_mount(tree, c"", CWD, target, flags)?)
}

fn at(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
