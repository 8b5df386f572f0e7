//! Our side of the watchdog.

use std::collections::HashSet;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::libc;

use super::process;

/// One message to the watchdog: what to do, and the group.
pub(super) type Record = [i32; 2];
pub(super) const REGISTER: i32 = 1;
pub(super) const FORGET: i32 = 2;

static HOST: Mutex<Option<Host>> = Mutex::new(None);

struct Host {
    watchdog: Arc<Watchdog>,
    // Groups that live, to be told to the next watchdog.
    groups: HashSet<i32>,
}

#[derive(Debug)]
struct Watchdog {
    socket: OwnedFd,
    pid: i32,
}

/// Announces the groups of new children to the watchdog that runs now.
#[derive(Debug)]
pub(crate) struct Registrar(Arc<Watchdog>);

/// The watchdog to announce to; starts it when there is none.
pub(crate) fn registrar() -> io::Result<Registrar> {
    let mut host = lock();
    if let Some(host) = &*host
        && host.watchdog.is_alive()
    {
        return Ok(Registrar(host.watchdog.clone()));
    }
    let groups = host.take().map(|host| host.groups).unwrap_or_default();
    Ok(Registrar(start(&mut host, groups)?))
}

/// Announces a group that runs already.
pub(crate) fn register(group: i32) -> io::Result<()> {
    let registrar = registrar()?;
    let mut host = lock();
    if let Some(host) = &mut *host {
        host.groups.insert(group);
    }
    registrar.0.send([REGISTER, group])
}

/// Withdraws a group: it is dead, and its id may be given to strangers.
pub(crate) fn forget(group: i32) {
    let mut host = lock();
    if let Some(host) = &mut *host {
        host.groups.remove(&group);
        // If the watchdog is gone, the next one is told only of groups that live.
        let _ = host.watchdog.send([FORGET, group]);
    }
}

/// Whether a spawn failed because the watchdog was gone when the child announced itself.
pub(crate) fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EPIPE | libc::ECONNRESET | libc::ENOTCONN | libc::ECONNREFUSED)
    )
}

/// The process id of the watchdog, once something was spawned.
pub fn watchdog_pid() -> Option<u32> {
    let host = lock();
    let pid = host.as_ref()?.watchdog.pid;
    u32::try_from(pid).ok()
}

impl Registrar {
    /// Makes the child announce its own group after the fork, before the exec.
    #[expect(
        unsafe_code,
        reason = "only code in the forked child can run before its exec"
    )]
    pub(crate) fn attach(&self, command: &mut tokio::process::Command) {
        // Held by the closure, so that the descriptor stays ours until the child has it.
        let watchdog = self.0.clone();
        let announce = move || {
            // The child leads its group: std made it so before this runs.
            let group = std::process::id().cast_signed();
            watchdog.send([REGISTER, group])
        };
        // SAFETY: between fork and exec `announce` only calls getpid and send, which are
        // async-signal-safe, and takes no lock and allocates nothing (`io::Error` of an OS error
        // holds its number only).
        unsafe { command.pre_exec(announce) };
    }

    /// Remembers a group that announced itself, for a watchdog to come.
    pub(crate) fn confirm(&self, group: i32) {
        let mut host = lock();
        let Some(host) = &mut *host else { return };
        host.groups.insert(group);
        if !Arc::ptr_eq(&host.watchdog, &self.0) {
            // It announced itself to a watchdog that has died since.
            let _ = host.watchdog.send([REGISTER, group]);
        }
    }
}

impl Watchdog {
    #[expect(
        unsafe_code,
        reason = "nix has no send without allocation for these sockets"
    )]
    fn send(&self, record: Record) -> io::Result<()> {
        let flags = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;
        // SAFETY: `record` is readable for its size, and the descriptor is open while `self` is.
        let sent = unsafe {
            libc::send(
                self.socket.as_raw_fd(),
                record.as_ptr().cast(),
                size_of::<Record>(),
                flags,
            )
        };
        if sent < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    /// Whether the other end is still open.
    fn is_alive(&self) -> bool {
        !matches!(peek(self.socket.as_raw_fd(), libc::MSG_DONTWAIT), Ok(0))
    }
}

/// Starts a watchdog, tells it all `groups`, and a thread to watch over it.
fn start(host: &mut Option<Host>, groups: HashSet<i32>) -> io::Result<Arc<Watchdog>> {
    let (socket, pid) = process::fork()?;
    let watchdog = Arc::new(Watchdog { socket, pid });
    for group in &groups {
        watchdog.send([REGISTER, *group])?;
    }
    *host = Some(Host {
        watchdog: watchdog.clone(),
        groups,
    });
    let watched = watchdog.clone();
    std::thread::Builder::new()
        .name("toolexec-watchdog".to_owned())
        .stack_size(64 * 1024)
        .spawn(move || restart_after(&watched))?;
    Ok(watchdog)
}

/// Waits for the end of a watchdog, then starts the next if it was the current one.
fn restart_after(watched: &Arc<Watchdog>) {
    while !matches!(peek(watched.socket.as_raw_fd(), 0), Ok(0)) {}
    let mut host = lock();
    let is_current = matches!(&*host, Some(host) if Arc::ptr_eq(&host.watchdog, watched));
    if !is_current {
        return;
    }
    tracing::warn!("the watchdog of child processes ended; starting another");
    let groups = host.take().map(|host| host.groups).unwrap_or_default();
    if let Err(error) = start(&mut host, groups) {
        tracing::error!(%error, "the watchdog of child processes could not be started again");
    }
}

/// What the socket has to say without taking it: 0 bytes mean the other end is closed. The
/// watchdog itself says nothing after its greeting.
#[expect(unsafe_code, reason = "the call that waits for the other end to close")]
fn peek(socket: RawFd, flags: libc::c_int) -> io::Result<usize> {
    let mut byte = [0_u8; 1];
    // SAFETY: `byte` is writable for its size; the caller keeps the descriptor open.
    let got = unsafe {
        libc::recv(
            socket,
            byte.as_mut_ptr().cast(),
            byte.len(),
            flags | libc::MSG_PEEK,
        )
    };
    match usize::try_from(got) {
        Ok(got) => Ok(got),
        Err(_) => match io::Error::last_os_error() {
            error if is_gone(&error) => Ok(0),
            error => Err(error),
        },
    }
}

fn lock() -> MutexGuard<'static, Option<Host>> {
    // Every change of the state is one assignment; a panic cannot leave it half done.
    HOST.lock().unwrap_or_else(PoisonError::into_inner)
}
