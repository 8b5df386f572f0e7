//! Search over the tools of an index: BM25 with a weight for each field.

use crate::id::ToolKey;
use super::query::Match;
use crate::tool::Tool;

/// Searches tools. One document for each tool key.
#[derive(Debug, Default)]
pub(crate) struct SearchEngine {}

/// Which tools a search is about.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Filter<'a> {
    /// Only tools of this namespace.
    pub(crate) namespace: Option<&'a str>,
    /// Only tools that have all these tags.
    pub(crate) tags: &'a [String],
}

/// What a search found: at most as many as were asked for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Found {
    /// By score, then by key.
    pub(crate) items: Vec<FoundTool>,
    /// Whether there is more after the last of them.
    pub(crate) more: bool,
}

/// A tool that a search found.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FoundTool {
    pub(crate) key: ToolKey,
    pub(crate) score: f32,
    pub(crate) matched: Vec<Match>,
}

impl SearchEngine {
    /// Adds a tool, or replaces the one with the same key.
    pub(crate) fn insert(&mut self, tool: &Tool);
    /// Removes a tool; says whether it was there.
    pub(crate) fn remove(&mut self, key: &ToolKey) -> bool;
    /// Finds the best `limit` tools after `after`. An empty query finds every tool, by key.
    pub(crate) fn search(&self, query: &str, filter: Filter<'_>, after: Option<&Position>, limit: usize) -> Found;
}
