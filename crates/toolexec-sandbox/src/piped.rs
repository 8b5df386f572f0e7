//! A guest that is a program of this machine, behind pipes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::process::{ChildStdin, ChildStdout};
use toolexec_core::sandbox::{Ended, Language};
use toolexec_core::{Error, Result};
use toolexec_process::{Child, Command, Exit};

use crate::unavailable;

/// How long a guest may take to its first word.
const FIRST_WORD: Duration = Duration::from_secs(10);
/// The most of what a guest says at first; the rest stays in the pipe.
const READ_AHEAD: usize = 4096;
/// The status with which a guest ends that is out of memory.
const OUT_OF_MEMORY: i32 = 65;
const SIGXCPU: i32 = 24;
const SILENT: &str = "the guest program does not speak";

/// The languages for which guests are ready, one for each engine.
pub(crate) const KINDS: [Language; 2] = [Language::JavaScript, Language::Python];

/// Which of [`KINDS`] runs a language.
pub(crate) fn kind(language: Language) -> Language {
    match language {
        Language::Python => Language::Python,
        _ => Language::JavaScript,
    }
}

/// The arguments with which a guest is ready for one of [`KINDS`].
pub(crate) fn warm(kind: Language) -> [&'static str; 2] {
    let language = match kind {
        Language::Python => "python",
        _ => "javascript",
    };
    ["--warm", language]
}

/// A guest that was started behind pipes and has said its first word.
pub(crate) struct Piped {
    // Dropped first: the group is killed before its pipes are closed.
    child: Option<Child>,
    pid: u32,
    input: ChildStdin,
    output: ChildStdout,
    /// What it said before anybody asked.
    said: Vec<u8>,
    ended: Option<Ended>,
    /// How long it may take to a word that is waited for.
    patience: Duration,
    exit: Option<Exit>,
}

impl Piped {
    /// Starts a guest and waits for its first word.
    ///
    /// # Errors
    /// [`ErrorKind::SandboxUnavailable`](toolexec_core::ErrorKind::SandboxUnavailable); what it wrote to its standard error is the cause.
    ///
    /// # Cancel safety
    /// Dropping the future ends the guest.
    pub(crate) async fn start(command: Command) -> Result<Self> {
        Self::start_within(command, FIRST_WORD).await
    }

    /// The same, for a guest that may take so long.
    pub(crate) async fn start_within(command: Command, patience: Duration) -> Result<Self> {
        let mut piped = Self::spawn(command, patience)?;
        let first = tokio::time::timeout(patience, piped.output.read_buf(&mut piped.said)).await;
        match (first, &mut piped.child) {
            (Ok(Ok(read)), _) if read > 0 => Ok(piped),
            (_, Some(child)) => Err(silent(child).await),
            (_, None) => Err(unavailable(SILENT)),
        }
    }

    /// Starts what goes on as a guest that has said this already.
    ///
    /// # Errors
    /// When it cannot be started.
    #[cfg(feature = "qemu")]
    pub(crate) fn resume(command: Command, said: Vec<u8>, patience: Duration) -> Result<Self> {
        Ok(Self {
            said,
            ..Self::spawn(command, patience)?
        })
    }

    fn spawn(command: Command, patience: Duration) -> Result<Self> {
        let mut child = command.spawn().map_err(|error| {
            let cannot = unavailable("the guest program cannot be started")
                .with_hint("install toolexec-guest beside toolexec: cargo build -p toolexec-guest");
            cannot.with_source(error)
        })?;
        let (Some(input), Some(output)) = (child.take_stdin(), child.take_stdout()) else {
            return Err(unavailable(SILENT));
        };
        Ok(Self {
            pid: child.pid(),
            child: Some(child),
            input,
            output,
            said: Vec::with_capacity(READ_AHEAD),
            ended: None,
            patience,
            exit: None,
        })
    }

    /// The first bytes that it said, once they are there; nobody reads them afterwards.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub(crate) async fn take_said(&mut self, bytes: usize) -> Result<Vec<u8>> {
        while self.said.len() < bytes {
            self.hear_more().await?;
        }
        Ok(self.said.drain(..bytes).collect())
    }

    /// Waits until it said something that nobody has read.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub(crate) async fn hear(&mut self) -> Result<()> {
        if self.said.is_empty() {
            self.hear_more().await?;
        }
        Ok(())
    }

    /// The first message that it said, whole; nobody reads it afterwards.
    ///
    /// # Errors
    /// As [`start`](Self::start), and when more follows: it waits for nobody then.
    #[cfg(feature = "qemu")]
    pub(crate) async fn take_frame(&mut self) -> Result<Vec<u8>> {
        let mut length = [0; 4];
        let prefix = self.take_said(length.len()).await?;
        length.copy_from_slice(&prefix);
        let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
        if length > READ_AHEAD {
            return Err(unavailable(SILENT));
        }
        let message = self.take_said(length).await?;
        if !self.said.is_empty() {
            return Err(unavailable("the guest program does not wait"));
        }
        Ok([prefix, message].concat())
    }

    async fn hear_more(&mut self) -> Result<()> {
        let more = tokio::time::timeout(self.patience, self.output.read_buf(&mut self.said)).await;
        match (more, &mut self.child) {
            (Ok(Ok(read)), _) if read > 0 => Ok(()),
            (_, Some(child)) => Err(silent(child).await),
            (_, None) => Err(unavailable(SILENT)),
        }
    }

    /// Its process id. Stays after it ended.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Ends a process together with it that left its group.
    ///
    /// # Errors
    /// When the process is not there, or the kernel is too old.
    #[cfg(target_os = "linux")]
    pub(crate) fn adopt(&mut self, pid: u32) -> io::Result<()> {
        match &mut self.child {
            Some(child) => child.adopt(pid),
            None => Ok(()),
        }
    }

    /// The status with which it ended, once [`ended`](Self::ended) has said so and unless it was
    /// killed.
    pub(crate) fn exit(&self) -> Option<Exit> {
        self.exit
    }

    /// The end of what it wrote to its standard error.
    pub(crate) fn stderr(&self) -> String {
        let child = self.child.as_ref();
        let last = child.and_then(|child| child.stderr().last(10));
        last.unwrap_or_default()
    }

    /// The end of all that it wrote to its standard error, once it has ended.
    #[cfg(feature = "qemu")]
    pub(crate) async fn last_words(&mut self) -> Option<String> {
        let child = self.child.as_mut()?;
        child.stderr_to_end().await.last(5)
    }

    /// Whether it still runs, as far as is known without asking.
    pub(crate) fn is_running(&self) -> bool {
        self.child.is_some() && self.ended.is_none()
    }

    /// Kills its group.
    pub(crate) fn kill(&mut self) {
        if let Some(child) = self.child.take() {
            self.ended.get_or_insert(Ended::Killed);
            // The group is killed when the child is dropped.
            drop(child);
        }
    }

    /// Why it ended, if it did.
    pub(crate) fn ended(&mut self) -> Option<Ended> {
        if let (None, Some(child)) = (&self.ended, &mut self.child)
            && let Some(exit) = child.wait().now_or_never()
        {
            self.exit = exit.as_ref().ok().copied();
            let how = exit.map_or(Ended::Exited, |exit| why(exit, child));
            self.ended = Some(how);
        }
        self.ended.clone()
    }
}

/// The error of a guest that does not speak; what it wrote to its standard error is the cause.
async fn silent(child: &mut Child) -> Error {
    let error = unavailable(SILENT).with_hint("it must be the guest of the same version");
    match child.stderr_to_end().await.last(5) {
        Some(last) => error.with_source(last),
        None => error,
    }
}

fn why(exit: Exit, child: &Child) -> Ended {
    // What Rust says when there is no memory, and the status with which the guest's own counter
    // ends it.
    let last = child.stderr().last(5).unwrap_or_default();
    let starved = last.contains("memory allocation of");
    match (exit.code, exit.signal) {
        (Some(0), _) => Ended::Exited,
        _ if starved => Ended::OutOfMemory,
        (Some(OUT_OF_MEMORY), _) => Ended::OutOfMemory,
        (_, Some(SIGXCPU)) => Ended::OutOfCpu,
        _ => Ended::Crashed {
            how: exit.to_string(),
        },
    }
}

impl AsyncRead for Piped {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.said.is_empty() {
            let said = self.said.len().min(buffer.remaining());
            buffer.put_slice(&self.said[..said]);
            self.said.drain(..said);
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.output).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Piped {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.input).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.input).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.input).poll_shutdown(cx)
    }
}
