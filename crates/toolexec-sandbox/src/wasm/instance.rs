//! A guest that runs: an instance, polled by whoever reads from it.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use nix::time::{ClockId, clock_gettime};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use toolexec_core::sandbox::{Ended, Enforcement, Guest, GuestMeasure, Limits, Session};
use toolexec_core::{Error, ErrorKind};
use wasmtime::{InstancePre, Memory, ResourceLimiter, Store, Trap, bail};

use super::ENFORCEMENT;
use super::copy::{Copy, Rest, rest, restore};
use super::engine::Machine;
use super::pipe::Pipe;

/// What `run` of a guest answers that is to be called again.
const GOES_ON: i32 = 2;

/// What belongs to one instance.
pub(super) struct State {
    pub(super) pipe: Pipe,
    pub(super) started: Instant,
    /// The memory of the guest, once it was looked for.
    pub(super) memory: Option<Memory>,
    pub(super) rest: Rest,
    limit: MemoryLimit,
}

/// What the instances of a guest are made of.
#[derive(Clone)]
pub(super) struct Mould {
    pub(super) machine: Machine,
    pub(super) module: InstancePre<State>,
    pub(super) limits: Limits,
    pub(super) slots: Arc<Semaphore>,
}

/// Keeps the memory of an instance within its limit and remembers how large it was.
struct MemoryLimit {
    most: usize,
    shared: Arc<Watched>,
    machine: Machine,
    // Where the memory is, once it is there.
    address: usize,
}

/// What is seen of the memory from outside.
#[derive(Debug, Default)]
pub(super) struct Watched {
    peak: AtomicUsize,
    refused: AtomicBool,
}

/// What runs: to its end, or until it is dropped.
type Life = Pin<Box<dyn Future<Output = wasmtime::Result<()>> + Send>>;

/// A guest that runs.
pub(super) struct Instance {
    run: Option<Life>,
    machine: Machine,
    pipe: Pipe,
    watched: Arc<Watched>,
    cpu_time: Duration,
    cpu_limit: Option<Duration>,
    ended: Option<Ended>,
    // What a copy of it is made of, where there can be one.
    mould: Option<(Mould, Rest)>,
    // Given back when the instance is gone.
    slot: Option<OwnedSemaphorePermit>,
}

impl Watched {
    /// So much is used now.
    pub(super) fn used(&self, bytes: usize) {
        self.peak.fetch_max(bytes, Ordering::Relaxed);
    }

    /// More was asked for than there may be.
    pub(super) fn refuse(&self) {
        self.refused.store(true, Ordering::Relaxed);
    }

    /// Whether more was asked for than there may be.
    pub(super) fn has_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    /// The most that was used at a time.
    pub(super) fn peak(&self) -> usize {
        self.peak.load(Ordering::Relaxed)
    }
}

impl Mould {
    /// An instance, in the state of another one where there is a copy of that.
    pub(super) fn start(
        &self,
        slot: OwnedSemaphorePermit,
        copy: Option<Copy>,
    ) -> toolexec_core::Result<Instance> {
        let (pipe, rest) = (Pipe::default(), Rest::default());
        let watched = Arc::new(Watched::default());
        let most = self.limits.memory.map_or(usize::MAX, |memory| {
            usize::try_from(memory).unwrap_or(usize::MAX)
        });
        let started = copy.as_ref().map(|copy| copy.started);
        let state = State {
            pipe: pipe.clone(),
            started: started.unwrap_or_else(Instant::now),
            memory: None,
            rest: rest.clone(),
            limit: MemoryLimit {
                most,
                shared: watched.clone(),
                machine: self.machine.clone(),
                address: 0,
            },
        };
        let mut store = Store::try_new(&self.machine.engine, state).map_err(|error| {
            Error::new(ErrorKind::SandboxUnavailable, "no instance can be made").with_source(error)
        })?;
        store.limiter(|state| &mut state.limit);
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        let run = run(store, self.module.clone(), copy);
        let mut instance = Instance::new(&self.machine, run, pipe, watched, &self.limits, slot);
        instance.mould = Some((self.clone(), rest));
        Ok(instance)
    }
}

impl Instance {
    /// Whatever runs at the other end of `pipe`.
    pub(super) fn new(
        machine: &Machine,
        run: impl Future<Output = wasmtime::Result<()>> + Send + 'static,
        pipe: Pipe,
        watched: Arc<Watched>,
        limits: &Limits,
        slot: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            run: Some(Box::pin(run)),
            machine: machine.clone(),
            pipe,
            watched,
            cpu_time: Duration::ZERO,
            cpu_limit: limits.cpu_time,
            ended: None,
            mould: None,
            slot: Some(slot),
        }
    }

    fn end(&mut self, why: Ended) {
        // The instance first: its slot is free only when it is gone.
        self.run = None;
        self.slot = None;
        self.ended.get_or_insert(why);
    }

    /// Lets the guest run until it waits or its turn is over.
    fn poll_run(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(run) = &mut self.run else {
            return Poll::Ready(());
        };
        self.machine.turn();
        let before = thread_time();
        let polled = run.as_mut().poll(cx);
        self.cpu_time += thread_time().saturating_sub(before);
        match polled {
            Poll::Ready(result) => {
                let why = self.why(result);
                self.end(why);
                Poll::Ready(())
            }
            Poll::Pending if self.cpu_limit.is_some_and(|limit| self.cpu_time > limit) => {
                self.end(Ended::OutOfCpu);
                Poll::Ready(())
            }
            Poll::Pending => Poll::Pending,
        }
    }

    /// A copy of the guest, once it rests. One that waits for something else never will.
    fn poll_copy(
        &mut self,
        rest: &Rest,
        cx: &mut Context<'_>,
    ) -> Poll<toolexec_core::Result<Copy>> {
        rest.want();
        if self.poll_run(cx).is_ready() {
            let message = "the guest ended before it could be copied";
            return Poll::Ready(Err(Error::new(ErrorKind::SandboxUnavailable, message)));
        }
        if let Some(copy) = rest.take() {
            return Poll::Ready(Ok(copy));
        }
        if self.pipe.guest_waits() {
            let message = "the guest is in the middle of something and cannot be copied";
            return Poll::Ready(Err(Error::new(ErrorKind::Unsupported, message)));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Lets a guest that was made of a copy come as far as the other one is.
    fn poll_restored(&mut self, cx: &mut Context<'_>) -> Poll<toolexec_core::Result<()>> {
        let ended = self.poll_run(cx).is_ready();
        let rests = self
            .mould
            .as_ref()
            .is_some_and(|(_, rest)| rest.is_reached());
        if rests {
            return Poll::Ready(Ok(()));
        }
        if ended {
            let message = "the copy of the guest cannot run";
            return Poll::Ready(Err(Error::new(ErrorKind::SandboxUnavailable, message)));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn why(&self, result: wasmtime::Result<()>) -> Ended {
        let Err(error) = result else {
            return Ended::Exited;
        };
        tracing::debug!(%error, "a guest ended");
        match error.downcast_ref::<Trap>() {
            Some(Trap::StackOverflow) => Ended::StackOverflow,
            // A guest whose memory may not grow ends itself.
            _ if self.watched.has_refused() => Ended::OutOfMemory,
            Some(trap) => Ended::Crashed {
                how: format!("trapped: {trap}"),
            },
            None => Ended::Crashed {
                how: "could not go on".to_owned(),
            },
        }
    }
}

/// The life of an instance: made, initialised where its image is not, and run to its end; or made
/// and put into the state of another.
async fn run(
    mut store: Store<State>,
    module: InstancePre<State>,
    copy: Option<Copy>,
) -> wasmtime::Result<()> {
    let instance = module.instantiate_async(&mut store).await?;
    let Some(memory) = instance.get_memory(&mut store, "memory") else {
        bail!("the guest exports no memory");
    };
    let (bytes, state) = memory.data_and_store_mut(&mut store);
    state.limit.address = bytes.as_ptr().addr();
    // Its compiled code stays where it is.
    let place = module.module().image_range().start.addr();
    state.limit.machine.map(bytes, place);
    if let Some(copy) = copy {
        restore(&mut store, memory, &copy)?;
        drop(copy);
        rest(&mut store, memory).await;
    } else {
        for start in ["_initialize", "init"] {
            if let Ok(function) = instance.get_typed_func::<(), ()>(&mut store, start) {
                function.call_async(&mut store, ()).await?;
            }
        }
    }
    let run = instance.get_typed_func::<(), i32>(&mut store, "run")?;
    loop {
        match run.call_async(&mut store, ()).await? {
            0 => return Ok(()),
            GOES_ON => rest(&mut store, memory).await,
            status => bail!("the guest gave up with status {status}"),
        }
    }
}

impl Guest for Instance {
    fn kill(&mut self) {
        self.end(Ended::Killed);
    }

    fn ended(&mut self) -> Option<Ended> {
        self.ended.clone()
    }

    fn usage(&mut self) -> GuestMeasure {
        GuestMeasure {
            cpu_time: Some(self.cpu_time),
            memory: Some(self.watched.peak() as u64),
        }
    }

    fn enforcement(&self) -> Enforcement {
        ENFORCEMENT.to_vec()
    }

    fn fork(&mut self) -> Option<BoxFuture<'_, toolexec_core::Result<Session>>> {
        let (mould, rest) = self.mould.clone()?;
        Some(Box::pin(async move {
            let slot = mould.slots.clone().try_acquire_owned().map_err(|_| {
                let message = "the sandbox has as many guests as it may have";
                Error::new(ErrorKind::LimitExceeded, message)
                    .with_hint("end another session or program first")
            })?;
            let copy = poll_fn(|cx| self.poll_copy(&rest, cx)).await?;
            let mut forked = mould.start(slot, Some(copy))?;
            // A copy has no fresh allowance.
            forked.cpu_time = self.cpu_time;
            poll_fn(|cx| forked.poll_restored(cx)).await?;
            Ok(Session::new(forked))
        }))
    }
}

impl AsyncRead for Instance {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buffer.remaining() == 0 || self.pipe.take(buffer) > 0 {
            return Poll::Ready(Ok(()));
        }
        let polled = self.poll_run(cx);
        if self.pipe.take(buffer) > 0 {
            // The guest may have yielded: whoever reads comes back, and it goes on then.
            return Poll::Ready(Ok(()));
        }
        polled.map(Ok)
    }
}

impl AsyncWrite for Instance {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.run.is_none() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        self.pipe.poll_send(cx, bytes).map(Ok)
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pipe.close();
        Poll::Ready(Ok(()))
    }
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(
        &mut self,
        _current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let allowed = desired <= self.most.min(maximum.unwrap_or(usize::MAX));
        if allowed {
            self.shared.used(desired);
            self.machine.forget(self.address);
        } else {
            self.shared.refuse();
        }
        Ok(allowed)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= maximum.unwrap_or(usize::MAX).min(100_000))
    }
}

/// The CPU time of this thread.
fn thread_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
        .map(Duration::from)
        .unwrap_or_default()
}
