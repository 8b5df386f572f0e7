//! The inmate's side: gives up everything, one step after the other.

use std::io;
use std::os::fd::OwnedFd;

use landlock::{ABI, Access, AccessFs, AccessNet, Compatible, Ruleset, RulesetAttr, Scope};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};
use rustix::mount::{mount, mount_change, unmount};
use rustix::process::{Resource, Rlimit, Signal, chdir, pivot_root, setrlimit};
use rustix::thread::{CapabilitiesSecureBits, CapabilitySet, CapabilitySets, Gid, Uid};

use crate::error::{JailError, Step};
use crate::filter;
use crate::spec::Spec;
use crate::sys::{self, Clone, flag};

/// The user and the group that the inmate is for itself.
pub(crate) const INSIDE: u32 = 65534;

const NAMESPACES: libc::c_int = libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP;

/// Limits that are the same for every inmate. What it has open already stays open.
const RLIMITS: [(Resource, u64); 8] = [
    (Resource::Core, 0),
    (Resource::Fsize, 0),
    (Resource::Nofile, 3),
    (Resource::Memlock, 0),
    (Resource::Msgqueue, 0),
    (Resource::Sigpending, 64),
    (Resource::Nice, 0),
    (Resource::Rtprio, 0),
];

/// What is left to be done: closing the jail, once all threads are there.
#[derive(Debug)]
#[must_use = "the jail is open until it is closed"]
pub struct Seal(());

impl Seal {
    /// Closes the jail: from here on all threads have a short list of system calls, which starts
    /// neither threads nor processes and opens nothing.
    ///
    /// # Errors
    /// [`JailError`] when the kernel does not take the filter. The caller must end then.
    pub fn close(self) -> Result<(), JailError> {
        filter::install().step("filtering system calls")
    }
}

/// Starts the inmate.
pub(crate) fn clone() -> Result<Clone, JailError> {
    let all = flag(NAMESPACES);
    match sys::clone_into(all | flag(libc::CLONE_NEWTIME)) {
        // A kernel without namespaces for time.
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => sys::clone_into(all),
        other => other,
    }
    .step("making namespaces")
}

/// Gives up everything but the standard streams. Runs in the inmate.
pub(crate) fn lock_in(spec: &Spec, go: OwnedFd) -> Result<Seal, JailError> {
    wait_for(&go)?;
    become_inside(spec)?;
    die_with_supervisor(&go)?;
    drop(go);
    sys::leave_key_ring();
    empty_root()?;
    rustix::system::sethostname(b"sandbox").step("setting the host name")?;
    rustix::system::setdomainname(b"").step("setting the domain name")?;
    drop_capabilities()?;
    rustix::thread::set_no_new_privs(true).step("forbidding new privileges")?;
    forbid_files()?;
    sys::close_from(3).step("closing descriptors")?;
    for (resource, most) in RLIMITS {
        let both = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        setrlimit(resource, both).step("setting resource limits")?;
    }
    Ok(Seal(()))
}

/// Waits for the supervisor's word.
pub fn wait_for(go: &OwnedFd) -> Result<(), JailError> {
    let mut word = [0];
    let read = rustix::io::retry_on_intr(|| rustix::io::read(go, &mut word));
    match read.step("waiting for the supervisor")? {
        1 => Ok(()),
        _ => Err(io::Error::from(io::ErrorKind::UnexpectedEof)).step("waiting for the supervisor"),
    }
}

fn become_inside(spec: &Spec) -> Result<(), JailError> {
    if spec.user.is_some() {
        rustix::thread::set_thread_groups(&[]).step("leaving all groups")?;
    }
    // This process has one thread.
    let (group, user) = (Gid::from_raw(INSIDE), Uid::from_raw(INSIDE));
    rustix::thread::set_thread_res_gid(group, group, group).step("changing the group")?;
    rustix::thread::set_thread_res_uid(user, user, user).step("changing the user")
}

/// Has the kernel end this process when the supervisor ends.
pub fn die_with_supervisor(go: &OwnedFd) -> Result<(), JailError> {
    // Changing the user has cleared it, so it stands here.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .step("tying itself to the supervisor")?;
    // It may be gone already; then its end of the pipe is closed.
    let mut fds = [PollFd::new(go, PollFlags::empty())];
    let ready = poll(&mut fds, Some(&Timespec::default())).step("looking for the supervisor")?;
    if ready == 0 {
        return Ok(());
    }
    Err(io::Error::from(io::ErrorKind::BrokenPipe)).step("looking for the supervisor")
}

/// Makes an empty directory the root, in memory, in which nothing can be made.
fn empty_root() -> Result<(), JailError> {
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).step("making mounts private")?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::RDONLY;
    // Any directory would do; this one is always there.
    let root = c"/proc";
    mount(
        c"tmpfs",
        root,
        c"tmpfs",
        flags,
        c"mode=0555,size=4k,nr_inodes=1",
    )
    .step("mounting an empty root")?;
    chdir(root).step("entering the root")?;
    // The old root is put over the new one, and taken off.
    pivot_root(c".", c".").step("changing the root")?;
    unmount(c".", UnmountFlags::DETACH).step("leaving the old root")?;
    chdir(c"/").step("entering the new root")
}

/// Gives up every capability for good.
///
/// # Errors
/// When the kernel does not take it.
pub fn drop_capabilities() -> Result<(), JailError> {
    let locked = CapabilitiesSecureBits::NO_ROOT
        | CapabilitiesSecureBits::NO_ROOT_LOCKED
        | CapabilitiesSecureBits::NO_SETUID_FIXUP
        | CapabilitiesSecureBits::NO_SETUID_FIXUP_LOCKED
        | CapabilitiesSecureBits::KEEP_CAPS_LOCKED
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE_LOCKED;
    rustix::thread::set_capabilities_secure_bits(locked).step("locking the secure bits")?;
    for capability in 0..64 {
        let bit = CapabilitySet::from_bits_retain(1 << capability);
        match rustix::thread::remove_capability_from_bounding_set(bit) {
            Ok(()) => {}
            // There are no more.
            Err(rustix::io::Errno::INVAL) => break,
            Err(error) => return Err(error).step("dropping capabilities"),
        }
    }
    rustix::thread::clear_ambient_capability_set().step("dropping ambient capabilities")?;
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, none).step("dropping capabilities")
}

/// Forbids files, the network and signals to others once more, where the kernel has Landlock.
fn forbid_files() -> Result<(), JailError> {
    let newest = ABI::V6;
    let ruleset = Ruleset::default()
        .set_compatibility(landlock::CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(newest))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(newest)))
        .and_then(|rules| rules.scope(Scope::from_all(newest)))
        .and_then(Ruleset::create)
        .and_then(landlock::RulesetCreated::restrict_self);
    match ruleset {
        Ok(_) => Ok(()),
        Err(error) => Err(io::Error::other(error)).step("forbidding files"),
    }
}
