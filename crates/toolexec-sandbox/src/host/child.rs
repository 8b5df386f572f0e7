//! A guest that is a child process.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::process::{ChildStdin, ChildStdout};
use toolexec_core::sandbox::{
    Ended, Enforcement, Enforcer, Guest, GuestMeasure, LimitName, Limits,
};
use toolexec_process::{Child, Exit};

use super::pool::{Pool, Started};
use super::usage;

/// How often the host looks at what the child uses.
const SAMPLE: Duration = Duration::from_millis(20);

/// A guest that is a child process.
pub(super) struct ChildGuest {
    // Dropped first: the group is killed before its pipes are closed.
    child: Option<Child>,
    pid: u32,
    input: ChildStdin,
    output: ChildStdout,
    said: Vec<u8>,
    watched: bool,
    base: u64,
    peak: GuestMeasure,
    ended: Option<Ended>,
    pool: Pool,
}

/// What is enforced: memory and CPU time by the host, which looks, and on Linux by the kernel.
pub(super) fn enforcement() -> Enforcement {
    let mut all = vec![
        (LimitName::Memory, Enforcer::Guest),
        (LimitName::Memory, Enforcer::Host),
        (LimitName::CpuTime, Enforcer::Host),
    ];
    if cfg!(target_os = "linux") {
        all.push((LimitName::Memory, Enforcer::Kernel));
        all.push((LimitName::CpuTime, Enforcer::Kernel));
    } else {
        all.retain(|(_, enforcer)| *enforcer == Enforcer::Guest);
    }
    all
}

impl ChildGuest {
    pub(super) fn new(started: Started, pool: Pool, limits: &Limits) -> Self {
        let pid = started.child.pid();
        usage::cap(pid, limits);
        let base = usage::measure(pid).memory.unwrap_or_default();
        Self {
            child: Some(started.child),
            pid,
            input: started.input,
            output: started.output,
            said: started.said,
            watched: limits.memory.is_some() || limits.cpu_time.is_some(),
            base,
            peak: GuestMeasure::default(),
            ended: None,
            pool,
        }
    }

    fn look(&mut self) {
        let now = usage::measure(self.pid);
        // What the engine itself needs is not the program's.
        let memory = now.memory.map(|memory| memory.saturating_sub(self.base));
        self.peak = GuestMeasure {
            cpu_time: self.peak.cpu_time.max(now.cpu_time),
            memory: self.peak.memory.max(memory),
        };
    }
}

impl Drop for ChildGuest {
    fn drop(&mut self) {
        self.pool.refill();
    }
}

impl Guest for ChildGuest {
    fn kill(&mut self) {
        if let Some(child) = self.child.take() {
            self.ended.get_or_insert(Ended::Killed);
            // The group is killed when the child is dropped.
            drop(child);
        }
    }

    fn ended(&mut self) -> Option<Ended> {
        if let (None, Some(child)) = (&self.ended, &mut self.child)
            && let Some(exit) = child.wait().now_or_never()
        {
            let how = exit.map_or(Ended::Exited, |exit| why(exit, child));
            self.ended = Some(how);
        }
        self.ended.clone()
    }

    fn usage(&mut self) -> GuestMeasure {
        if self.child.is_some() && self.ended.is_none() {
            self.look();
        }
        self.peak
    }

    fn sample_every(&self) -> Option<Duration> {
        self.watched.then_some(SAMPLE)
    }

    fn enforcement(&self) -> Enforcement {
        enforcement()
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

/// The status with which a guest ends that is out of memory.
const OUT_OF_MEMORY: i32 = 65;
const SIGXCPU: i32 = 24;

impl AsyncRead for ChildGuest {
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

impl AsyncWrite for ChildGuest {
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
