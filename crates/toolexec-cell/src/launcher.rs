//! The launcher's side: makes the namespaces, waits for the program, and cleans up behind a host
//! that is gone.

use std::ffi::OsString;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    Pid, Resource, Rlimit, Signal, WaitOptions, getppid, pidfd_send_signal, setpgid, setrlimit,
    waitpid,
};
use toolexec_jail::JailError;
use toolexec_jail::steps::{self, Clone, Step, clone_into, flag, threads, write};

use crate::inmate::{self, End};
use crate::report::{Word, say, take};
use crate::spec::{ARGUMENT, Spec, USER};
use crate::sys;

const NAMESPACES: libc::c_int = libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP;

/// Whether a program that is more than a launcher was started as one. It then calls [`run`],
/// before it does anything else.
pub fn is_asked(args: &[OsString]) -> bool {
    args.get(1).is_some_and(|first| first == ARGUMENT)
}

/// Runs a program as the host says that gave the socket. Call it while there is one thread.
#[expect(clippy::print_stderr, reason = "whoever starts it by hand reads why")]
pub fn run(args: Vec<OsString>) -> ExitCode {
    let number = args.get(2).and_then(|text| text.to_str()?.parse().ok());
    let host = number.map(sys::inherited);
    let Some(Ok(host)) = host else {
        eprintln!("{ARGUMENT} is for toolexec itself");
        return ExitCode::FAILURE;
    };
    let program = args.into_iter().skip(3).collect();
    let started = take(&host)
        .step("reading what is to be done")
        .and_then(|spec| start(&spec, program, &host));
    if let Err(error) = started {
        tell(&host, &error);
    }
    ExitCode::FAILURE
}

/// Tells the host why there is no program.
pub(crate) fn tell(host: &UnixStream, error: &JailError) {
    let (step, reason, errno) = match error {
        JailError::Step { step, source } => (
            (*step).to_owned(),
            source.to_string(),
            source.raw_os_error(),
        ),
        other => (other.to_string(), String::new(), None),
    };
    let word = Word::Failed {
        step,
        reason,
        errno,
    };
    // A host that is gone needs no reason.
    let _ = say(host, &word, None);
}

fn start(spec: &Spec, program: Vec<OsString>, host: &UnixStream) -> Result<(), JailError> {
    assert_eq!(threads(), Some(1), "programs are locked in by one thread");
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none).step("forbidding core dumps")?;
    let (go, start) = pipe_with(PipeFlags::CLOEXEC).step("making a pipe")?;
    let (end, ended) = pipe_with(PipeFlags::CLOEXEC).step("making a pipe")?;
    match clone_into(flag(NAMESPACES)).step("making namespaces")? {
        Clone::Inmate => {
            drop((start, end));
            inmate::be_first(spec, program, host, &go, &ended)
        }
        Clone::Supervisor { pid, pidfd } => {
            drop((go, ended));
            let first = First { pid, pidfd };
            if let Err(error) = first.admit(spec, host, &start) {
                first.kill();
                return Err(error);
            }
            first.supervise(spec, host, start, &end)
        }
    }
}

/// The first process of the namespaces.
struct First {
    pid: i32,
    pidfd: OwnedFd,
}

impl First {
    /// Gives it its user and its control groups, tells the host who it is, and lets it go on.
    fn admit(&self, spec: &Spec, host: &UnixStream, start: &OwnedFd) -> Result<(), JailError> {
        let user = rustix::process::geteuid().as_raw();
        let group = rustix::process::getegid().as_raw();
        let of_first = |file: &str| format!("/proc/{}/{file}", self.pid);
        if user != 0 {
            // The kernel asks this of ordinary users.
            write(of_first("setgroups"), "deny").step("giving up supplementary groups")?;
        }
        write(of_first("gid_map"), &format!("{USER} {group} 1")).step("mapping the group")?;
        write(of_first("uid_map"), &format!("{USER} {user} 1")).step("mapping the user")?;
        for cgroup in &spec.cgroups {
            write(cgroup.join("cgroup.procs"), &self.pid.to_string())
                .step("joining a control group")?;
        }
        say(host, &Word::Pid(self.pid.cast_unsigned()), None).step("telling the host")?;
        rustix::io::write(start, b"!").step("letting the program go on")?;
        Ok(())
    }

    /// Waits for its end and ends as the program did.
    fn supervise(&self, spec: &Spec, host: &UnixStream, start: OwnedFd, end: &OwnedFd) -> ! {
        steps::block_signals();
        // Out of the program's group, which is what is killed: somebody must be left to clean up.
        if let Some(launcher) = getppid().and_then(steps::group_of) {
            let _ = setpgid(None, Some(launcher));
        }
        close_streams();
        let hung_up = self.wait_or_hang_up(host);
        let wait = || waitpid(Pid::from_raw(self.pid), WaitOptions::empty());
        let _ = rustix::io::retry_on_intr(wait);
        if hung_up {
            remove(&spec.cgroups);
        }
        drop(start);
        match End::read(end) {
            Some(End::Code(code)) => sys::end(code),
            Some(End::Signal(signal)) => sys::end_by(signal),
            // It was killed before it could say anything.
            None => sys::end_by(libc::SIGKILL),
        }
    }

    /// Waits until it ended. Whether the host hung up, which ends it as well.
    fn wait_or_hang_up(&self, host: &UnixStream) -> bool {
        let mut fds = [
            PollFd::new(&self.pidfd, PollFlags::IN),
            // Hanging up is told without asking.
            PollFd::new(host, PollFlags::empty()),
        ];
        loop {
            let _ = poll(&mut fds, None);
            let hung_up = !fds[1].revents().is_empty();
            if hung_up {
                self.kill();
            }
            if hung_up || fds[0].revents().contains(PollFlags::IN) {
                return hung_up;
            }
        }
    }

    fn kill(&self) {
        // It fails when it is dead already.
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
    }
}

/// Closes the streams, which are the program's, so that the host sees their end when it ends.
pub(crate) fn close_streams() {
    let Ok((read, write)) = pipe_with(PipeFlags::CLOEXEC) else {
        return;
    };
    // A pipe without a reader takes the places of the outputs, one without a writer of the input.
    let Ok((input, nobody)) = pipe_with(PipeFlags::CLOEXEC) else {
        return;
    };
    drop((read, nobody));
    for (number, other) in [(0, input.as_fd()), (1, write.as_fd()), (2, write.as_fd())] {
        let _ = sys::replace(other, number);
    }
}

/// Removes the control groups, which takes until the kernel has let go of the program.
fn remove(cgroups: &[PathBuf]) {
    for cgroup in cgroups {
        for _ in 0..200 {
            if fs::remove_dir(cgroup).is_ok() || !cgroup.exists() {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
