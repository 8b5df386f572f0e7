//! Machines that were saved when their guest was ready, and are restored for each program.
//!
//! The memory of a saved machine is a file in memory that nobody can write to any more; a restored
//! machine has a view of its own of it, in which it changes what it likes. So restoring one copies
//! nothing. What is kept on disk is read once in a process, and held against its hashes.

mod pages;
mod shelf;

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;
use toolexec_core::error::ErrorReport;
use toolexec_core::{Error, Result};

pub(super) use pages::memory;
pub(super) use shelf::Shelf;

/// How many are held in memory.
const MOST_HELD: usize = 4;
/// How long QEMU may take to its end, after which nobody can write to the memory of its machine.
const ENDING: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_millis(2);

/// What a saved machine is: one of anything else is another machine, and never restored.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Identity {
    /// The hash of its kernel.
    pub(super) kernel: String,
    /// The hash of the file system it started with: the first process, and the guest.
    pub(super) initrd: String,
    /// The version of QEMU.
    pub(super) qemu: String,
    /// The processor, where the machine has that one and no emulated one.
    pub(super) processor: String,
    /// What QEMU was told: devices, memory, the arguments of the kernel.
    pub(super) machine: String,
    /// Its disk, where it has one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) disk: String,
    /// What the guest was told.
    pub(super) guest: String,
}

/// A machine that was saved when its guest was ready.
#[derive(Debug)]
pub(super) struct Snapshot {
    ram: Arc<OwnedFd>,
    state: OwnedFd,
    /// What its guest had said by then.
    pub(super) said: Vec<u8>,
}

/// Those of a sandbox.
#[derive(Default)]
pub(super) struct Snapshots {
    held: Mutex<Vec<(Identity, Cell)>>,
    problem: Mutex<Option<ErrorReport>>,
}

type Cell = Arc<OnceCell<Option<Arc<Snapshot>>>>;

/// Why there is no snapshot.
pub(super) enum Unsaved {
    /// The machine itself does not start.
    Boot(Error),
    /// It starts, and cannot be saved.
    Save(Error),
}

impl Snapshots {
    /// The snapshot of a machine: one that is held, or kept on the shelf, or what `record` makes.
    /// Nothing where none can be made; the reason is told then.
    ///
    /// # Errors
    /// When the machine itself does not start.
    pub(super) async fn get<F>(
        &self,
        identity: &Identity,
        kept: Shelf,
        record: impl FnOnce() -> F,
    ) -> Result<Option<Arc<Snapshot>>>
    where
        F: Future<Output = std::result::Result<Snapshot, Unsaved>>,
    {
        let cell = self.cell(identity);
        let found = cell.get_or_try_init(|| async {
            let place = Arc::new(kept);
            let (on, wanted) = (place.clone(), identity.clone());
            match blocking(move || on.load(&wanted)).await {
                Ok(Some(snapshot)) => return Ok(Some(Arc::new(snapshot))),
                Ok(None) => {}
                Err(error) => self.tell(&error),
            }
            let snapshot = match record().await {
                Ok(snapshot) => Arc::new(snapshot),
                Err(Unsaved::Boot(error)) => return Err(error),
                Err(Unsaved::Save(error)) => {
                    self.tell(&error);
                    return Ok(None);
                }
            };
            let (kept, wanted) = (snapshot.clone(), identity.clone());
            // It serves this process all the same.
            if let Err(error) = blocking(move || place.keep(&wanted, &kept)).await {
                self.tell(&error);
            }
            Ok(Some(snapshot))
        });
        found.await.cloned()
    }

    /// Uses a snapshot no more that does not go on.
    pub(super) fn give_up(&self, identity: &Identity, error: &Error) {
        self.tell(error);
        let none: Cell = Arc::new(OnceCell::new_with(Some(None)));
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, cell)) = held.iter_mut().find(|(one, _)| one == identity) {
            *cell = none;
        }
    }

    /// Why the last machine that could not be restored was started from nothing.
    pub(super) fn problem(&self) -> Option<ErrorReport> {
        let problem = self.problem.lock();
        problem.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn tell(&self, error: &Error) {
        let report = error.report();
        tracing::warn!(
            hints = report.hints.join("; "),
            causes = report.causes.join(": "),
            "{}",
            report.message
        );
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = Some(report);
    }

    /// The place of a snapshot; the one that was not used for longest makes room.
    fn cell(&self, identity: &Identity) -> Cell {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let at = held.iter().position(|(one, _)| one == identity);
        let own = match at {
            Some(at) => held.remove(at),
            None => (identity.clone(), Cell::default()),
        };
        let cell = own.1.clone();
        held.push(own);
        if held.len() > MOST_HELD {
            held.remove(0);
        }
        cell
    }
}

impl Snapshot {
    /// What was saved, once QEMU has ended: nobody can change it then.
    pub(super) async fn seal(ram: File, state: File, said: Vec<u8>) -> io::Result<Self> {
        let until = tokio::time::Instant::now() + ENDING;
        while let Err(error) = pages::seal(&ram) {
            if tokio::time::Instant::now() > until {
                return Err(error);
            }
            tokio::time::sleep(AGAIN).await;
        }
        pages::seal(&state)?;
        Ok(Self {
            ram: Arc::new(ram.into()),
            state: state.into(),
            said,
        })
    }

    /// Its memory, which QEMU is to have.
    pub(super) fn ram(&self) -> Arc<OwnedFd> {
        self.ram.clone()
    }

    /// All else of it, which QEMU is to have and reads once.
    pub(super) fn state(&self) -> io::Result<Arc<OwnedFd>> {
        Ok(Arc::new(pages::reader(&self.state)?.into()))
    }
}

/// The number of a descriptor, which it has in QEMU too.
pub(super) fn number(descriptor: &OwnedFd) -> i32 {
    descriptor.as_raw_fd()
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| shelf::problem("reading it was interrupted").with_source(error))?
}
