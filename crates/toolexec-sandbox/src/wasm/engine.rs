//! The engine: its settings, its pool, and the clock that interrupts guests.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
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
/// The stack of a guest.
const WASM_STACK: usize = 2 << 20;
/// The stack on which a guest and what it imports run.
const FIBER_STACK: usize = WASM_STACK + (512 << 10);
/// Memory of a slot that is kept and cleaned by hand, not given back to the system.
const KEEP_RESIDENT: usize = 8 << 20;

/// The engine and its clock. Cheap to clone.
#[derive(Clone)]
pub(super) struct Machine {
    pub(super) engine: Engine,
    clock: Arc<Clock>,
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
        let engine = Engine::new(&config(Some(slots))).or_else(|_| Engine::new(&config(None)))?;
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
        Ok(Self { engine, clock })
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
