//! The memory of a program: counted by the allocator of the process, for the engine's own limit.
//!
//! The engine ends a program that holds more than its limit at the next of its checks. What it
//! allocates between two of them has a hard limit further up, past which the allocator ends the
//! process with status 65.

use std::sync::atomic::{AtomicUsize, Ordering};

use monty_alloc::LimitedAllocator;
use monty_types::{BASELINE_MEMORY, LIVE_MEMORY};

#[global_allocator]
static ALLOCATOR: LimitedAllocator = LimitedAllocator;

/// How far above the limit the process goes before it is ended.
const HEADROOM: usize = 64 << 20;
static MOST: AtomicUsize = AtomicUsize::new(0);

/// Counts from here on, until it is dropped.
pub(super) fn count(limit: Option<u64>) -> Counted {
    MOST.store(0, Ordering::Relaxed);
    let hard = limit.map(|bytes| {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        bytes.saturating_add(HEADROOM)
    });
    // It fails where the allocator is another one; the limit is then only the sandbox's.
    let _ = monty_alloc::set_hard_limit(hard);
    Counted
}

/// While it lives the hard limit holds.
pub(super) struct Counted;

impl Drop for Counted {
    fn drop(&mut self) {
        sample();
        let _ = monty_alloc::set_hard_limit(None);
    }
}

/// Takes note of what is held now.
pub(super) fn sample() {
    let live = LIVE_MEMORY.load(Ordering::Relaxed);
    let base = BASELINE_MEMORY.load(Ordering::Relaxed);
    MOST.fetch_max(live.saturating_sub(base), Ordering::Relaxed);
}

/// The most that was held when it was looked at.
pub(super) fn most() -> Option<u64> {
    match MOST.load(Ordering::Relaxed) {
        0 => None,
        most => u64::try_from(most).ok(),
    }
}
