//! Finding tools.

mod change;
mod entry;
mod nearest;
mod page;
mod query;
mod search;
mod store;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde::Serialize;
use tokio::sync::broadcast;

use crate::backend::BackendRef;
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::id::{ToolId, ToolKey, ToolRef};

pub use change::{Change, ChangeKind, SyncReport};
pub use entry::{Binding, Disabled, Entry, Registration, Schemas};
pub use page::{Cursor, DEFAULT_LIMIT, MAX_LIMIT, Page};
pub use query::{Field, Hit, ListQuery, Match, SearchQuery, ToolSummary};
use store::{Sight, Store};

/// How many change events a subscriber may be behind before it loses the oldest.
const CHANGE_BUFFER: usize = 1024;

/// The tools that are known, in memory. Cheap to clone; clones share the same tools.
///
/// Lookup, listing and search see every registration as soon as it returns. Locks are held for
/// memory operations only, never across a call.
#[derive(Clone)]
pub struct Index {
    shared: Arc<Shared>,
    sight: Sight,
}

struct Shared {
    store: RwLock<Store>,
    changes: broadcast::Sender<Change>,
}

/// One namespace and how many tools it has; versions of a tool count once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NamespaceInfo {
    /// The namespace; empty for tools without one.
    pub name: String,
    /// How many tools it has.
    pub tools: usize,
}

impl Default for Index {
    fn default() -> Self {
        Self::new()
    }
}

impl Index {
    /// An empty index.
    pub fn new() -> Self {
        let (changes, _) = broadcast::channel(CHANGE_BUFFER);
        Self {
            shared: Arc::new(Shared {
                store: RwLock::default(),
                changes,
            }),
            sight: None,
        }
    }

    /// The same tools for a reader who sees those entries only for which `sees` says so: what it
    /// finds, lists, searches and counts, and what errors name. Changes are announced in full.
    #[must_use]
    pub fn seen_by(&self, sees: impl Fn(&Entry) -> bool + Send + Sync + 'static) -> Self {
        Self {
            shared: self.shared.clone(),
            sight: Some(Arc::new(sees)),
        }
    }

    /// Adds a tool, or replaces it where the same backend registered the same id before. A second
    /// backend for the same id is added beside the first.
    pub fn register(&self, registration: Registration) -> ChangeKind {
        let backend = registration.backend.backend_ref().clone();
        let id = registration.tool.id.clone();
        let kind = self.write().register(registration);
        self.announce([Change { kind, id, backend }]);
        kind
    }

    /// Adds many tools at once.
    pub fn register_all(&self, registrations: impl IntoIterator<Item = Registration>) {
        let mut changes = Vec::new();
        let mut store = self.write();
        for registration in registrations {
            let backend = registration.backend.backend_ref().clone();
            let id = registration.tool.id.clone();
            let kind = store.register(registration);
            changes.push(Change { kind, id, backend });
        }
        drop(store);
        self.announce(changes);
    }

    /// Makes `registrations` the tools that `backend` offers: adds, replaces and removes what
    /// differs, in one step, and announces only that.
    pub fn sync(&self, backend: &BackendRef, registrations: Vec<Registration>) -> SyncReport {
        let (report, changes) = self.write().sync(backend, registrations);
        self.announce(changes);
        report
    }

    /// Removes a tool at all its backends; says whether it was there.
    pub fn remove(&self, id: &ToolId) -> bool {
        let changes = self.write().remove(id);
        let found = !changes.is_empty();
        self.announce(changes);
        found
    }

    /// Removes everything that a backend offers and says how many tools that were. A tool that
    /// another backend offers too stays.
    pub fn remove_backend(&self, backend: &BackendRef) -> usize {
        self.sync(backend, Vec::new()).removed
    }

    /// Finds the tool that a reference means.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] with the nearest ids, or the versions there are.
    pub fn resolve(&self, tool: &ToolRef) -> Result<Arc<Entry>> {
        let store = self.read();
        self.seen(store.resolve(tool))
            .ok_or_else(|| store.not_found(tool, &self.sight).at(Stage::Resolve))
    }

    /// Reads a reference and finds the tool it means. A bare name that no tool without namespace
    /// has finds the one tool of that name in any namespace.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidId`], [`ErrorKind::NotFound`], or [`ErrorKind::Ambiguous`] for a bare
    /// name that several namespaces have.
    pub fn find(&self, tool: &str) -> Result<Arc<Entry>> {
        // The common case needs no parsing: the text is a key as it stands.
        if let Some(entry) = self.seen(self.read().highest(tool)) {
            return Ok(entry);
        }
        let parsed: ToolRef = tool.parse().map_err(|error: crate::id::ParseIdError| {
            Error::new(ErrorKind::InvalidId, error.to_string())
                .with_source(error)
                .for_tool(tool)
                .at(Stage::ParseId)
                .with_hint("write it as namespace:name, such as math:add")
        })?;
        let store = self.read();
        if let Some(entry) = self.seen(store.resolve(&parsed)) {
            return Ok(entry);
        }
        if parsed.key().namespace().is_empty() {
            let mut same_name = store.keys_named(parsed.key().name());
            same_name.retain(|key| store.is_seen(key, &self.sight));
            match &same_name[..] {
                [] => {}
                [only] => {
                    if let Some(entry) = store.highest(only.as_str()) {
                        return Ok(entry);
                    }
                }
                several => return Err(ambiguous(&parsed, several)),
            }
        }
        Err(store.not_found(&parsed, &self.sight).at(Stage::Resolve))
    }

    /// The entry of exactly this id.
    pub fn get(&self, id: &ToolId) -> Option<Arc<Entry>> {
        self.seen(self.read().resolve(&ToolRef::from(id)))
            .filter(|entry| entry.tool().id == *id)
    }

    /// All versions of a tool, lowest first.
    pub fn versions(&self, key: &ToolKey) -> Vec<Arc<Entry>> {
        let mut versions = self.read().versions(key).to_vec();
        if let Some(sees) = &self.sight {
            versions.retain(|entry| sees(entry));
        }
        versions
    }

    /// Finds tools by what they say about themselves, best first. Of a tool the highest version is
    /// searched.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] for a limit of 0 or a cursor of another query.
    pub fn search(&self, query: &SearchQuery) -> Result<Page<Hit>> {
        self.read().search(query, &self.sight)
    }

    /// Lists tools by id. Of a tool the highest version is listed.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] for a limit of 0 or a cursor of another query.
    pub fn list(&self, query: &ListQuery) -> Result<Page<ToolSummary>> {
        self.read().list(query, &self.sight)
    }

    /// How many tools there are; versions of a tool count once.
    pub fn len(&self) -> usize {
        let store = self.read();
        if self.sight.is_none() {
            return store.len();
        }
        let seen = |key: &&ToolKey| store.is_seen(key, &self.sight);
        store.keys().filter(seen).count()
    }

    /// Whether there are no tools.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The namespaces, by name.
    pub fn namespaces(&self) -> Vec<NamespaceInfo> {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        let store = self.read();
        let seen = |key: &&ToolKey| store.is_seen(key, &self.sight);
        for key in store.keys().filter(seen) {
            *counts.entry(key.namespace().to_owned()).or_default() += 1;
        }
        counts
            .into_iter()
            .map(|(name, tools)| NamespaceInfo { name, tools })
            .collect()
    }

    /// The tools that cannot be used because a schema of theirs is broken, by id. Compiles every
    /// schema that was not used yet.
    pub fn disabled(&self) -> Vec<(ToolId, BackendRef, Disabled)> {
        let mut entries = self.read().entries();
        if let Some(sees) = &self.sight {
            entries.retain(|entry| sees(entry));
        }
        let mut found = Vec::new();
        for binding in entries.iter().flat_map(|entry| entry.bindings()) {
            if let Err(disabled) = binding.schemas() {
                let id = binding.tool().id.clone();
                found.push((id, binding.backend_ref().clone(), disabled.clone()));
            }
        }
        found
    }

    /// Announces every change from now on. A receiver that falls behind by more than 1,024 loses
    /// the oldest and is told so; it then lists anew.
    pub fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.shared.changes.subscribe()
    }

    fn seen(&self, entry: Option<Arc<Entry>>) -> Option<Arc<Entry>> {
        let sees = |entry: &Arc<Entry>| self.sight.as_ref().is_none_or(|sees| sees(entry));
        entry.filter(sees)
    }

    fn announce(&self, changes: impl IntoIterator<Item = Change>) {
        for change in changes {
            // Nobody listens: nothing to tell.
            let _ = self.shared.changes.send(change);
        }
    }

    // Every change of the store is completed before it can panic, so a poisoned lock still
    // guards a whole store.
    fn read(&self) -> RwLockReadGuard<'_, Store> {
        self.shared
            .store
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Store> {
        self.shared
            .store
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index")
            .field("tools", &self.len())
            .finish_non_exhaustive()
    }
}

fn ambiguous(wanted: &ToolRef, several: &[ToolKey]) -> Error {
    let names: Vec<&str> = several.iter().take(5).map(ToolKey::as_str).collect();
    Error::new(
        ErrorKind::Ambiguous,
        format!("{} namespaces have a tool named {wanted}", several.len()),
    )
    .for_tool(wanted)
    .at(Stage::Resolve)
    .with_hint(format!("say which: {}", names.join(", ")))
}
