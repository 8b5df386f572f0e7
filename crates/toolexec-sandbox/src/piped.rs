//! A guest that is a program of this machine, behind pipes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::process::{ChildStdin, ChildStdout};
use toolexec_core::sandbox::Ended;
use toolexec_core::{Error, ErrorKind, Result};
use toolexec_process::{Child, Command, Exit};

/// How long a guest may take to its first word.
const FIRST_WORD: Duration = Duration::from_secs(10);
/// The most of what a guest says at first; the rest stays in the pipe.
const READ_AHEAD: usize = 4096;
/// The status with which a guest ends that is out of memory.
const OUT_OF_MEMORY: i32 = 65;
const SIGXCPU: i32 = 24;

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
}

impl Piped {
    /// Starts a guest and waits for its first word.
    ///
    /// # Errors
    /// [`ErrorKind::SandboxUnavailable`]; what it wrote to its standard error is the cause.
    ///
    /// # Cancel safety
    /// Dropping the future ends the guest.
    pub(crate) async fn start(command: Command) -> Result<Self> {
        let mut child = command.spawn().map_err(|error| {
            let cannot = unavailable("the guest program cannot be started")
                .with_hint("install toolexec-guest beside toolexec: cargo build -p toolexec-guest");
            cannot.with_source(error)
        })?;
        let silent = || unavailable("the guest program does not speak");
        let (Some(input), Some(mut output)) = (child.take_stdin(), child.take_stdout()) else {
            return Err(silent());
        };
        let mut said = Vec::with_capacity(READ_AHEAD);
        let first = tokio::time::timeout(FIRST_WORD, output.read_buf(&mut said)).await;
        if !matches!(first, Ok(Ok(read)) if read > 0) {
            let error = silent().with_hint("it must be the guest of the same version");
            let last = child.stderr_to_end().await.last(5);
            return Err(match last {
                Some(last) => error.with_source(last),
                None => error,
            });
        }
        Ok(Self {
            pid: child.pid(),
            child: Some(child),
            input,
            output,
            said,
            ended: None,
        })
    }

    /// Its process id. Stays after it ended.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
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
            let how = exit.map_or(Ended::Exited, |exit| why(exit, child));
            self.ended = Some(how);
        }
        self.ended.clone()
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

/// An error of a sandbox that cannot be used.
pub(crate) fn unavailable(message: &str) -> Error {
    Error::new(ErrorKind::SandboxUnavailable, message)
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
