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
use crate::vm::how_ended;

/// How often the host looks at what the machine uses.
const SAMPLE: Duration = Duration::from_millis(20);
/// After how many bytes it is looked whether the guest still takes them.
const LOOK_EVERY: usize = 256 << 10;

/// A guest in a machine.
pub(super) struct MachineGuest {
    machine: Machine,
    kind: Kind,
    enforcement: Enforcement,
    limits: Limits,
    // What the machine itself needs is not the program's.
    base: GuestMeasure,
    peak: GuestMeasure,
    /// How many bytes were written since it was looked whether the guest still takes them.
    unlooked: usize,
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
            base: usage::measure_own(machine.piped.pid()),
            machine,
            kind,
            enforcement,
            limits,
            peak: GuestMeasure::default(),
            unlooked: 0,
            pool: pool.clone(),
        }
    }

    fn look(&mut self) {
        let now = usage::measure_own(self.machine.piped.pid());
        self.peak = usage::peak(self.peak, now, self.base);
    }

    /// How the guest ended, where QEMU only says that its machine was switched off.
    fn explain(&self, ended: Ended) -> Ended {
        if matches!(ended, Ended::Killed) {
            return ended;
        }
        if self.machine.group.as_ref().is_some_and(Group::is_starved) {
            return Ended::OutOfMemory;
        }
        let console = self.machine.piped.stderr();
        match how_ended(&console) {
            Some(how) => how,
            None if ended == Ended::Exited => Ended::Crashed {
                how: "the kernel of its machine ended".to_owned(),
            },
            None => ended,
        }
    }
}

impl Drop for MachineGuest {
    fn drop(&mut self) {
        self.pool.refill(&self.kind);
    }
}

impl Guest for MachineGuest {
    fn kill(&mut self) {
        self.machine.piped.kill();
    }

    fn ended(&mut self) -> Option<Ended> {
        let ended = self.machine.piped.ended()?;
        Some(self.explain(ended))
    }

    fn usage(&mut self) -> GuestMeasure {
        if self.machine.piped.is_running() {
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
        Pin::new(&mut self.machine.piped).poll_read(cx, buffer)
    }
}

impl AsyncWrite for MachineGuest {
    /// The port of a machine takes some MiB, also for a guest that has ended, until the machine is
    /// off: what the first process said of that is looked for every now and then.
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.unlooked >= LOOK_EVERY {
            self.unlooked = 0;
            if how_ended(&self.machine.piped.stderr()).is_some() {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
        }
        let written = Pin::new(&mut self.machine.piped).poll_write(cx, bytes);
        if let Poll::Ready(Ok(written)) = written {
            self.unlooked += written;
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.machine.piped).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.machine.piped).poll_shutdown(cx)
    }
}
