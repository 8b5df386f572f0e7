//! A guest that was started.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::enforced::Enforcement;
use crate::error::Result;

/// A guest that was started, at the other end of a byte stream.
///
/// An implementation must
///
/// 1. carry bytes both ways in order, unchanged, and wake the reader when some came;
/// 2. let a slow reader stop the guest, and a guest that does not read stop the writer:
///    what it buffers is bounded;
/// 3. read end of stream, not an error, once the guest has ended in whatever way, and say why in
///    [`ended`](Guest::ended);
/// 4. end the guest and everything it started, at once, when it is killed or dropped;
/// 5. never block the thread that polls it for longer than a few milliseconds, whatever the
///    guest computes;
/// 6. name in [`enforcement`](Guest::enforcement) only what it enforces for this guest.
pub trait Guest: AsyncRead + AsyncWrite + Send + Unpin {
    /// Ends the guest at once. Calling it again does nothing.
    fn kill(&mut self);

    /// Why the guest ended, as far as is known; `None` while it may still run.
    fn ended(&mut self) -> Option<Ended>;

    /// What the guest used so far, as seen from outside.
    fn usage(&mut self) -> GuestMeasure;

    /// How often the host must look at [`usage`](Guest::usage) to keep the guest within its
    /// memory and CPU time. `None`, the default, when the sandbox does that by itself.
    fn sample_every(&self) -> Option<Duration> {
        None
    }

    /// A compiler works in the guest, or has ended: what it uses is not the program's. Nothing by
    /// default, as a sandbox that counts all that a guest uses need not know.
    fn preparing(&mut self, _preparing: bool) {}

    /// Which limits this guest is kept within, and by whom.
    fn enforcement(&self) -> Enforcement;

    /// Makes another guest in the state of this one, which has ended a program and whose bytes
    /// were all read. Neither sees what becomes of the other. What this one used so far counts as
    /// used by the other too. `None`, the default, where the sandbox cannot do that.
    fn fork(&mut self) -> Option<BoxFuture<'_, Result<Session>>> {
        None
    }
}

/// A started guest. Dropping it ends the guest.
pub struct Session {
    guest: Box<dyn Guest>,
}

/// Why a guest ended. The text is fit for a model: no paths, no addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "why", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Ended {
    /// It ended by itself, in peace.
    Exited,
    /// We killed it.
    Killed,
    /// It needed more memory than it may have.
    OutOfMemory,
    /// It used more CPU time than it may have.
    OutOfCpu,
    /// It recursed deeper than its stack.
    StackOverflow,
    /// It broke.
    Crashed {
        /// How, such as `was ended by SIGSEGV`.
        how: String,
    },
}

/// What a guest used, as seen from outside. `None` where the sandbox cannot tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GuestMeasure {
    /// CPU time.
    pub cpu_time: Option<Duration>,
    /// The most memory, in bytes.
    pub memory: Option<u64>,
}

impl Session {
    /// A session with this guest.
    pub fn new(guest: impl Guest + 'static) -> Self {
        Self {
            guest: Box::new(guest),
        }
    }
}

impl Guest for Session {
    fn kill(&mut self) {
        self.guest.kill();
    }

    fn ended(&mut self) -> Option<Ended> {
        self.guest.ended()
    }

    fn usage(&mut self) -> GuestMeasure {
        self.guest.usage()
    }

    fn sample_every(&self) -> Option<Duration> {
        self.guest.sample_every()
    }

    fn preparing(&mut self, preparing: bool) {
        self.guest.preparing(preparing);
    }

    fn enforcement(&self) -> Enforcement {
        self.guest.enforcement()
    }

    fn fork(&mut self) -> Option<BoxFuture<'_, Result<Session>>> {
        self.guest.fork()
    }
}

impl AsyncRead for Session {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.guest).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Session {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.guest).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.guest).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.guest).poll_shutdown(cx)
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}
