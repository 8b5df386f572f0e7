//! The memory of an engine: counted, and refused above a limit.

use std::cell::Cell;
use std::rc::Rc;

use rquickjs::allocator::{Allocator, RustAllocator};

/// Counts the memory of one engine.
#[derive(Debug, Default)]
pub(super) struct Meter {
    used: Cell<usize>,
    most: Cell<usize>,
    limit: Cell<Option<usize>>,
    refused: Cell<bool>,
}

impl Meter {
    /// Sets how much may be used from now on.
    pub(super) fn set_limit(&self, limit: Option<usize>) {
        self.limit.set(limit);
        self.refused.set(false);
    }

    /// Whether something was refused: the program has to end, whatever it catches.
    pub(super) fn refused(&self) -> bool {
        self.refused.get()
    }

    /// The most that was used at once, in bytes.
    pub(super) fn most(&self) -> usize {
        self.most.get()
    }

    /// The limit, in bytes.
    pub(super) fn limit(&self) -> Option<usize> {
        self.limit.get()
    }

    fn take(&self, size: usize) -> bool {
        let used = self.used.get().saturating_add(size);
        if self.limit.get().is_some_and(|limit| used > limit) {
            self.refused.set(true);
            return false;
        }
        self.used.set(used);
        self.most.set(self.most.get().max(used));
        true
    }

    fn give_back(&self, size: usize) {
        self.used.set(self.used.get().saturating_sub(size));
    }
}

/// The allocator of one engine: Rust's own, with a meter.
pub(super) struct Metered(pub(super) Rc<Meter>);

#[expect(unsafe_code, reason = "an allocator hands out raw memory")]
// SAFETY: all memory comes from and goes back to `RustAllocator`, which keeps the contract; the
// meter only refuses, by a null pointer, before it is asked.
unsafe impl Allocator for Metered {
    fn alloc(&mut self, size: usize) -> *mut u8 {
        if !self.0.take(size) {
            return std::ptr::null_mut();
        }
        self.counted(RustAllocator.alloc(size), size)
    }

    fn calloc(&mut self, count: usize, size: usize) -> *mut u8 {
        // What `RustAllocator` would panic on is refused here.
        let Some(total) = count.checked_mul(size) else {
            return std::ptr::null_mut();
        };
        if !self.0.take(total) {
            return std::ptr::null_mut();
        }
        self.counted(RustAllocator.calloc(count, size), total)
    }

    unsafe fn dealloc(&mut self, ptr: *mut u8) {
        // SAFETY: the caller hands over a pointer of this allocator, so of `RustAllocator`.
        unsafe {
            self.0.give_back(RustAllocator::usable_size(ptr));
            RustAllocator.dealloc(ptr);
        }
    }

    unsafe fn realloc(&mut self, ptr: *mut u8, new_size: usize) -> *mut u8 {
        // SAFETY: as for `dealloc`.
        let old = unsafe { RustAllocator::usable_size(ptr) };
        if new_size > old && !self.0.take(new_size - old) {
            return std::ptr::null_mut();
        }
        // SAFETY: as for `dealloc`.
        let moved = unsafe { RustAllocator.realloc(ptr, new_size) };
        if moved.is_null() {
            self.0.give_back(new_size.saturating_sub(old));
            return moved;
        }
        // SAFETY: `moved` is memory of `RustAllocator`.
        let new = unsafe { RustAllocator::usable_size(moved) };
        self.adjust(new, new_size.max(old));
        moved
    }

    unsafe fn usable_size(ptr: *mut u8) -> usize {
        // SAFETY: as for `dealloc`.
        unsafe { RustAllocator::usable_size(ptr) }
    }
}

impl Metered {
    /// Counts what is really there instead of what was asked for.
    fn counted(&self, ptr: *mut u8, asked: usize) -> *mut u8 {
        if ptr.is_null() {
            self.0.give_back(asked);
            return ptr;
        }
        // SAFETY: not null, so memory of `RustAllocator`.
        #[expect(unsafe_code, reason = "the size stands before the memory")]
        let real = unsafe { RustAllocator::usable_size(ptr) };
        self.adjust(real, asked);
        ptr
    }

    fn adjust(&self, real: usize, counted: usize) {
        let used = self.0.used.get().saturating_sub(counted) + real;
        self.0.used.set(used);
        self.0.most.set(self.0.most.get().max(used));
    }
}
