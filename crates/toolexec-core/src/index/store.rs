//! The tools of an index, by key and version.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use semver::Version;

use super::change::{Change, ChangeKind, SyncReport};
use super::entry::{Binding, Entry, Registration};
use super::nearest::nearest;
use super::page::{Page, Position, page_limit};
use super::query::{Hit, ListQuery, SearchQuery, ToolSummary};
use super::search::{Filter, Found, SearchEngine};
use crate::backend::BackendRef;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{ToolId, ToolKey, ToolRef, VersionChoice};

/// Which entries a reader of the index sees; all when absent.
pub(super) type Sight = Option<Arc<dyn Fn(&Entry) -> bool + Send + Sync>>;

/// The tools of an index. Not synchronized.
#[derive(Debug, Default)]
pub(super) struct Store {
    // The entries of a key are never empty and ordered by version, lowest first.
    tools: HashMap<ToolKey, Vec<Arc<Entry>>>,
    order: BTreeSet<ToolKey>,
    // The highest version of each tool.
    engine: SearchEngine,
}

impl Store {
    pub(super) fn register(&mut self, registration: Registration) -> ChangeKind {
        let binding = Arc::new(Binding::new(registration));
        let id = binding.tool().id.clone();
        let versions = self.tools.entry(id.key().clone()).or_default();
        let place = versions.binary_search_by(|entry| entry.tool().id.version().cmp(&id.version()));
        let kind = match place {
            Ok(at) => {
                let mut bindings = versions[at].bindings().to_vec();
                let same = |old: &Arc<Binding>| old.backend_ref() == binding.backend_ref();
                let kind = if let Some(old) = bindings.iter().position(same) {
                    bindings[old] = binding;
                    ChangeKind::Updated
                } else {
                    bindings.push(binding);
                    ChangeKind::BackendAdded
                };
                versions[at] = Arc::new(Entry::new(bindings));
                kind
            }
            Err(at) => {
                versions.insert(at, Arc::new(Entry::new(vec![binding])));
                ChangeKind::Registered
            }
        };
        self.order.insert(id.key().clone());
        self.search_anew(id.key());
        kind
    }

    pub(super) fn sync(
        &mut self,
        backend: &BackendRef,
        registrations: Vec<Registration>,
    ) -> (SyncReport, Vec<Change>) {
        let mut report = SyncReport::default();
        let mut changes = Vec::new();
        let mut offered: HashSet<ToolId> = HashSet::new();
        for registration in registrations {
            let id = registration.tool.id.clone();
            if !offered.insert(id.clone()) {
                continue;
            }
            if self.has_same(&registration) {
                report.unchanged += 1;
                continue;
            }
            let kind = self.register(registration);
            if kind == ChangeKind::Updated {
                report.updated += 1;
            } else {
                report.added += 1;
            }
            changes.push(Change {
                kind,
                id,
                backend: backend.clone(),
            });
        }
        for id in self.ids_of(backend) {
            if !offered.contains(&id) {
                changes.push(self.remove_binding(&id, backend));
                report.removed += 1;
            }
        }
        (report, changes)
    }

    pub(super) fn remove(&mut self, id: &ToolId) -> Vec<Change> {
        let Some(entry) = self.exact(id) else {
            return Vec::new();
        };
        let backends: Vec<BackendRef> = entry
            .bindings()
            .iter()
            .map(|binding| binding.backend_ref().clone())
            .collect();
        backends
            .iter()
            .map(|backend| self.remove_binding(id, backend))
            .collect()
    }

    pub(super) fn resolve(&self, tool: &ToolRef) -> Option<Arc<Entry>> {
        let versions = self.tools.get(tool.key())?;
        match tool.version() {
            VersionChoice::Highest => versions.last().cloned(),
            VersionChoice::Exact(version) => {
                let is_it = |entry: &&Arc<Entry>| entry.tool().id.version() == Some(version);
                versions.iter().find(is_it).cloned()
            }
            VersionChoice::Matching(requirement) => {
                let fits = |entry: &&Arc<Entry>| {
                    entry
                        .tool()
                        .id
                        .version()
                        .is_some_and(|version| requirement.matches(version))
                };
                versions.iter().rev().find(fits).cloned()
            }
        }
    }

    /// The highest version of the tool whose key reads `key`.
    pub(super) fn highest(&self, key: &str) -> Option<Arc<Entry>> {
        self.tools.get(key)?.last().cloned()
    }

    pub(super) fn versions(&self, key: &ToolKey) -> &[Arc<Entry>] {
        self.tools.get(key).map_or(&[], Vec::as_slice)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &ToolKey> {
        self.order.iter()
    }

    pub(super) fn keys_named(&self, name: &str) -> Vec<ToolKey> {
        self.order
            .iter()
            .filter(|key| key.name() == name)
            .cloned()
            .collect()
    }

    pub(super) fn entries(&self) -> Vec<Arc<Entry>> {
        self.order
            .iter()
            .flat_map(|key| self.versions(key))
            .cloned()
            .collect()
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether the highest version of a tool is seen.
    pub(super) fn is_seen(&self, key: &ToolKey, sight: &Sight) -> bool {
        let Some(sees) = sight else { return true };
        self.highest(key.as_str()).is_some_and(|entry| sees(&entry))
    }

    pub(super) fn search(&self, query: &SearchQuery, sight: &Sight) -> Result<Page<Hit>> {
        let binding = query.binding();
        let after = query
            .cursor
            .as_ref()
            .map(|cursor| binding.position(cursor))
            .transpose()?;
        let limit = page_limit(query.limit)?;
        let sees = |key: &ToolKey| self.is_seen(key, sight);
        let filter = Filter {
            sight: sight.as_ref().map(|_| &sees as &dyn Fn(&ToolKey) -> bool),
            ..query.filter()
        };
        let found = self
            .engine
            .search(&query.text, filter, after.as_ref(), limit);
        let next = next(&found).map(|last| binding.cursor(&last));
        let hits = found.items.into_iter().filter_map(|item| {
            let tool = ToolSummary::of(self.highest(item.key.as_str())?.tool());
            Some(Hit {
                tool,
                score: item.score,
                matched: item.matched,
            })
        });
        Ok(Page {
            items: hits.collect(),
            next,
        })
    }

    pub(super) fn list(&self, query: &ListQuery, sight: &Sight) -> Result<Page<ToolSummary>> {
        let binding = query.binding();
        let after = query
            .cursor
            .as_ref()
            .map(|cursor| binding.position(cursor))
            .transpose()?;
        let limit = page_limit(query.limit)?;
        let sees = |key: &ToolKey| self.is_seen(key, sight);
        let filter = Filter {
            sight: sight.as_ref().map(|_| &sees as &dyn Fn(&ToolKey) -> bool),
            ..query.filter()
        };
        let found = self.engine.search("", filter, after.as_ref(), limit);
        let next = next(&found).map(|last| binding.cursor(&last));
        let tools = found
            .items
            .iter()
            .filter_map(|item| self.highest(item.key.as_str()));
        Ok(Page {
            items: tools.map(|entry| ToolSummary::of(entry.tool())).collect(),
            next,
        })
    }

    /// The error for a tool that is not there: names what is near.
    pub(super) fn not_found(&self, wanted: &ToolRef, sight: &Sight) -> Error {
        let versions = self.versions(wanted.key());
        if !versions.is_empty() && self.is_seen(wanted.key(), sight) {
            let known: Vec<String> = versions
                .iter()
                .map(|entry| {
                    entry
                        .tool()
                        .id
                        .version()
                        .map_or("none".to_owned(), Version::to_string)
                })
                .collect();
            return Error::new(
                ErrorKind::NotFound,
                format!("tool {} has no version that fits {wanted}", wanted.key()),
            )
            .for_tool(wanted)
            .with_hint(format!("versions: {}", known.join(", ")));
        }
        let error =
            Error::new(ErrorKind::NotFound, format!("there is no tool {wanted}")).for_tool(wanted);
        let seen = self.order.iter().filter(|key| self.is_seen(key, sight));
        let near = nearest(&wanted.to_string(), seen);
        if near.is_empty() {
            return error.with_hint("search for it by what it does");
        }
        let near: Vec<&str> = near.into_iter().map(ToolKey::as_str).collect();
        error.with_hint(format!("did you mean {}?", near.join(" or ")))
    }

    /// Brings the search engine to the highest version of a tool.
    fn search_anew(&mut self, key: &ToolKey) {
        match self.tools.get(key).and_then(|versions| versions.last()) {
            Some(entry) => self.engine.insert(entry.tool()),
            None => {
                self.engine.remove(key);
            }
        }
    }

    fn exact(&self, id: &ToolId) -> Option<&Arc<Entry>> {
        self.versions(id.key())
            .iter()
            .find(|entry| entry.tool().id == *id)
    }

    fn has_same(&self, registration: &Registration) -> bool {
        let Some(entry) = self.exact(&registration.tool.id) else {
            return false;
        };
        entry.bindings().iter().any(|binding| {
            binding.backend_ref() == registration.backend.backend_ref()
                && Arc::ptr_eq(binding.backend(), &registration.backend)
                && *binding.remote_name() == registration.remote_name
                && **binding.tool() == registration.tool
        })
    }

    fn ids_of(&self, backend: &BackendRef) -> Vec<ToolId> {
        let offers = |entry: &&Arc<Entry>| {
            entry
                .bindings()
                .iter()
                .any(|binding| binding.backend_ref() == backend)
        };
        let mut ids: Vec<ToolId> = self
            .tools
            .values()
            .flatten()
            .filter(offers)
            .map(|entry| entry.tool().id.clone())
            .collect();
        ids.sort();
        ids
    }

    fn remove_binding(&mut self, id: &ToolId, backend: &BackendRef) -> Change {
        let mut kind = ChangeKind::Removed;
        if let Some(versions) = self.tools.get_mut(id.key()) {
            if let Some(at) = versions.iter().position(|entry| entry.tool().id == *id) {
                let mut bindings = versions[at].bindings().to_vec();
                bindings.retain(|binding| binding.backend_ref() != backend);
                if bindings.is_empty() {
                    versions.remove(at);
                } else {
                    versions[at] = Arc::new(Entry::new(bindings));
                    kind = ChangeKind::BackendRemoved;
                }
            }
            if versions.is_empty() {
                self.tools.remove(id.key());
                self.order.remove(id.key());
            }
        }
        self.search_anew(id.key());
        Change {
            kind,
            id: id.clone(),
            backend: backend.clone(),
        }
    }
}

/// Where the next page begins, if there is one.
fn next(found: &Found) -> Option<Position> {
    let last = found.items.last().filter(|_| found.more)?;
    Some(Position {
        score: last.score,
        key: last.key.clone(),
    })
}
