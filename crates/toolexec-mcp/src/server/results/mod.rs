//! Results that are too large for a model: kept for their caller, answered as a handle, and read
//! in parts.

mod disk;
mod fit;
mod jq;
mod read;
mod store;
mod worker;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use toolexec_core::results::ResultStore;

pub use jq::JqProgram;
pub(super) use read::Read;
pub use store::KeptResults;
pub use worker::jq_worker;

/// What is kept of large results, and for how long.
#[derive(Debug, Clone)]
pub struct ResultOptions {
    /// The most characters of a value that are sent as they are.
    pub max_inline: usize,
    /// The most bytes kept in memory; more goes to disk.
    pub memory: usize,
    /// The most bytes kept on disk.
    pub disk: usize,
    /// The most bytes kept for one caller; its oldest results go first.
    pub per_caller: usize,
    /// How long a result is kept.
    pub lifetime: Duration,
    /// Where the files are; the system's directory for temporary files when absent.
    pub directory: Option<PathBuf>,
    /// The program that applies jq filters; without one, results are read in slices only.
    pub jq: Option<JqProgram>,
}

/// Keeps large results, and reads them.
#[derive(Debug, Clone)]
pub(super) struct Results {
    store: Arc<KeptResults>,
    max_inline: usize,
    lifetime: Duration,
    jq: Option<JqProgram>,
}

impl Default for ResultOptions {
    fn default() -> Self {
        Self {
            max_inline: 25_000,
            memory: 64 << 20,
            disk: 1 << 30,
            per_caller: 256 << 20,
            lifetime: Duration::from_hours(1),
            directory: None,
            jq: None,
        }
    }
}

impl Results {
    pub(super) fn new(options: ResultOptions) -> Self {
        Self {
            max_inline: options.max_inline,
            lifetime: options.lifetime,
            jq: options.jq.clone(),
            store: Arc::new(KeptResults::new(options)),
        }
    }

    /// Where results are kept.
    pub(super) fn store(&self) -> Arc<dyn ResultStore> {
        self.store.clone()
    }

    /// Whether `read_result` takes filters.
    pub(super) fn has_jq(&self) -> bool {
        self.jq.is_some()
    }
}
