//! A guest in a machine.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use toolexec_core::sandbox::{Ended, Enforcement, Guest, GuestMeasure, Limits};

use super::launch::{Launcher, Machine};
use crate::cgroup::Group;
use crate::container::Kind;
use crate::pool::Pool;
use crate::usage;

/// How often the host looks at what the machine uses.
const SAMPLE: Duration = Duration::from_millis(20);

/// A guest in a machine.
pub(super) struct MachineGuest {
    machine: Machine,
    /// Nothing more comes from it.
    is_mute: bool,
    kind: Kind,
    enforcement: Enforcement,
    limits: Limits,
    // What the machine itself needs is not the program's.
    base: GuestMeasure,
    peak: GuestMeasure,
    pool: Pool<Launcher>,
}

impl MachineGuest {
    pub(super) fn new(
        machine: Machine,
        kind: Kind,
        enforcement: Enforcement,
        limits: Limits,
        pool: &Pool<Launcher>,
    ) -> Self {
        Self {
            base: usage::measure(machine.vmm.pid()),
            machine,
            is_mute: false,
            kind,
            enforcement,
            limits,
            peak: GuestMeasure::default(),
            pool: pool.clone(),
        }
    }

    fn look(&mut self) {
        let now = usage::measure(self.machine.vmm.pid());
        self.peak = usage::peak(self.peak, now, self.base);
    }
}

impl Drop for MachineGuest {
    fn drop(&mut self) {
        self.pool.refill(&self.kind);
    }
}

impl Guest for MachineGuest {
    fn kill(&mut self) {
        self.machine.vmm.kill();
    }

    fn ended(&mut self) -> Option<Ended> {
        let ended = self.machine.vmm.ended(self.is_mute)?;
        let is_starved = || self.machine.group.as_ref().is_some_and(Group::is_starved);
        Some(match ended {
            Ended::Crashed { .. } if is_starved() => Ended::OutOfMemory,
            ended => ended,
        })
    }

    fn usage(&mut self) -> GuestMeasure {
        if self.machine.vmm.is_running() {
            self.look();
        }
        self.peak
    }

    fn sample_every(&self) -> Option<Duration> {
        self.limits.cpu_time.map(|_| SAMPLE)
    }

    fn enforcement(&self) -> Enforcement {
        self.enforcement.clone()
    }
}

impl AsyncRead for MachineGuest {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.machine.stream).poll_read(cx, buffer);
        match read {
            Poll::Ready(Ok(())) => {
                self.is_mute = buffer.filled().len() == before && buffer.remaining() > 0;
                Poll::Ready(Ok(()))
            }
            // Firecracker hung up with something unread on its side: the end, to us.
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::ConnectionReset => {
                self.is_mute = true;
                Poll::Ready(Ok(()))
            }
            other => other,
        }
    }
}

impl AsyncWrite for MachineGuest {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.machine.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.machine.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.machine.stream).poll_shutdown(cx)
    }
}
