//! Copies of a guest that rests between two programs: all that it knows is in its memory then.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use wasmtime::{Memory, Result, Store, bail};

use super::instance::State;

/// A page of a guest's memory.
const PAGE: usize = 64 << 10;
/// What is compared at once: what is the same is not written, so that it stays shared.
const PIECE: usize = 4096;

/// The memory of a guest that rests.
pub(super) struct Copy {
    memory: Vec<u8>,
    /// When its clock began.
    pub(super) started: Instant,
}

/// Whether a guest rests, and whether somebody wants a copy of it. Clones are the same.
#[derive(Clone, Default)]
pub(super) struct Rest(Arc<Mutex<Wish>>);

#[derive(Default)]
struct Wish {
    is_wanted: bool,
    rests: bool,
    copy: Option<Copy>,
}

impl Rest {
    /// Asks for a copy; it is made when the guest is polled next while it rests.
    pub(super) fn want(&self) {
        self.lock().is_wanted = true;
    }

    /// The copy, once it was made.
    pub(super) fn take(&self) -> Option<Copy> {
        self.lock().copy.take()
    }

    /// Whether the guest rests.
    pub(super) fn is_reached(&self) -> bool {
        self.lock().rests
    }

    fn lock(&self) -> MutexGuard<'_, Wish> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Rests until the host sends something or hangs up.
pub(super) async fn rest(store: &mut Store<State>, memory: Memory) {
    let (rest, pipe) = (store.data().rest.clone(), store.data().pipe.clone());
    rest.lock().rests = true;
    poll_fn(|cx| {
        let mut wish = rest.lock();
        if std::mem::take(&mut wish.is_wanted) {
            wish.copy = Some(Copy {
                memory: memory.data(&*store).to_vec(),
                started: store.data().started,
            });
        }
        pipe.poll_ready(cx)
    })
    .await;
    rest.lock().rests = false;
}

/// Puts a copy into the memory of an instance that has run nothing.
pub(super) fn restore(store: &mut Store<State>, memory: Memory, copy: &Copy) -> Result<()> {
    let size = memory.data_size(&*store);
    let Some(more) = copy.memory.len().checked_sub(size) else {
        bail!("the copy is smaller than a fresh guest");
    };
    memory.grow(&mut *store, (more / PAGE) as u64)?;
    let pieces = memory.data_mut(store).chunks_mut(PIECE);
    for (fresh, kept) in pieces.zip(copy.memory.chunks(PIECE)) {
        if fresh != kept {
            fresh.copy_from_slice(kept);
        }
    }
    Ok(())
}
