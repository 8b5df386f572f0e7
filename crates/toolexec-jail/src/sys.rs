//! The system calls for which no library has a safe function.
#![expect(unsafe_code, reason = "system calls")]

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

use rustix::process::Pid;

/// Where [`clone_into`] returned.
#[derive(Debug)]
pub enum Clone {
    /// In the new process.
    Inmate,
    /// In the old one: the new one, by id and as a descriptor.
    Supervisor {
        /// Its id.
        pid: i32,
        /// A descriptor of it.
        pidfd: OwnedFd,
    },
}

/// Forks into new namespaces. This process must have one thread.
pub fn clone_into(namespaces: u64) -> io::Result<Clone> {
    let mut pidfd: i32 = -1;
    // SAFETY: all-zero is a valid value of this structure of numbers.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = namespaces | flag(libc::CLONE_PIDFD);
    args.pidfd = (&raw mut pidfd) as u64;
    args.exit_signal = flag(libc::SIGCHLD);
    // SAFETY: `args` and `pidfd` are valid for their sizes. Without CLONE_VM the new process has
    // memory of its own and goes on where this one is; it has the only thread there was.
    let pid = unsafe {
        libc::syscall(
            libc::SYS_clone3,
            &raw const args,
            size_of::<libc::clone_args>(),
        )
    };
    match i32::try_from(pid) {
        Ok(0) => Ok(Clone::Inmate),
        Ok(pid) if pid > 0 => Ok(Clone::Supervisor {
            pid,
            // SAFETY: the kernel has just opened it for us.
            pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) },
        }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// A flag of the kernel, as it is in its 64-bit fields.
pub fn flag(flag: libc::c_int) -> u64 {
    u64::from(flag.cast_unsigned())
}

/// Closes every descriptor from `first` on.
pub fn close_from(first: libc::c_uint) -> io::Result<()> {
    // SAFETY: takes numbers only; the caller uses none of these descriptors afterwards.
    let closed = unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, 0) };
    if closed == 0 {
        return Ok(());
    }
    Err(io::Error::last_os_error())
}

/// Leaves the key-ring of the session that the launcher is in. Kernels without key-rings have
/// nothing to leave.
pub fn leave_key_ring() {
    const JOIN_SESSION_KEYRING: libc::c_long = 1;
    // SAFETY: a null pointer asks for a new ring without a name.
    unsafe {
        libc::syscall(
            libc::SYS_keyctl,
            JOIN_SESSION_KEYRING,
            std::ptr::null::<u8>(),
        );
    }
}

/// The process group of a process. None, where its leader is outside of this world of processes.
pub fn group_of(process: Pid) -> Option<Pid> {
    // `rustix` takes the zero, with which the kernel says that, for impossible.
    // SAFETY: takes and gives numbers only.
    let group = unsafe { libc::getpgid(process.as_raw_nonzero().get()) };
    Pid::from_raw(group.max(0))
}

/// Blocks every signal that can be blocked.
pub fn block_signals() {
    // SAFETY: the set is initialised before it is used.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::sigprocmask(libc::SIG_BLOCK, &raw const all, std::ptr::null_mut());
    }
}

/// Ends this process as another one ended.
pub(crate) fn end_as(status: Option<rustix::process::WaitStatus>) -> ! {
    if let Some(signal) = status.and_then(rustix::process::WaitStatus::terminating_signal) {
        // SAFETY: restores the default action of the signal, lets it through and raises it.
        unsafe {
            libc::signal(signal, libc::SIG_DFL);
            let mut none: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&raw mut none);
            libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
            libc::kill(libc::getpid(), signal);
        }
    }
    let code = status
        .and_then(rustix::process::WaitStatus::exit_status)
        .unwrap_or(1);
    // SAFETY: ends this process; it has nothing that wants to be dropped.
    unsafe { libc::_exit(code) }
}
