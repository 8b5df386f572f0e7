//! A container that runs a guest.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bollard::container::{AttachContainerResults, LogOutput};
use bollard::errors::Error as Refusal;
use bollard::query_parameters::{InspectContainerOptions, WaitContainerOptionsBuilder};
use bytes::Bytes;
use futures_util::{FutureExt, Stream, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::JoinHandle;
use tokio::time::Sleep;
use toolexec_core::sandbox::Ended;
use toolexec_core::{Error, Result};

use super::daemon::Daemon;
use crate::unavailable;

/// How long a guest may take to its first word.
const FIRST_WORD: Duration = Duration::from_secs(30);
/// How long the daemon may take to say how a container ended.
const LAST_WORD: Duration = Duration::from_secs(5);
/// What is kept of what a guest writes to its standard error: the end.
const STDERR: usize = 4096;
/// The status with which a guest ends that is out of memory.
const OUT_OF_MEMORY: i64 = 65;
/// The status of one that was ended by SIGKILL.
const KILLED: i64 = 128 + 9;
const SIGXCPU: i64 = 24;

/// A container that was created. It is removed when this is dropped.
pub(super) struct Created {
    pub(super) daemon: Daemon,
    pub(super) name: String,
    is_removed: bool,
}

/// A container whose guest has said its first word. It is removed when this is dropped.
pub(super) struct Contained {
    created: Created,
    input: Pin<Box<dyn AsyncWrite + Send>>,
    output: Pin<Box<dyn Stream<Item = Result<LogOutput, Refusal>> + Send>>,
    /// What it said that nobody has read.
    said: Bytes,
    stderr: Vec<u8>,
    exit: JoinHandle<Ended>,
    ended: Option<Ended>,
    // Runs once its words are at their end and how it ended is not known.
    patience: Option<Pin<Box<Sleep>>>,
    /// Its process id, where this machine is the daemon's.
    pub(super) pid: Option<u32>,
}

impl Created {
    pub(super) fn new(daemon: Daemon, name: String) -> Self {
        Self {
            daemon,
            name,
            is_removed: false,
        }
    }

    /// Ends and removes the container.
    fn remove(&mut self) {
        if !std::mem::replace(&mut self.is_removed, true) {
            self.daemon.remove(&self.name);
        }
    }

    /// How the container will have ended. It must not have been started.
    pub(super) fn exit(&self) -> JoinHandle<Ended> {
        let (daemon, name) = (self.daemon.clone(), self.name.clone());
        tokio::spawn(async move {
            let options = WaitContainerOptionsBuilder::new().condition("next-exit");
            let mut exit = daemon.client.wait_container(&name, Some(options.build()));
            let status = match exit.next().await {
                Some(Ok(exit)) => exit.status_code,
                Some(Err(Refusal::DockerContainerWaitError { code, .. })) => code,
                Some(Err(error)) => {
                    tracing::debug!(%error, "the Docker daemon does not say how a guest ended");
                    let how = "was lost by the Docker daemon".to_owned();
                    return Ended::Crashed { how };
                }
                None => 0,
            };
            if status == 0 {
                return Ended::Exited;
            }
            // The container is being removed; it is there for a moment yet.
            let found = daemon
                .client
                .inspect_container(&name, None::<InspectContainerOptions>);
            let state = found.await.ok().and_then(|found| found.state);
            // The kernel ends who is out of memory with SIGKILL, and so does nobody else here.
            let is_killed = status == KILLED;
            let starved = state.map_or(is_killed, |state| state.oom_killed == Some(true));
            why(status, starved)
        })
    }
}

impl Drop for Created {
    fn drop(&mut self) {
        self.remove();
    }
}

impl Contained {
    /// Takes over a container that was started, and waits for its guest's first word.
    ///
    /// # Errors
    /// [`ErrorKind::SandboxUnavailable`](toolexec_core::ErrorKind::SandboxUnavailable); what it
    /// wrote to its standard error is the cause.
    pub(super) async fn start(
        created: Created,
        attached: AttachContainerResults,
        exit: JoinHandle<Ended>,
    ) -> Result<Self> {
        let mut contained = Self {
            created,
            input: attached.input,
            output: attached.output,
            said: Bytes::new(),
            stderr: Vec::new(),
            exit,
            ended: None,
            patience: None,
            pid: None,
        };
        let first = tokio::time::timeout(FIRST_WORD, contained.hear()).await;
        match first {
            Ok(Ok(true)) => Ok(contained),
            Ok(Ok(false)) => Err(contained.silent("ended before it spoke")),
            Ok(Err(error)) => Err(contained.silent("cannot be heard").with_source(error)),
            Err(_) => Err(contained.silent("does not speak")),
        }
    }

    /// Ends it.
    pub(super) fn kill(&mut self) {
        self.ended.get_or_insert(Ended::Killed);
        self.created.remove();
    }

    /// Why it ended, if it did.
    pub(super) fn ended(&mut self) -> Option<Ended> {
        if self.ended.is_none()
            && let Some(exit) = (&mut self.exit).now_or_never()
        {
            self.ended = Some(self.explain(exit.ok()));
        }
        self.ended.clone()
    }

    /// Whether it still runs, as far as is known.
    pub(super) fn is_running(&mut self) -> bool {
        self.ended().is_none()
    }

    /// Waits until it said something; `false` at its end.
    async fn hear(&mut self) -> io::Result<bool> {
        std::future::poll_fn(|cx| self.poll_hear(cx)).await
    }

    fn poll_hear(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        while self.said.is_empty() {
            match ready!(self.output.poll_next_unpin(cx)) {
                Some(Ok(LogOutput::StdErr { message })) => self.keep(&message),
                Some(Ok(LogOutput::StdOut { message } | LogOutput::Console { message })) => {
                    self.said = message;
                }
                Some(Ok(LogOutput::StdIn { .. })) => {}
                // The daemon closes the connection in whatever way it likes.
                Some(Err(_)) | None => return Poll::Ready(Ok(false)),
            }
        }
        Poll::Ready(Ok(true))
    }

    fn keep(&mut self, message: &[u8]) {
        let message = &message[message.len().saturating_sub(STDERR)..];
        self.stderr.extend_from_slice(message);
        let surplus = self.stderr.len().saturating_sub(STDERR);
        self.stderr.drain(..surplus);
    }

    /// Waits until it is known how it ended, or for as long as that may take.
    fn poll_exit(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.ended.is_some() {
            return Poll::Ready(());
        }
        if let Poll::Ready(exit) = self.exit.poll_unpin(cx) {
            self.ended = Some(self.explain(exit.ok()));
            return Poll::Ready(());
        }
        let sleep = || Box::pin(tokio::time::sleep(LAST_WORD));
        self.patience.get_or_insert_with(sleep).as_mut().poll(cx)
    }

    fn explain(&self, exit: Option<Ended>) -> Ended {
        let last = String::from_utf8_lossy(&self.stderr);
        match exit {
            // What Rust says when there is no memory.
            Some(Ended::Crashed { .. }) if last.contains("memory allocation of") => {
                Ended::OutOfMemory
            }
            Some(ended) => ended,
            None => Ended::Exited,
        }
    }

    fn silent(&self, how: &str) -> Error {
        let error = unavailable(&format!("the guest in the container {how}"));
        let said = String::from_utf8_lossy(&self.stderr).trim().to_owned();
        if said.is_empty() {
            return error;
        }
        error.with_source(said)
    }
}

impl Drop for Contained {
    fn drop(&mut self) {
        self.exit.abort();
    }
}

impl AsyncRead for Contained {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.created.is_removed {
            return Poll::Ready(Ok(()));
        }
        if ready!(self.poll_hear(cx))? {
            let count = self.said.len().min(buffer.remaining());
            buffer.put_slice(&self.said.split_to(count));
            return Poll::Ready(Ok(()));
        }
        self.poll_exit(cx).map(Ok)
    }
}

impl AsyncWrite for Contained {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.input.as_mut().poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.input.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.input.as_mut().poll_shutdown(cx)
    }
}

/// How one ended that was killed, and not by us.
pub(super) fn killed() -> Ended {
    Ended::Crashed {
        how: "was ended by SIGKILL".to_owned(),
    }
}

fn why(status: i64, starved: bool) -> Ended {
    match status {
        _ if starved => Ended::OutOfMemory,
        KILLED => killed(),
        OUT_OF_MEMORY => Ended::OutOfMemory,
        _ if status == 128 + SIGXCPU => Ended::OutOfCpu,
        _ => Ended::Crashed {
            how: match status - 128 {
                6 => "was ended by SIGABRT".to_owned(),
                11 => "was ended by SIGSEGV".to_owned(),
                31 => "was ended by SIGSYS".to_owned(),
                _ => format!("exited with status {status}"),
            },
        },
    }
}
