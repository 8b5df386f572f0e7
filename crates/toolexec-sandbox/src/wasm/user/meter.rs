//! What a module may make this process hold: its memories, its tables, answers it has not read.

use std::sync::Arc;

use wasmtime::ResourceLimiter;

use super::stop::Stop;
use crate::wasm::instance::Watched;

/// What an element of a table takes.
const ELEMENT: usize = 16;
/// The most elements of one table.
const MAX_ELEMENTS: usize = 1 << 20;
/// The most instances, tables and memories of a component; a core module is one instance.
const MAX_PARTS: usize = 64;

/// Counts what a module makes this process hold, and keeps it within its limit.
pub(super) struct Meter {
    used: usize,
    most: usize,
    watched: Arc<Watched>,
}

impl Meter {
    pub(super) fn new(most: Option<u64>, watched: Arc<Watched>) -> Self {
        let most = most.map_or(usize::MAX, |most| {
            usize::try_from(most).unwrap_or(usize::MAX)
        });
        Self {
            used: 0,
            most,
            watched,
        }
    }

    /// Counts something that is kept for the module.
    pub(super) fn hold(&mut self, bytes: usize) -> wasmtime::Result<()> {
        if self.grow(0, bytes) {
            return Ok(());
        }
        Err(Stop::Memory.into())
    }

    /// It is gone again.
    pub(super) fn release(&mut self, bytes: usize) {
        self.used = self.used.saturating_sub(bytes);
    }

    /// Whether more was asked for than there may be.
    pub(super) fn has_refused(&self) -> bool {
        self.watched.has_refused()
    }

    /// The most that was held at a time.
    pub(super) fn peak(&self) -> usize {
        self.watched.peak()
    }

    fn grow(&mut self, current: usize, desired: usize) -> bool {
        let used = self.used.saturating_add(desired.saturating_sub(current));
        if used > self.most {
            self.watched.refuse();
            return false;
        }
        self.used = used;
        self.watched.used(used);
        true
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= maximum.unwrap_or(usize::MAX) && self.grow(current, desired))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > MAX_ELEMENTS {
            self.watched.refuse();
            return Ok(false);
        }
        let size = |elements: usize| elements.saturating_mul(ELEMENT);
        Ok(desired <= maximum.unwrap_or(usize::MAX) && self.grow(size(current), size(desired)))
    }

    fn instances(&self) -> usize {
        MAX_PARTS
    }

    fn tables(&self) -> usize {
        MAX_PARTS
    }

    fn memories(&self) -> usize {
        MAX_PARTS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_tables_and_answers_share_one_limit() {
        let watched = Arc::<Watched>::default();
        let mut meter = Meter::new(Some(100_000), watched.clone());
        assert!(meter.memory_growing(0, 60_000, None).unwrap());
        assert!(meter.table_growing(0, 1000, None).unwrap());
        assert!(meter.table_growing(1000, 2000, None).unwrap());
        meter.hold(8000).unwrap();
        assert!(!watched.has_refused());
        assert!(meter.hold(1).is_err());
        meter.release(8000);
        assert!(!meter.memory_growing(60_000, 68_001, None).unwrap());
        assert!(meter.memory_growing(60_000, 68_000, None).unwrap());
        assert!(watched.has_refused());
        assert_eq!(watched.peak(), 100_000);
    }

    #[test]
    fn a_module_keeps_to_its_own_maximum() {
        let watched = Arc::<Watched>::default();
        let mut meter = Meter::new(None, watched.clone());
        assert!(!meter.memory_growing(0, 11, Some(10)).unwrap());
        assert!(!meter.table_growing(0, 11, Some(10)).unwrap());
        assert!(!watched.has_refused());
        assert!(!meter.table_growing(0, MAX_ELEMENTS + 1, None).unwrap());
        assert!(watched.has_refused());
    }
}
