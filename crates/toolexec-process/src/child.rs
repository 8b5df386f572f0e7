//! A running child and its group.

use std::fmt;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::{ChildStdin, ChildStdout};
use tokio::task::JoinHandle;

#[cfg(target_os = "linux")]
use crate::adopted::Adopted;
use crate::confine::Keeper;
use crate::tail::Tail;
use crate::watchdog::{self, Registrar};

/// How long the end of standard error may take to arrive after the child ended.
const STDERR_GRACE: Duration = Duration::from_millis(200);

/// A running child. Dropping it kills its whole group at once.
#[derive(Debug)]
pub struct Child {
    // Dropped first: the group is killed before its leader can be reaped and its id reused.
    group: Group,
    inner: tokio::process::Child,
    #[cfg(target_os = "linux")]
    adopted: Vec<Adopted>,
    // Dropped when the program is dead.
    keeper: Option<Box<dyn Keeper>>,
    pid: u32,
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    stderr: Tail,
    // What fills the tail.
    readers: Vec<JoinHandle<()>>,
    label: String,
}

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// The status it exited with, unless a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
}

impl Child {
    pub(crate) fn new(
        mut inner: tokio::process::Child,
        registrar: &Registrar,
        label: String,
        stderr_tail: usize,
    ) -> io::Result<Self> {
        let ended = || io::Error::other("the child ended while it was being started");
        let pid = inner.id().ok_or_else(ended)?;
        let group = Group::new(i32::try_from(pid).map_err(io::Error::other)?, registrar);
        let stderr = Tail::new(stderr_tail);
        let readers = inner.stderr.take().into_iter();
        let readers = readers
            .map(|pipe| tokio::spawn(stderr.clone().fill(pipe, label.clone())))
            .collect();
        Ok(Self {
            group,
            stdin: inner.stdin.take(),
            stdout: inner.stdout.take(),
            inner,
            #[cfg(target_os = "linux")]
            adopted: Vec::new(),
            keeper: None,
            pid,
            stderr,
            readers,
            label,
        })
    }

    /// Its process id, which is also the id of its group. Stays after it ended.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The pipe to its standard input, once.
    pub fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.stdin.take()
    }

    /// The pipe from its standard output, once.
    pub fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.stdout.take()
    }

    /// Keeps the end of its standard output too, line for line among those of its standard error.
    /// Does nothing when the pipe was taken.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn tail_stdout(&mut self) {
        if let Some(pipe) = self.stdout.take() {
            let fill = self.stderr.clone().fill(pipe, self.label.clone());
            self.readers.push(tokio::spawn(fill));
        }
    }

    /// Whether everything that it wrote was read, which may be a moment after it ended.
    pub fn is_drained(&self) -> bool {
        self.readers.iter().all(JoinHandle::is_finished)
    }

    /// The end of its standard error.
    pub fn stderr(&self) -> &Tail {
        &self.stderr
    }

    /// Ends another process together with this one: one that it started and that leads a group of
    /// its own, such as the first process of a container. Of the group of that process, what is
    /// left when *our* process is killed is killed too.
    ///
    /// # Errors
    /// When there is no such process, or the kernel has no descriptors of processes (before 5.3).
    #[cfg(target_os = "linux")]
    pub fn adopt(&mut self, pid: u32) -> io::Result<()> {
        self.adopted.push(Adopted::new(pid)?);
        Ok(())
    }

    /// Ties what it is held by from the outside to it.
    pub fn keep(&mut self, keeper: Box<dyn Keeper>) {
        self.keeper = Some(keeper);
    }

    /// Which limit it exceeded that ended so, where somebody holds it to limits: a predicate such
    /// as `ran out of memory (256 MiB)`.
    pub fn exceeded(&self, exit: Exit) -> Option<String> {
        self.keeper.as_ref()?.exceeded(exit)
    }

    /// Waits until it ended; then kills what it left behind in its group.
    ///
    /// # Cancel safety
    /// Safe: nothing is lost when the future is dropped, and it can be called again.
    pub async fn wait(&mut self) -> io::Result<Exit> {
        let status = self.inner.wait().await?;
        self.group.end();
        #[cfg(target_os = "linux")]
        self.adopted.clear();
        Ok(Exit::from(status))
    }

    /// Ends it: closes its standard input if we still hold it, sends SIGTERM to the group after
    /// `grace`, and SIGKILL after another.
    ///
    /// # Cancel safety
    /// When the future is dropped the group is killed at once.
    pub async fn shutdown(mut self, grace: Duration) -> io::Result<Exit> {
        self.stdin.take();
        for signal in [Signal::SIGTERM, Signal::SIGKILL] {
            if let Ok(exit) = tokio::time::timeout(grace, self.wait()).await {
                return exit;
            }
            self.group.signal(signal);
        }
        self.wait().await
    }

    /// The end of its standard error, once all of it came or a short while passed.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn stderr_to_end(&mut self) -> Tail {
        let readers = &mut self.readers;
        let drain = async {
            while let Some(reader) = readers.last_mut() {
                let _ = reader.await;
                readers.pop();
            }
        };
        let _ = tokio::time::timeout(STDERR_GRACE, drain).await;
        self.stderr.clone()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        for reader in &self.readers {
            reader.abort();
        }
    }
}

impl From<ExitStatus> for Exit {
    fn from(status: ExitStatus) -> Self {
        Self {
            code: status.code(),
            signal: status.signal(),
        }
    }
}

impl Exit {
    /// Whether it exited with status 0.
    pub fn is_success(self) -> bool {
        self.code == Some(0)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code, self.signal.map(Signal::try_from)) {
            (Some(code), _) => write!(f, "exited with status {code}"),
            (None, Some(Ok(signal))) => write!(f, "was ended by {signal}"),
            (None, _) => f.write_str("ended"),
        }
    }
}

/// A process group that is known to the watchdog and killed on drop.
#[derive(Debug)]
struct Group(Option<i32>);

impl Group {
    fn new(id: i32, registrar: &Registrar) -> Self {
        registrar.confirm(id);
        Self(Some(id))
    }

    fn signal(&self, signal: Signal) {
        if let Some(id) = self.0 {
            // It fails when nobody is left in the group, which is what we want.
            let _ = killpg(Pid::from_raw(id), signal);
        }
    }

    /// Kills what is left of the group and forgets it: its id may be reused from here on.
    fn end(&mut self) {
        self.signal(Signal::SIGKILL);
        if let Some(id) = self.0.take() {
            watchdog::forget(id);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_reads_as_a_predicate() {
        let text = |code, signal| Exit { code, signal }.to_string();
        assert_eq!(text(Some(3), None), "exited with status 3");
        assert_eq!(text(None, Some(9)), "was ended by SIGKILL");
        assert_eq!(text(None, Some(255)), "ended");
    }
}
