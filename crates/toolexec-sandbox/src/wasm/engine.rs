//! The engine: its settings, its pool, and the clock that interrupts guests.

use std::collections::HashMap;
use std::hint::black_box;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use wasmtime::{
    Config, Enabled, Engine, EngineWeak, InstanceAllocationStrategy, PoolingAllocationConfig,
    Result,
};

/// How long a guest may run before it lets others run.
const TICK: Duration = Duration::from_millis(1);
/// After this many ticks in which no guest ran the clock stops.
const IDLE: u32 = 50;
/// The stack of a guest: engines look after a part of their own, and end before this one does.
const WASM_STACK: usize = 4 << 20;
/// The stack on which a guest and what it imports run.
const FIBER_STACK: usize = WASM_STACK + (512 << 10);
/// The stack of a user's module: what its compiler puts into its memory is not on it.
const USER_STACK: usize = 1 << 20;
/// How many calls of a trap are told.
const MAX_FRAMES: usize = 16;
/// Memory of a slot that is kept and cleaned by hand, not given back to the system.
const KEEP_RESIDENT: usize = 8 << 20;
/// No page is smaller.
const PAGE: usize = 4096;

/// The engine and its clock. Cheap to clone.
#[derive(Clone)]
pub(super) struct Machine {
    pub(super) engine: Engine,
    clock: Arc<Clock>,
    // The memories of the pool whose pages are all mapped, by address, and for which module.
    mapped: Option<Arc<Mutex<HashMap<usize, usize>>>>,
}

/// What the clock's thread and the guests share.
struct Clock {
    // Grows whenever a guest begins to run.
    turns: AtomicU64,
    stopped: AtomicBool,
    thread: thread::Thread,
}

impl Machine {
    /// An engine with room for `slots` instances.
    pub(super) fn new(slots: u32) -> Result<Self> {
        // Where the pool's address space is not to be had, instances are made one by one.
        match Engine::new(&config(Some(slots))) {
            Ok(engine) => Self::with(engine, Some(Arc::default())),
            Err(_) => Self::with(Engine::new(&config(None))?, None),
        }
    }

    /// An engine for modules that users hand in: they differ too much for a pool.
    pub(super) fn for_users() -> Result<Self> {
        Self::with(Engine::new(&user_config())?, None)
    }

    fn with(engine: Engine, mapped: Option<Arc<Mutex<HashMap<usize, usize>>>>) -> Result<Self> {
        let (sender, receiver) = std::sync::mpsc::channel::<Arc<Clock>>();
        let weak = engine.weak();
        let thread = thread::Builder::new()
            .name("toolexec-wasm-clock".to_owned())
            .spawn(move || {
                if let Ok(clock) = receiver.recv() {
                    tick(&weak, &clock);
                }
            })?;
        let clock = Arc::new(Clock {
            turns: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
            thread: thread.thread().clone(),
        });
        // The thread waits for it, or is gone, which the next line would not mend.
        let _ = sender.send(clock.clone());
        Ok(Self {
            engine,
            clock,
            mapped,
        })
    }

    /// Maps all pages of the memory of a module, unless an instance before it had them mapped.
    ///
    /// The pool cleans what was written when an instance is gone. Linux counts a page that was
    /// never looked at as written, so all of these would be copied, each time; one look is enough
    /// to tell them apart.
    pub(super) fn map(&self, memory: &[u8], module: usize) {
        let Some(mut mapped) = self.mapped() else {
            return;
        };
        let known = mapped.insert(memory.as_ptr().addr(), module);
        drop(mapped);
        if known != Some(module) {
            for byte in memory.iter().step_by(PAGE) {
                black_box(*byte);
            }
        }
    }

    /// A memory has grown: more than is kept may be given back when it is cleaned.
    pub(super) fn forget(&self, memory: usize) {
        if let Some(mut mapped) = self.mapped() {
            mapped.remove(&memory);
        }
    }

    fn mapped(&self) -> Option<MutexGuard<'_, HashMap<usize, usize>>> {
        let mapped = self.mapped.as_ref()?;
        Some(mapped.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A guest begins to run: the clock must go.
    pub(super) fn turn(&self) {
        self.clock.turns.fetch_add(1, Ordering::SeqCst);
        if self.clock.stopped.load(Ordering::SeqCst) {
            self.clock.stopped.store(false, Ordering::SeqCst);
            self.clock.thread.unpark();
        }
    }
}

fn tick(engine: &EngineWeak, clock: &Clock) {
    let (mut seen, mut idle) = (0, 0);
    loop {
        thread::sleep(TICK);
        let Some(engine) = engine.upgrade() else {
            return;
        };
        engine.increment_epoch();
        drop(engine);
        let turns = clock.turns.load(Ordering::SeqCst);
        idle = if turns == seen { idle + 1 } else { 0 };
        seen = turns;
        if idle > IDLE {
            clock.stopped.store(true, Ordering::SeqCst);
            // A turn that began before it was stopped is seen here; a later one unparks.
            if clock.turns.load(Ordering::SeqCst) == seen {
                thread::park_timeout(Duration::from_secs(1));
            }
            clock.stopped.store(false, Ordering::SeqCst);
            idle = 0;
        }
    }
}

fn config(slots: Option<u32>) -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .memory_init_cow(true)
        .memory_guaranteed_dense_image_size(64 << 20)
        .max_wasm_stack(WASM_STACK)
        .async_stack_size(FIBER_STACK)
        .wasm_backtrace_max_frames(None);
    if let Some(slots) = slots {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_core_instances(slots)
            .total_memories(slots)
            .total_tables(slots)
            .total_stacks(slots)
            .table_elements(100_000)
            .linear_memory_keep_resident(KEEP_RESIDENT)
            .table_keep_resident(1 << 20)
            .async_stack_keep_resident(64 << 10)
            .pagemap_scan(Enabled::Auto);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    config
}

/// What users' modules may be made of: WebAssembly 2.0 and what compilers emit by default beside
/// it. Memory of 64 bits and threads are refused.
fn user_config() -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .max_wasm_stack(USER_STACK)
        .async_stack_size(USER_STACK + (256 << 10))
        .wasm_backtrace_max_frames(NonZeroUsize::new(MAX_FRAMES))
        // One module, however large, takes one processor while it is compiled.
        .parallel_compilation(false)
        .wasm_memory64(false);
    config
}
