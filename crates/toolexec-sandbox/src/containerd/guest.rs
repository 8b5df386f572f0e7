//! A guest in a container.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::sync::oneshot;
use tokio::time::Sleep;
use toolexec_core::sandbox::{Ended, GuestMeasure};
use toolexec_core::{Error, Result};

use super::container::{End, Running, Streams};
use super::measure::Meter;
use crate::unavailable;

/// How long a guest may take to its first word: an emulated machine boots first.
const FIRST_WORD: Duration = Duration::from_secs(30);
/// The most of what a guest says at first; the rest stays in the pipe.
const READ_AHEAD: usize = 4096;
/// How long the end of the stream and the news of the end wait for each other.
const GRACE: Duration = Duration::from_secs(1);

/// A guest in a container that has said its first word.
pub(super) struct Contained {
    running: Running,
    /// The process id of its first process.
    pub(super) pid: u32,
    meter: Option<Meter>,
    input: Sender,
    output: Receiver,
    end: oneshot::Receiver<End>,
    /// What it said before anybody asked.
    said: Vec<u8>,
    state: State,
}

#[derive(Default)]
struct State {
    is_killed: bool,
    is_silent: bool,
    end: Option<End>,
    // The end of its stream and the news of its end do not come together.
    grace: Option<Pin<Box<Sleep>>>,
}

impl Contained {
    /// A guest in a container that was started, once it has said its first word.
    ///
    /// # Cancel safety
    /// Dropping the future removes the container.
    pub(super) async fn hear(running: Running, streams: Streams) -> Result<Self> {
        let Streams {
            input,
            output,
            end,
            pid,
        } = streams;
        let said = Vec::with_capacity(READ_AHEAD);
        let state = State::default();
        let meter = Meter::find(running.id());
        let mut guest = Self {
            running,
            pid,
            meter,
            input,
            output,
            end,
            said,
            state,
        };
        let first = guest.output.read_buf(&mut guest.said);
        match tokio::time::timeout(FIRST_WORD, first).await {
            Ok(Ok(read)) if read > 0 => Ok(guest),
            _ => Err(guest.silent().await),
        }
    }

    /// Ends it at once.
    pub(super) fn kill(&mut self) {
        if self.end().is_none() {
            self.state.is_killed = true;
        }
        self.running.end();
    }

    /// Whether it was not killed, and has not ended as far as is known.
    pub(super) fn is_running(&mut self) -> bool {
        !self.state.is_killed && self.end().is_none()
    }

    /// How it ended, if it did.
    pub(super) fn end(&mut self) -> Option<&End> {
        if self.state.end.is_none() && !self.state.is_killed {
            self.state.end = match self.end.try_recv() {
                Ok(end) => Some(end),
                Err(oneshot::error::TryRecvError::Empty) => None,
                Err(oneshot::error::TryRecvError::Closed) => Some(End::default()),
            };
        }
        self.state.end.as_ref()
    }

    /// Why it ended, if it did.
    pub(super) fn ended(&mut self) -> Option<Ended> {
        if self.state.is_killed {
            return Some(Ended::Killed);
        }
        let ended = self.end()?.why();
        let is_starved = || self.meter.as_ref().is_some_and(Meter::is_starved);
        Some(match ended {
            Ended::Crashed { .. } if is_starved() => Ended::OutOfMemory,
            ended => ended,
        })
    }

    /// What it uses now, where that can be seen.
    pub(super) fn measure(&self) -> Option<GuestMeasure> {
        self.meter.as_ref().map(Meter::look)
    }

    /// The error of a guest that does not speak.
    async fn silent(mut self) -> Error {
        let error = unavailable("the guest in the container does not speak")
            .with_hint("it must be the guest of the same version");
        let end = tokio::time::timeout(GRACE, &mut self.end).await;
        match end {
            Ok(Ok(end)) => error.with_source(end),
            _ => error,
        }
    }

    /// The end of the stream, when both the stream and the guest are at their end, or one of them
    /// was for a while.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.state.end.is_none()
            && let Poll::Ready(end) = self.end.poll_unpin(cx)
        {
            self.state.end = Some(end.unwrap_or_default());
        }
        match (&self.state.end, self.state.is_silent) {
            (Some(_), true) => return Poll::Ready(Ok(())),
            (None, false) => return Poll::Pending,
            _ => {}
        }
        let grace = self
            .state
            .grace
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(GRACE)));
        grace.as_mut().poll(cx).map(Ok)
    }
}

impl AsyncRead for Contained {
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
        if self.state.is_killed {
            return Poll::Ready(Ok(()));
        }
        if !self.state.is_silent {
            let before = buffer.filled().len();
            match Pin::new(&mut self.output).poll_read(cx, buffer) {
                Poll::Ready(Ok(())) if buffer.filled().len() > before => {
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(_) => self.state.is_silent = true,
                Poll::Pending => {}
            }
        }
        self.poll_end(cx)
    }
}

impl AsyncWrite for Contained {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.state.is_killed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        Pin::new(&mut self.input).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.input).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.input).poll_shutdown(cx)
    }
}
