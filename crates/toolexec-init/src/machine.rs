//! What the first process does.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::mount::{MountFlags, mount};
use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::system::{RebootCommand, finit_module, reboot};

use crate::failed;
use crate::itself::{become_itself, until_ended};
use crate::root;
use crate::vsock::{self, Listener};
use crate::word::Word;

const MODULES: &str = "/modules";
const PORT: &str = "/dev/vport0p1";
/// What the host is told when its word can come, and when it was taken once more.
pub(crate) const READY: &[u8] = b"R";
pub(crate) const GUEST: &str = "/toolexec-guest";
const USER_NAMESPACES: &str = "/proc/sys/user/max_user_namespaces";
const NOBODY: u32 = 65534;
/// How long the port and the host at its other end may take to be there.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
pub(crate) const AGAIN: Duration = Duration::from_millis(2);
/// The longest word of a host.
const LONGEST: usize = 4096;
/// What the guest may have, besides its processes: nothing of all this.
const RLIMITS: [(Resource, u64); 4] = [
    (Resource::Core, 0),
    (Resource::Memlock, 0),
    (Resource::Msgqueue, 0),
    (Resource::Sigpending, 64),
];
/// The same of a guest that has no programs to run, and of one that has.
const ALONE: [(Resource, u64); 2] = [(Resource::Fsize, 0), (Resource::Nofile, 16)];
const WITH_PROGRAMS: [(Resource, u64); 1] = [(Resource::Nofile, 1024)];

/// The end of the guest.
pub(crate) struct End {
    /// How it ended.
    pub(crate) how: String,
    /// Dropping it waits until the host has what the guest said last. Until then what the host
    /// writes stays in it, which the kernel would throw away where nobody has the port open.
    _port: File,
}

/// Makes the machine ready and runs the guest.
pub(crate) fn run() -> Result<End, String> {
    let flags = MountFlags::NOSUID | MountFlags::NOEXEC;
    mount(c"dev", c"/dev", c"devtmpfs", flags, None).map_err(failed("mounting /dev"))?;
    mount(c"proc", c"/proc", c"proc", flags, None).map_err(failed("mounting /proc"))?;
    close_off()?;
    let vsock = vsock::port();
    // Without the drivers of what is not there.
    load_modules(Path::new(MODULES), |name| is_needed(name, vsock.is_some()))?;
    let (port, word) = if let Some(number) = vsock {
        heard_by(&Listener::new(number)?)?
    } else {
        let mut port = open_port(PORT)?;
        let word = ask(&mut port)?.ok_or("the host hung up")?;
        (port, word)
    };
    become_itself(&word)?;
    let ended = guest(&port, &word)?;
    let why = if is_starved() { ", out of memory" } else { "" };
    Ok(End {
        how: format!("{ended}{why}"),
        _port: port,
    })
}

/// Ends the machine.
pub(crate) fn power_off() {
    // Whoever reads the console has all of it then.
    rustix::fs::sync();
    if vsock::port().is_none() {
        let _ = reboot(RebootCommand::PowerOff);
    }
    // A machine that cannot be switched off, as those with a virtual socket, ends when it is
    // started anew.
    let _ = reboot(RebootCommand::Restart);
}

/// Takes from nobody what a kernel gives to everybody: a root to write to, as in every tmpfs, and
/// user namespaces, in which nobody is root before much of the kernel.
fn close_off() -> Result<(), String> {
    let shut = fs::Permissions::from_mode(0o755);
    fs::set_permissions("/", shut).map_err(failed("closing the root"))?;
    match fs::write(USER_NAMESPACES, "0") {
        // A kernel without them.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        written => written.map_err(failed("forbidding user namespaces")),
    }
}

/// Loads the modules of a directory that are needed, in the order of their names.
pub(crate) fn load_modules(
    directory: &Path,
    is_needed: impl Fn(&str) -> bool,
) -> Result<(), String> {
    let entries = fs::read_dir(directory).map_err(failed("looking for modules"))?;
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if !is_needed(&name) {
            continue;
        }
        let loaded = File::open(&path).and_then(|file| Ok(finit_module(file, c"", 0)?));
        loaded.map_err(failed(&format!("loading the module {name}")))?;
    }
    Ok(())
}

/// Whether a machine with a virtual socket, or one with a serial port, has a use for a module.
fn is_needed(module: &str, has_vsock: bool) -> bool {
    match (
        module.contains("vsock") || module.contains("rng"),
        module.contains("console"),
    ) {
        (true, _) => has_vsock,
        (_, true) => !has_vsock,
        _ => true,
    }
}

/// The connection over which a host said its word. One that breaks before is forgotten: that of a
/// machine that was saved while it waited does not come back with it.
fn heard_by(listener: &Listener) -> Result<(File, Word), String> {
    loop {
        let mut port = listener.accept()?;
        if let Some(word) = ask(&mut port)? {
            return Ok((port, word));
        }
    }
}

/// A port to the host, once both ends of it are there.
fn open_port(path: &str) -> Result<File, String> {
    let until = Instant::now() + PATIENCE;
    loop {
        let port = OpenOptions::new().read(true).write(true).open(path);
        let problem = match port {
            Ok(port) if has_host(&port) => return Ok(port),
            Ok(_) => "nobody is at its other end".to_owned(),
            Err(error) => error.to_string(),
        };
        if Instant::now() > until {
            return Err(format!("opening the port to the host failed: {problem}"));
        }
        std::thread::sleep(AGAIN);
    }
}

fn has_host(port: &File) -> bool {
    let mut fds = [PollFd::new(port, PollFlags::OUT)];
    let asked = poll(&mut fds, Some(&Timespec::default()));
    asked.is_ok() && !fds[0].revents().contains(PollFlags::HUP)
}

/// Says that the machine is ready and waits for the host's word. Nothing, when the host is gone.
fn ask(port: &mut File) -> Result<Option<Word>, String> {
    if port.write_all(READY).is_err() {
        return Ok(None);
    }
    hear(port)
}

/// Waits for the host's word. Nothing, when the host is gone.
pub(crate) fn hear(port: &mut File) -> Result<Option<Word>, String> {
    let mut line = Vec::new();
    // Byte for byte: what comes after the word is for the guest.
    loop {
        let mut byte = [0];
        match port.read(&mut byte) {
            Ok(0) => return Ok(None),
            Ok(_) if byte[0] == b'\n' => break,
            Ok(_) if line.len() < LONGEST => line.push(byte[0]),
            Ok(_) => return Err("the host's word has no end".to_owned()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Ok(None),
        }
    }
    Word::parse(&String::from_utf8_lossy(&line))
        .map(Some)
        .ok_or_else(|| "the host's word is not of this version".to_owned())
}

/// Runs the guest, as nobody, until it ends.
fn guest(port: &File, word: &Word) -> Result<String, String> {
    let also: &[_] = match word.disk {
        None => &ALONE,
        Some(_) => &WITH_PROGRAMS,
    };
    let all = RLIMITS.iter().chain(also).copied();
    for (resource, most) in all.chain([(Resource::Nproc, word.pids)]) {
        let both = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        setrlimit(resource, both).map_err(failed("setting resource limits"))?;
    }
    rustix::thread::set_no_new_privs(true).map_err(failed("forbidding new privileges"))?;
    let share = || port.try_clone().map_err(failed("sharing the port"));
    let (input, output) = (share()?, share()?);
    let again = word.again.as_deref().map(open_port).transpose()?;
    if let Some(bytes) = word.disk {
        root::enter(bytes)?;
    }
    #[expect(clippy::disallowed_methods, reason = "the only program there is")]
    let mut command = Command::new(GUEST);
    command
        .args(&word.args)
        .env_clear()
        .uid(NOBODY)
        .gid(NOBODY)
        .stdin(Stdio::from(input))
        .stdout(Stdio::from(output));
    let mut child = command.spawn().map_err(failed("starting the guest"))?;
    drop(command);
    until_ended(&mut child, again).map(describe)
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("status {code}"),
        (_, signal) => format!("signal {}", signal.unwrap_or_default()),
    }
}

/// Whether the kernel has ended something for want of memory.
fn is_starved() -> bool {
    let counts = fs::read_to_string("/proc/vmstat").unwrap_or_default();
    let kills = counts
        .lines()
        .find_map(|line| line.strip_prefix("oom_kill "));
    kills.is_some_and(|kills| kills != "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_drivers_of_what_is_there_are_loaded() {
        let all = [
            "00-virtio_ring.ko",
            "01-virtio_console.ko",
            "02-vmw_vsock_virtio_transport.ko",
            "03-virtio_rng.ko",
        ];
        let loaded = |has_vsock| {
            let needed = all.map(|name| is_needed(name, has_vsock));
            all.into_iter()
                .zip(needed)
                .filter(|(_, is)| *is)
                .map(|(name, _)| name)
                .collect::<Vec<_>>()
        };
        assert_eq!(loaded(false), [all[0], all[1]]);
        assert_eq!(loaded(true), [all[0], all[2], all[3]]);
    }
}
