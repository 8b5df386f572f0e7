//! What changed in an index.

use serde::Serialize;

use crate::backend::BackendRef;
use crate::id::ToolId;

/// One change of an index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What happened.
    pub kind: ChangeKind,
    /// To which tool.
    pub id: ToolId,
    /// At which backend.
    pub backend: BackendRef,
}

/// What happened to a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ChangeKind {
    /// The tool is new.
    Registered,
    /// A backend describes it anew.
    Updated,
    /// One more backend offers it.
    BackendAdded,
    /// A backend no longer offers it; another one does.
    BackendRemoved,
    /// It is gone.
    Removed,
}

/// What [`Index::sync`](crate::index::Index::sync) did, in tools.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct SyncReport {
    /// Newly offered.
    pub added: usize,
    /// Described anew.
    pub updated: usize,
    /// No longer offered.
    pub removed: usize,
    /// As they were.
    pub unchanged: usize,
}
