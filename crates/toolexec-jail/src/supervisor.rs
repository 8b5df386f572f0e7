//! The supervisor's side: starts the inmate, waits for it, and cleans up behind a launcher that
//! is gone.

use std::fs;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    Pid, Resource, Rlimit, Signal, WaitOptions, WaitStatus, getppid, pidfd_send_signal, setpgid,
    setrlimit, waitpid,
};

use crate::error::{JailError, Step};
use crate::inmate::{self, INSIDE, Seal};
use crate::spec::Spec;
use crate::sys::{self, Clone};

/// How long an inmate may go on whose launcher hung up.
const GRACE: Duration = Duration::from_secs(1);
/// How long after an inmate that was killed its launcher may be found to be gone too. A launcher
/// that lives waits as long to hear how it ended.
const AFTER: Duration = Duration::from_millis(100);

/// Starts the inmate. Returns in it.
pub(crate) fn start(spec: &Spec) -> Result<Seal, JailError> {
    assert_eq!(threads(), Some(1), "a jail is entered with one thread");
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none).step("forbidding core dumps")?;
    let (go, start) = pipe_with(PipeFlags::CLOEXEC).step("making a pipe")?;
    match inmate::clone()? {
        Clone::Inmate => {
            drop(start);
            inmate::lock_in(spec, go)
        }
        Clone::Supervisor { pid, pidfd } => {
            drop(go);
            let inmate = Inmate { pid, pidfd };
            if let Err(error) = admit(spec, &inmate, &start) {
                inmate.kill();
                return Err(error);
            }
            supervise(spec, &inmate, start)
        }
    }
}

/// The number of the signal that cannot be caught.
const KILLED: i32 = 9;

/// A process and a descriptor of it.
struct Inmate {
    pid: i32,
    pidfd: OwnedFd,
}

/// Gives the inmate its user and its control groups, tells the launcher who it is, and lets it
/// go on.
fn admit(spec: &Spec, inmate: &Inmate, start: &OwnedFd) -> Result<(), JailError> {
    let own = rustix::process::geteuid().as_raw();
    let group = rustix::process::getegid().as_raw();
    let of_inmate = |file: &str| format!("/proc/{}/{file}", inmate.pid);
    let (user, group) = match spec.user {
        Some(user) => (user, user),
        None => (own, group),
    };
    if spec.user.is_none() {
        // The kernel asks this of ordinary users.
        write(of_inmate("setgroups"), "deny").step("giving up supplementary groups")?;
    }
    write(of_inmate("gid_map"), &format!("{INSIDE} {group} 1")).step("mapping the group")?;
    write(of_inmate("uid_map"), &format!("{INSIDE} {user} 1")).step("mapping the user")?;
    for cgroup in &spec.cgroups {
        write(cgroup.join("cgroup.procs"), &inmate.pid.to_string())
            .step("joining a control group")?;
    }
    let mut stdout = std::io::stdout();
    let told = stdout.write_all(&inmate.pid.cast_unsigned().to_le_bytes());
    told.and_then(|()| stdout.flush())
        .step("telling the launcher")?;
    rustix::io::write(start, b"!").step("letting the inmate go on")?;
    Ok(())
}

/// Waits for the end of the inmate and ends like it.
fn supervise(spec: &Spec, inmate: &Inmate, start: OwnedFd) -> ! {
    sys::block_signals();
    // Out of the inmate's group, which is what is killed: somebody must be left to clean up.
    if let Some(launcher) = getppid().and_then(sys::group_of) {
        let _ = setpgid(None, Some(launcher));
    }
    hold_only_input();
    let hung_up = inmate.wait_or_hang_up();
    let status = inmate.status();
    let was_killed = status.is_some_and(|status| status.terminating_signal() == Some(KILLED));
    if hung_up || (was_killed && hangs_up_within(AFTER)) {
        remove(&spec.cgroups);
    }
    drop(start);
    sys::end_as(status)
}

impl Inmate {
    /// Waits until it ended. Whether the launcher hung up, which ends it as well.
    fn wait_or_hang_up(&self) -> bool {
        let input = rustix::stdio::stdin();
        let mut fds = [
            PollFd::new(&self.pidfd, PollFlags::IN),
            // Hanging up is told without asking.
            PollFd::new(&input, PollFlags::empty()),
        ];
        let ended = |fds: &[PollFd<'_>; 2]| fds[0].revents().contains(PollFlags::IN);
        let hung_up = |fds: &[PollFd<'_>; 2]| !fds[1].revents().is_empty();
        while !ended(&fds) && !hung_up(&fds) {
            let _ = poll(&mut fds, None);
        }
        if hung_up(&fds) && !ended(&fds) {
            // A guest whose host hung up ends by itself.
            wait_for(self.pidfd.as_fd(), GRACE);
            self.kill();
            return true;
        }
        hung_up(&fds)
    }

    fn kill(&self) {
        // It fails when it is dead already.
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
    }

    fn status(&self) -> Option<WaitStatus> {
        let wait = || waitpid(Pid::from_raw(self.pid), WaitOptions::empty());
        let ended = rustix::io::retry_on_intr(wait).ok()??;
        Some(ended.1)
    }
}

/// Whether the launcher closes its end of the input within a time.
fn hangs_up_within(time: Duration) -> bool {
    let input = rustix::stdio::stdin();
    let mut fds = [PollFd::new(&input, PollFlags::empty())];
    poll(&mut fds, Some(&timespec(time))).is_ok_and(|ready| ready > 0)
}

fn wait_for(fd: std::os::fd::BorrowedFd<'_>, time: Duration) {
    let mut fds = [PollFd::new(&fd, PollFlags::IN)];
    let _ = poll(&mut fds, Some(&timespec(time)));
}

fn timespec(time: Duration) -> Timespec {
    Timespec::try_from(time).unwrap_or_default()
}

/// Closes the streams that are the inmate's, so that the launcher sees their end when it ends.
fn hold_only_input() {
    let Ok((read, write)) = pipe_with(PipeFlags::CLOEXEC) else {
        return;
    };
    // A pipe without a reader takes the places of the streams.
    drop(read);
    let _ = rustix::stdio::dup2_stdout(&write);
    let _ = rustix::stdio::dup2_stderr(&write);
}

/// Removes the control groups, which takes until the kernel has let go of the inmate.
fn remove(cgroups: &[std::path::PathBuf]) {
    for cgroup in cgroups {
        for _ in 0..200 {
            if fs::remove_dir(cgroup).is_ok() || !cgroup.exists() {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Writes to a file of the kernel.
///
/// # Errors
/// What the kernel says.
pub fn write(path: impl AsRef<Path>, text: &str) -> std::io::Result<()> {
    // In one piece: the kernel takes such files in one write only.
    fs::OpenOptions::new()
        .write(true)
        .open(path)?
        .write_all(text.as_bytes())
}

/// How many threads this process has.
pub fn threads() -> Option<usize> {
    Some(fs::read_dir("/proc/self/task").ok()?.count())
}
