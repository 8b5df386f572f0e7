//! The sources of an executor: loaded when first needed, kept up to date after.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use toolexec_core::error::ErrorReport;
use toolexec_core::index::Index;
use toolexec_core::run::Loader;
use toolexec_core::{BackendRef, Error, Listing, Source};

/// The sources of an executor.
pub(crate) struct Sources {
    slots: Vec<Arc<Slot>>,
    // How many are not loaded: the common case of none costs one load.
    pending: AtomicUsize,
    index: Index,
    // Ends the tasks that watch for changes.
    stop: CancellationToken,
}

struct Slot {
    source: Arc<dyn Source>,
    // Held while the source is being loaded, so that callers share one attempt.
    loading: tokio::sync::Mutex<()>,
    status: Mutex<Status>,
}

#[derive(Clone, Default)]
struct Status {
    state: State,
    tools: usize,
    notices: Vec<String>,
    error: Option<Arc<Error>>,
    took: Duration,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Pending,
    Loaded,
    Failed,
}

/// What is known of a source.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct SourceStatus {
    /// The backend its tools run on.
    pub backend: BackendRef,
    /// The namespace its tools get.
    pub namespace: String,
    /// Whether its tools are in the index.
    pub loaded: bool,
    /// How many tools it offers.
    pub tools: usize,
    /// What a person should know: tools left out, names changed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<String>,
    /// Why it could not be loaded the last time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorReport>,
    /// How long the last attempt to load it took, in milliseconds.
    pub load_ms: f64,
}

impl Sources {
    pub(crate) fn new(index: Index, sources: Vec<Arc<dyn Source>>) -> Self {
        let slots: Vec<Arc<Slot>> = sources
            .into_iter()
            .map(|source| Arc::new(Slot::new(source)))
            .collect();
        Self {
            pending: AtomicUsize::new(slots.len()),
            slots,
            index,
            stop: CancellationToken::new(),
        }
    }

    pub(crate) fn statuses(&self) -> Vec<SourceStatus> {
        self.slots.iter().map(|slot| slot.report()).collect()
    }

    pub(crate) async fn shutdown(&self) {
        self.stop.cancel();
        join_all(self.slots.iter().map(|slot| slot.source.shutdown())).await;
    }

    async fn load_slot(&self, slot: &Arc<Slot>) {
        let _turn = slot.loading.lock().await;
        if slot.status().state == State::Loaded {
            return;
        }
        let started = Instant::now();
        let outcome = slot.source.clone().list().await;
        let took = started.elapsed();
        match outcome {
            Ok(listing) => {
                slot.accept(&self.index, listing, took);
                self.pending.fetch_sub(1, Ordering::Release);
                tokio::spawn(watch(slot.clone(), self.index.clone(), self.stop.clone()));
            }
            Err(error) => {
                tracing::warn!(backend = %slot.source.backend_ref(), %error, "source not loaded");
                slot.reject(error, took);
            }
        }
    }

    /// The error of a namespace whose sources all failed.
    fn check(&self, namespace: &str) -> Result<(), Error> {
        let of_it = || {
            self.slots
                .iter()
                .filter(|slot| slot.source.namespace() == namespace)
        };
        if of_it().any(|slot| slot.status().state == State::Loaded) {
            return Ok(());
        }
        match of_it().find_map(|slot| slot.status().error) {
            Some(error) => Err(again(error)),
            None => Ok(()),
        }
    }
}

impl Loader for Sources {
    /// Loads the sources of the tool's namespace; a name without a namespace may be a tool of
    /// any source.
    fn load<'a>(&'a self, tool: &'a str) -> BoxFuture<'a, Result<(), Error>> {
        async move {
            if self.pending.load(Ordering::Acquire) == 0 {
                return Ok(());
            }
            let Some((namespace, _)) = tool.split_once(':') else {
                self.load_all().await;
                return Ok(());
            };
            let of_it = |slot: &&Arc<Slot>| slot.source.namespace() == namespace;
            join_all(
                self.slots
                    .iter()
                    .filter(of_it)
                    .map(|slot| self.load_slot(slot)),
            )
            .await;
            self.check(namespace)
        }
        .boxed()
    }

    fn load_all(&self) -> BoxFuture<'_, ()> {
        async move {
            if self.pending.load(Ordering::Acquire) > 0 {
                join_all(self.slots.iter().map(|slot| self.load_slot(slot))).await;
            }
        }
        .boxed()
    }

    fn unavailable(&self) -> Vec<String> {
        let failed = self.slots.iter().filter_map(|slot| {
            let error = slot.status().error?;
            let backend = slot.source.backend_ref();
            let why = error.guest_message();
            Some(format!("the tools of {backend} are not there: {why}"))
        });
        failed.collect()
    }
}

impl Drop for Sources {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Lists a source anew whenever it says that its tools changed.
async fn watch(slot: Arc<Slot>, index: Index, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = slot.source.changed() => {}
        }
        let started = Instant::now();
        let outcome = tokio::select! {
            () = stop.cancelled() => return,
            outcome = slot.source.clone().list() => outcome,
        };
        match outcome {
            Ok(listing) => slot.accept(&index, listing, started.elapsed()),
            // What was listed before still stands; a call of it tells what is wrong.
            Err(error) => {
                tracing::warn!(backend = %slot.source.backend_ref(), %error, "tools not refreshed");
            }
        }
    }
}

impl Slot {
    fn new(source: Arc<dyn Source>) -> Self {
        Self {
            source,
            loading: tokio::sync::Mutex::default(),
            status: Mutex::default(),
        }
    }

    fn status(&self) -> Status {
        self.status
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set(&self, status: Status) {
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) = status;
    }

    fn accept(&self, index: &Index, listing: Listing, took: Duration) {
        let Listing { tools, notices } = listing;
        let count = tools.len();
        let report = index.sync(self.source.backend_ref(), tools);
        tracing::debug!(backend = %self.source.backend_ref(), ?report, "source loaded");
        self.set(Status {
            state: State::Loaded,
            tools: count,
            notices,
            error: None,
            took,
        });
    }

    fn reject(&self, error: Error, took: Duration) {
        let error = Some(Arc::new(error.on_backend(self.source.backend_ref())));
        self.set(Status {
            state: State::Failed,
            error,
            took,
            ..Status::default()
        });
    }

    fn report(&self) -> SourceStatus {
        let status = self.status();
        SourceStatus {
            backend: self.source.backend_ref().clone(),
            namespace: self.source.namespace().to_owned(),
            loaded: status.state == State::Loaded,
            tools: status.tools,
            notices: status.notices,
            error: status.error.map(|error| error.report()),
            load_ms: (status.took.as_secs_f64() * 1e6).round() / 1e3,
        }
    }
}

/// The same error once more, for one more caller.
fn again(error: Arc<Error>) -> Error {
    let mut copy = Error::new(error.kind(), error.guest_message())
        .with_retryable(error.is_retryable())
        .with_violations(error.violations().to_vec());
    if let Some(backend) = error.backend() {
        copy = copy.on_backend(backend);
    }
    if let Some(after) = error.retry_after() {
        copy = copy.with_retry_after(after);
    }
    for hint in error.hints() {
        copy = copy.with_hint(hint.clone());
    }
    copy.with_source(Shared(error))
}

/// An error that several callers get as their cause.
#[derive(Debug)]
struct Shared(Arc<Error>);

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Shared {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&*self.0)
    }
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.statuses()).finish()
    }
}
