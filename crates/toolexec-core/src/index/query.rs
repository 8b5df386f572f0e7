//! What callers ask of the index, and what they get.

use serde::Serialize;

use super::page::{Binding, Cursor, CursorKind, DEFAULT_LIMIT};
use super::search::Filter;
use crate::id::ToolId;
use crate::tool::{Annotations, Tool};
use crate::tooldoc::summary_of;

/// A search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchQuery {
    /// What to look for, in plain words; empty lists every tool by id.
    pub text: String,
    /// Only tools of this namespace; empty means tools without one.
    pub namespace: Option<String>,
    /// Only tools that have all these tags.
    pub tags: Vec<String>,
    /// How many hits at most; see [`MAX_LIMIT`](super::MAX_LIMIT).
    pub limit: usize,
    /// Where to go on, from the page before.
    pub cursor: Option<Cursor>,
}

/// A question for a list of tools, by id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListQuery {
    /// Only tools of this namespace; empty means tools without one.
    pub namespace: Option<String>,
    /// Only tools that have all these tags.
    pub tags: Vec<String>,
    /// How many tools at most; see [`MAX_LIMIT`](super::MAX_LIMIT).
    pub limit: usize,
    /// Where to go on, from the page before.
    pub cursor: Option<Cursor>,
}

/// A tool that a search found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Hit {
    /// The tool, in short.
    #[serde(flatten)]
    pub tool: ToolSummary,
    /// How well it fits. Comparable within one search only.
    pub score: f32,
    /// Why it was found: each word of the query that fits, and where. Empty for an empty query.
    pub matched: Vec<Match>,
}

/// A word of a query that fits a tool.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Match {
    /// The word as the query has it.
    pub term: String,
    /// The word of the tool that was taken for it, in its stemmed form, where that is another one:
    /// a synonym, a longer word or a close spelling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_term: Option<String>,
    /// Where the tool has it.
    pub fields: Vec<Field>,
}

/// A searched part of a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Field {
    /// Its name.
    Name,
    /// Its title.
    Title,
    /// Its namespace.
    Namespace,
    /// Its tags.
    Tag,
    /// Its description.
    Description,
    /// The name of a parameter.
    Parameter,
    /// The description of a parameter, or a value it may have.
    ParameterText,
}

/// A tool in short, as lists show it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolSummary {
    /// Its id.
    pub id: ToolId,
    /// Its name.
    pub name: String,
    /// A name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What it does, in at most 200 characters.
    pub summary: String,
    /// Its namespace; empty when it has none.
    pub namespace: String,
    /// Words to find it by.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Hints about its behaviour.
    #[serde(skip_serializing_if = "Annotations::is_empty")]
    pub annotations: Annotations,
}

impl Default for SearchQuery {
    fn default() -> Self {
        Self::new("")
    }
}

impl SearchQuery {
    /// A search for `text` everywhere.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            namespace: None,
            tags: Vec::new(),
            limit: DEFAULT_LIMIT,
            cursor: None,
        }
    }

    pub(crate) fn filter(&self) -> Filter<'_> {
        Filter {
            namespace: self.namespace.as_deref(),
            tags: &self.tags,
            sight: None,
        }
    }

    /// What a cursor of this search belongs to.
    pub(crate) fn binding(&self) -> Binding {
        let parts = filter_parts(self.namespace.as_deref(), &self.tags);
        Binding::new(
            CursorKind::Search,
            [self.text.trim()].into_iter().chain(parts),
        )
    }
}

impl Default for ListQuery {
    fn default() -> Self {
        Self {
            namespace: None,
            tags: Vec::new(),
            limit: DEFAULT_LIMIT,
            cursor: None,
        }
    }
}

impl ListQuery {
    pub(crate) fn filter(&self) -> Filter<'_> {
        Filter {
            namespace: self.namespace.as_deref(),
            tags: &self.tags,
            sight: None,
        }
    }

    /// What a cursor of this list belongs to.
    pub(crate) fn binding(&self) -> Binding {
        Binding::new(
            CursorKind::List,
            filter_parts(self.namespace.as_deref(), &self.tags),
        )
    }
}

impl ToolSummary {
    /// The short form of `tool`; its summary is the beginning of its description.
    pub fn of(tool: &Tool) -> Self {
        Self {
            id: tool.id.clone(),
            name: tool.id.name().to_owned(),
            title: tool
                .title
                .clone()
                .or_else(|| tool.annotations.title.clone()),
            summary: summary_of(&tool.description),
            namespace: tool.id.namespace().to_owned(),
            tags: tool.tags.clone(),
            annotations: tool.annotations.clone(),
        }
    }
}

// A namespace that is not asked for differs from the empty one.
fn filter_parts<'a>(
    namespace: Option<&'a str>,
    tags: &'a [String],
) -> impl Iterator<Item = &'a str> {
    let marker = if namespace.is_some() {
        "in"
    } else {
        "anywhere"
    };
    [marker, namespace.unwrap_or_default()]
        .into_iter()
        .chain(tags.iter().map(String::as_str))
}
