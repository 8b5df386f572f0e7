//! The watchdog's own side: forked, never executed.
//!
//! After the fork only the calling thread exists in the child and any lock may be held for ever,
//! so this side allocates nothing, takes no lock and calls async-signal-safe functions only.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use nix::libc;
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid};

use super::linux::{REGISTER, Record};

/// More groups than a host can have children; later ones are not watched.
const MAX_GROUPS: usize = 65_536;
/// How long the watchdog may take to say that it is there.
const GREETING: Duration = Duration::from_secs(10);

// Untouched pages of it cost nothing, in the host least of all.
static mut GROUPS: [i32; MAX_GROUPS] = [0; MAX_GROUPS];

/// Forks the watchdog; returns our end of its socket and its process id.
#[expect(unsafe_code, reason = "fork")]
pub(super) fn fork() -> io::Result<(OwnedFd, i32)> {
    let (ours, theirs) = socket_pair()?;
    let their_fd = theirs.as_raw_fd();
    // SAFETY: the child calls `become_watchdog`, which keeps to async-signal-safe functions and
    // never returns.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Child => become_watchdog(their_fd),
        ForkResult::Parent { child } => {
            drop(theirs);
            reap(child);
            let pid = greeting(ours.as_raw_fd())?;
            Ok((ours, pid))
        }
    }
}

#[expect(
    unsafe_code,
    reason = "nix would need another feature for this one call"
)]
fn socket_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends: [RawFd; 2] = [-1; 2];
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
    // SAFETY: `ends` has room for the two descriptors.
    if unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, ends.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: both were just opened and belong to nobody else.
    Ok(unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) })
}

/// Reaps the process in between; somebody else in this process may have done so already.
fn reap(child: Pid) {
    while matches!(waitpid(child, None), Err(nix::errno::Errno::EINTR)) {}
}

/// Waits for the watchdog's first word: its process id.
#[expect(unsafe_code, reason = "recv on a raw descriptor")]
fn greeting(socket: RawFd) -> io::Result<i32> {
    let timeout = libc::timeval {
        tv_sec: GREETING.as_secs().cast_signed(),
        tv_usec: 0,
    };
    let never = libc::timeval {
        tv_sec: 0,
        tv_usec: 0,
    };
    set_receive_timeout(socket, &timeout)?;
    let mut pid: i32 = 0;
    // SAFETY: `pid` is writable for its size.
    let got = unsafe {
        libc::recv(
            socket,
            std::ptr::from_mut(&mut pid).cast(),
            size_of::<i32>(),
            0,
        )
    };
    if got < 0 {
        return Err(io::Error::last_os_error());
    }
    if got.cast_unsigned() != size_of::<i32>() {
        return Err(io::Error::other("the watchdog ended at once"));
    }
    set_receive_timeout(socket, &never)?;
    Ok(pid)
}

#[expect(unsafe_code, reason = "setsockopt on a raw descriptor")]
fn set_receive_timeout(socket: RawFd, timeout: &libc::timeval) -> io::Result<()> {
    let length = libc::socklen_t::try_from(size_of::<libc::timeval>()).map_err(io::Error::other)?;
    // SAFETY: `timeout` is a timeval, as the option demands, and readable for its size.
    let done = unsafe {
        libc::setsockopt(
            socket,
            libc::SOL_SOCKET,
            libc::SO_RCVTIMEO,
            std::ptr::from_ref(timeout).cast(),
            length,
        )
    };
    if done != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Leaves the session, becomes a child of nobody we know, and watches.
#[expect(unsafe_code, reason = "runs between fork and exit, see the module")]
fn become_watchdog(socket: RawFd) -> ! {
    // SAFETY: every call is async-signal-safe and gets plain numbers or pointers to locals and
    // constants; `_exit` runs no handlers of the host.
    unsafe {
        libc::setsid();
        // Not a child of the host: it leaves no zombie there and no `wait` there sees it.
        match libc::fork() {
            0 => {}
            _ => libc::_exit(0),
        }
        for signal in [
            libc::SIGHUP,
            libc::SIGINT,
            libc::SIGQUIT,
            libc::SIGTERM,
            libc::SIGPIPE,
            libc::SIGUSR1,
            libc::SIGUSR2,
            libc::SIGALRM,
        ] {
            libc::signal(signal, libc::SIG_IGN);
        }
        libc::prctl(libc::PR_SET_NAME, c"toolexec-watch".as_ptr());
        libc::chdir(c"/".as_ptr());
        libc::dup2(socket, 0);
        close_from(1);
        let pid = libc::getpid();
        let size = size_of::<i32>();
        libc::send(0, (&raw const pid).cast(), size, libc::MSG_NOSIGNAL);
        watch()
    }
}

/// Closes every descriptor from `first` on: the host's files, sockets and pipes.
#[expect(unsafe_code, reason = "closes descriptors it does not own")]
unsafe fn close_from(first: libc::c_uint) {
    // SAFETY: this process uses none of these descriptors.
    unsafe {
        if libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, 0) == 0 {
            return;
        }
        // A kernel before 5.9.
        for fd in first..65_536 {
            libc::close(fd.cast_signed());
        }
    }
}

/// Reads records until the host is gone, then kills every group that is left.
#[expect(unsafe_code, reason = "the table and the calls of the watchdog")]
unsafe fn watch() -> ! {
    // SAFETY: this process has one thread, so the table is used by it alone.
    let groups =
        unsafe { std::slice::from_raw_parts_mut((&raw mut GROUPS).cast::<i32>(), MAX_GROUPS) };
    let mut count = 0;
    loop {
        let mut record: Record = [0; 2];
        let size = size_of::<Record>();
        // SAFETY: `record` is writable for its size.
        let got = unsafe { libc::recv(0, record.as_mut_ptr().cast(), size, 0) };
        if got.cast_unsigned() == size {
            count = apply(record, groups, count);
        } else if got >= 0 || io::Error::last_os_error().raw_os_error() != Some(libc::EINTR) {
            break;
        }
    }
    for group in groups.iter().take(count) {
        // SAFETY: `kill` takes numbers only; a group id is above 1, see `apply`.
        unsafe { libc::kill(-group, libc::SIGKILL) };
    }
    // SAFETY: ends this process without running the host's handlers.
    unsafe { libc::_exit(0) }
}

/// Adds or removes a group; returns how many there are then.
fn apply([what, group]: Record, groups: &mut [i32], mut count: usize) -> usize {
    // Never all processes (-1) nor our own group (0).
    if group <= 1 {
        return count;
    }
    let known = groups.iter().take(count).position(|own| *own == group);
    match (what == REGISTER, known) {
        (true, None) if count < groups.len() => {
            groups[count] = group;
            count += 1;
        }
        (false, Some(at)) => {
            count -= 1;
            groups[at] = groups[count];
        }
        _ => {}
    }
    count
}

#[cfg(test)]
mod tests {
    use super::super::linux::FORGET;
    use super::*;

    #[test]
    fn the_table_never_holds_what_must_not_be_killed() {
        let mut groups = [0; 2];
        let mut count = 0;
        for record in [
            [REGISTER, -1],
            [REGISTER, 0],
            [REGISTER, 1],
            [REGISTER, 10],
            [REGISTER, 10],
            [REGISTER, 20],
            [REGISTER, 30],
            [FORGET, 10],
            [FORGET, 99],
        ] {
            count = apply(record, &mut groups, count);
        }
        assert_eq!(&groups[..count], [20]);
    }
}
