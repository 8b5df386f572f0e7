//! The side that is locked in: the first process, which makes the root and reaps, and the
//! program.

use std::convert::Infallible;
use std::ffi::{CString, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, Scope,
};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Resource, Rlimit, WaitOptions, chdir, setrlimit, wait};
use rustix::thread::{Gid, Uid};
use toolexec_jail::JailError;
use toolexec_jail::steps::{self, Clone, Step, clone_into};

use crate::launcher::{close_streams, tell};
use crate::report::{Word, say};
use crate::spec::{Spec, USER};
use crate::{filter, network, root, sys};

/// Limits that are the same for every program.
const RLIMITS: [(Resource, u64); 5] = [
    (Resource::Core, 0),
    (Resource::Nofile, 4096),
    (Resource::Msgqueue, 0),
    (Resource::Nice, 0),
    (Resource::Rtprio, 0),
];

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Code(i32),
    Signal(i32),
}

impl End {
    fn bytes(self) -> [u8; 5] {
        let (kind, number) = match self {
            Self::Code(code) => (0, code),
            Self::Signal(signal) => (1, signal),
        };
        let [a, b, c, d] = number.to_le_bytes();
        [kind, a, b, c, d]
    }

    /// What the first process has said last, if it said anything.
    pub(crate) fn read(end: &OwnedFd) -> Option<Self> {
        let mut bytes = [0; 5];
        let count = rustix::io::retry_on_intr(|| rustix::io::read(end, &mut bytes)).ok()?;
        let [kind, number @ ..] = bytes;
        let number = i32::from_le_bytes(number);
        match (count, kind) {
            (5, 0) => Some(Self::Code(number)),
            (5, _) => Some(Self::Signal(number)),
            _ => None,
        }
    }
}

/// The first process of the namespaces. It does not return.
pub(crate) fn be_first(
    spec: &Spec,
    program: Vec<OsString>,
    host: &UnixStream,
    go: &OwnedFd,
    ended: &OwnedFd,
) -> ! {
    match lock_in(spec, program, host, go) {
        Ok(child) => {
            let _ = say(host, &Word::Started, None);
            wait_for_all(child, ended)
        }
        Err(error) => {
            tell(host, &error);
            sys::end(1)
        }
    }
}

/// Gives up everything and starts the program: its process id, or none when there is no program.
fn lock_in(
    spec: &Spec,
    program: Vec<OsString>,
    host: &UnixStream,
    go: &OwnedFd,
) -> Result<Option<i32>, JailError> {
    steps::wait_for(go)?;
    become_inside()?;
    steps::die_with_supervisor(go)?;
    sys::hide().step("hiding the first process")?;
    steps::leave_key_ring();
    network::set_up(spec.listen, host)?;
    root::enter(spec)?;
    rustix::system::sethostname(b"sandbox").step("setting the host name")?;
    rustix::system::setdomainname(b"").step("setting the domain name")?;
    steps::drop_capabilities()?;
    rustix::thread::set_no_new_privs(true).step("forbidding new privileges")?;
    limit(spec)?;
    chdir(&spec.dir).step("entering the working directory")?;
    let child = if program.is_empty() {
        None
    } else {
        Some(start(spec, program)?)
    };
    filter::install().step("filtering system calls")?;
    Ok(child)
}

fn become_inside() -> Result<(), JailError> {
    // Ordinary users keep their groups, which the kernel does not let them leave; they are nobody's
    // here.
    let _ = rustix::thread::set_thread_groups(&[]);
    let (group, user) = (Gid::from_raw(USER), Uid::from_raw(USER));
    rustix::thread::set_thread_res_gid(group, group, group).step("changing the group")?;
    rustix::thread::set_thread_res_uid(user, user, user).step("changing the user")
}

fn limit(spec: &Spec) -> Result<(), JailError> {
    let processes = spec.processes.map(|most| (Resource::Nproc, most));
    for (resource, most) in RLIMITS.into_iter().chain(processes) {
        let both = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        setrlimit(resource, both).step("setting resource limits")?;
    }
    Ok(())
}

/// Starts the program, and waits until it has its first instruction.
fn start(spec: &Spec, program: Vec<OsString>) -> Result<i32, JailError> {
    let text = |text: Vec<u8>| CString::new(text).map_err(io::Error::other);
    let args: Vec<CString> = program
        .into_iter()
        .map(|arg| text(arg.into_vec()))
        .collect::<Result<_, _>>()
        .step("reading the arguments")?;
    let env: Vec<CString> = spec
        .env
        .iter()
        .map(|(name, value)| text(format!("{name}={value}").into_bytes()))
        .collect::<Result<_, _>>()
        .step("reading the environment")?;
    let (why, fails) = pipe_with(PipeFlags::CLOEXEC).step("making a pipe")?;
    match clone_into(0).step("starting the program")? {
        Clone::Inmate => {
            drop(why);
            let Err(error) = become_program(spec, &args, &env);
            let (step, errno) = match &error {
                JailError::Step { step, source } => (*step, source.raw_os_error()),
                _ => ("starting the program", None),
            };
            let said = format!("{}\n{step}", errno.unwrap_or_default());
            let _ = rustix::io::write(&fails, said.as_bytes());
            sys::end(127)
        }
        Clone::Supervisor { pid, .. } => {
            drop(fails);
            let mut said = [0; 256];
            let read = rustix::io::retry_on_intr(|| rustix::io::read(&why, &mut said));
            match read.step("starting the program")? {
                0 => Ok(pid),
                count => Err(why_not(&String::from_utf8_lossy(&said[..count]))),
            }
        }
    }
}

/// The error that the program's process has written.
fn why_not(said: &str) -> JailError {
    let (errno, step) = said.split_once('\n').unwrap_or_default();
    let steps = [EXECUTING, FORBIDDING, FILTERING];
    let step = steps.into_iter().find(|one| *one == step);
    JailError::Step {
        step: step.unwrap_or("starting the program"),
        source: io::Error::from_raw_os_error(errno.parse().unwrap_or_default()),
    }
}

const EXECUTING: &str = "executing the program";
const FORBIDDING: &str = "forbidding files";
const FILTERING: &str = "filtering system calls";

fn become_program(spec: &Spec, args: &[CString], env: &[CString]) -> Result<Infallible, JailError> {
    sys::usual_signals();
    forbid(spec).step(FORBIDDING)?;
    sys::close_later(3).step("closing descriptors")?;
    filter::install().step(FILTERING)?;
    // The first argument is the path as well: the host has found it.
    let program = args.first().cloned().unwrap_or_default();
    Err(sys::execute(&program, args, env)).step(EXECUTING)
}

/// Forbids to change what is not its own once more, where the kernel has Landlock.
fn forbid(spec: &Spec) -> io::Result<()> {
    let newest = ABI::V6;
    let all = AccessFs::from_all(newest);
    let beneath = |path: &Path, access| {
        let file = PathFd::new(path).map_err(io::Error::other)?;
        // A file takes none of the rights that are about what is in a directory.
        let access = if path.is_dir() {
            access
        } else {
            access & AccessFs::from_file(newest)
        };
        Ok::<_, io::Error>(PathBeneath::new(file, access))
    };
    let mut rules = vec![
        beneath(Path::new("/"), AccessFs::from_read(newest))?,
        beneath(Path::new("/dev"), all)?,
        beneath(Path::new("/proc"), all)?,
        beneath(Path::new("/tmp"), all)?,
    ];
    for mount in spec.mounts.iter().filter(|mount| mount.write) {
        rules.push(beneath(&mount.target, all)?);
    }
    Ruleset::default()
        .set_compatibility(landlock::CompatLevel::BestEffort)
        .handle_access(all)
        .and_then(|rules| rules.scope(Scope::from_all(newest)))
        .and_then(Ruleset::create)
        .and_then(|created| {
            created.add_rules(rules.into_iter().map(Ok::<_, landlock::RulesetError>))
        })
        .and_then(landlock::RulesetCreated::restrict_self)
        .map(drop)
        .map_err(io::Error::other)
}

/// Reaps whatever ends, until the program does; the kernel ends what is left then.
fn wait_for_all(child: Option<i32>, ended: &OwnedFd) -> ! {
    close_streams();
    let Some(child) = child else {
        let _ = rustix::io::write(ended, &End::Code(0).bytes());
        sys::end(0)
    };
    loop {
        let (pid, status) = match wait(WaitOptions::empty()) {
            Ok(Some(reaped)) => reaped,
            Err(rustix::io::Errno::INTR) | Ok(None) => continue,
            Err(_) => sys::end(1),
        };
        if pid.as_raw_nonzero().get() != child {
            continue;
        }
        let end = match status.terminating_signal() {
            Some(signal) => End::Signal(signal),
            None => End::Code(status.exit_status().unwrap_or(1)),
        };
        let _ = rustix::io::write(ended, &end.bytes());
        sys::end(0)
    }
}
