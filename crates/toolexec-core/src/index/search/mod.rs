//! Search over the tools of an index: BM25 with a weight for each part of a tool.
//!
//! A tool becomes a [`document::Document`] whose words stand in an inverted index ([`terms`]) with
//! what each is worth there. A query becomes a [`plan::Plan`]: its words, near words and compounds,
//! by sentence. [`rank`] adds up what the words are worth; [`explain`] says which ones fit.

mod document;
mod explain;
mod fields;
mod lexicon;
mod plan;
mod rank;
mod score;
mod terms;
mod text;

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use self::document::{Collector, Document, Words};
use self::fields::Part;
use self::score::Weights;
use self::terms::{DocId, Terms, number};
use self::text::Splitter;
use super::page::Position;
use super::query::Match;
use crate::id::{ToolKey, ToolRef};
use crate::tool::Tool;

/// What a query gains that is the id of a tool, and nothing else.
const ID_BONUS: f32 = 2000.0;
/// What a query gains that is the name of a tool, in whatever case and with whatever separators.
const NAME_BONUS: f32 = 1000.0;
/// The longest query that can be a name or an id, in bytes.
const MAX_NAME: usize = 300;

/// Searches tools. One document for each tool key.
///
/// What it finds depends on the tools in it only, never on the order in which they came and went.
#[derive(Debug, Default)]
pub(crate) struct SearchEngine {
    weights: Weights,
    terms: Terms,
    documents: Vec<Option<Document>>,
    // Places of documents that are gone.
    free: Vec<DocId>,
    by_key: BTreeMap<ToolKey, DocId>,
    // By letters and digits of the name, and of the id.
    by_name: HashMap<Box<str>, Vec<DocId>>,
    splitter: Splitter,
}

/// Which tools a search is about.
#[derive(Clone, Copy, Default)]
pub(crate) struct Filter<'a> {
    /// Only tools of this namespace.
    pub(crate) namespace: Option<&'a str>,
    /// Only tools that have all these tags.
    pub(crate) tags: &'a [String],
    /// Only tools that the caller may see; all when absent.
    pub(crate) sight: Option<&'a dyn Fn(&ToolKey) -> bool>,
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
    /// How many tools it has.
    pub(crate) fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Adds a tool, or replaces the one with the same key.
    pub(crate) fn insert(&mut self, tool: &Tool) {
        let key = tool.id.key();
        self.remove(key);
        let doc = self.free.pop().unwrap_or_else(|| {
            self.documents.push(None);
            number(self.documents.len() - 1)
        });
        let mut collector = Collector {
            terms: &mut self.terms,
            splitter: &mut self.splitter,
            weights: &self.weights,
            words: Words::default(),
        };
        fields::visit_tool(tool, &mut |part: Part, text: &str| {
            collector.add(part, text);
        });
        self.documents[doc as usize] = Some(collector.finish(doc, key, &tool.tags));
        for name in names(key) {
            self.by_name.entry(name).or_default().push(doc);
        }
        self.by_key.insert(key.clone(), doc);
    }

    /// Removes a tool; says whether it was there.
    pub(crate) fn remove(&mut self, key: &ToolKey) -> bool {
        let Some(doc) = self.by_key.remove(key) else {
            return false;
        };
        let document = self.documents[doc as usize].take();
        for (term, _) in document.iter().flat_map(|document| &document.terms) {
            self.terms.remove(*term, doc);
        }
        for name in names(key) {
            if let Some(docs) = self.by_name.get_mut(&name) {
                docs.retain(|other| *other != doc);
                if docs.is_empty() {
                    self.by_name.remove(&name);
                }
            }
        }
        self.free.push(doc);
        if let Some(renumbered) = self.terms.sweep() {
            for document in self.documents.iter_mut().flatten() {
                document.renumber(&renumbered);
            }
        }
        true
    }

    /// Finds the best `limit` tools after `after`. An empty query finds every tool, by key.
    pub(crate) fn search(
        &self,
        query: &str,
        filter: Filter<'_>,
        after: Option<&Position>,
        limit: usize,
    ) -> Found {
        let query = query.trim();
        if query.is_empty() {
            return self.list(filter, after, limit);
        }
        let plan = plan::plan(self, query);
        let bonus = self.named(query);
        let mut best = rank::best(self, &plan, &bonus, filter, after, limit + 1);
        let more = best.len() > limit;
        best.truncate(limit);
        let found = best.into_iter().map(|ranked| FoundTool {
            key: ranked.document.key.clone(),
            score: ranked.score,
            matched: explain::matches(&plan, &self.terms, ranked.document),
        });
        Found {
            items: found.collect(),
            more,
        }
    }

    fn list(&self, filter: Filter<'_>, after: Option<&Position>, limit: usize) -> Found {
        let begin = after.map_or(Bound::Unbounded, |after| Bound::Excluded(&after.key));
        let documents = self.by_key.range::<ToolKey, _>((begin, Bound::Unbounded));
        let mut items: Vec<FoundTool> = documents
            .filter_map(|(_, doc)| self.documents[*doc as usize].as_ref())
            .filter(|document| filter.passes(document))
            .take(limit + 1)
            .map(|document| FoundTool {
                key: document.key.clone(),
                score: 0.0,
                matched: Vec::new(),
            })
            .collect();
        let more = items.len() > limit;
        items.truncate(limit);
        Found { items, more }
    }

    /// The tools whose name or id the query is, and what they gain.
    fn named(&self, query: &str) -> Vec<(DocId, f32)> {
        if query.len() > MAX_NAME {
            return Vec::new();
        }
        let named = self.by_name.get(&letters(query)).into_iter().flatten();
        let mut bonus: Vec<(DocId, f32)> = named.map(|doc| (*doc, NAME_BONUS)).collect();
        let id = query
            .parse::<ToolRef>()
            .ok()
            .and_then(|id| self.by_key.get(id.key()));
        bonus.extend(id.map(|doc| (*doc, ID_BONUS)));
        bonus
    }
}

/// What a query that names a tool may be.
fn names(key: &ToolKey) -> impl Iterator<Item = Box<str>> {
    let (name, id) = (letters(key.name()), letters(key.as_str()));
    let id = (id != name).then_some(id);
    [Some(name), id]
        .into_iter()
        .flatten()
        .filter(|name| !name.is_empty())
}

/// The letters and digits of a text, in lower case.
fn letters(text: &str) -> Box<str> {
    text.chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect()
}
