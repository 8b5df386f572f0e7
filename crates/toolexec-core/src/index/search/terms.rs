//! The inverted index: terms, and the documents that have them.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::lexicon;

/// The number of a term.
pub(super) type TermId = u32;
/// The number of a document.
pub(super) type DocId = u32;

/// Terms without documents that are kept before they are swept out.
const MAX_EMPTY: usize = 4096;

/// One document that has a term.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Posting {
    pub(super) doc: DocId,
    /// What the term is worth in this document, before its rarity.
    pub(super) impact: f32,
    /// The part of the document's name that the term makes up.
    pub(super) share: f32,
}

/// All terms and their postings.
#[derive(Debug, Default)]
pub(super) struct Terms {
    by_text: HashMap<Arc<str>, TermId, RandomState>,
    // The same without pairs, in order.
    sorted: BTreeMap<Arc<str>, TermId>,
    all: Vec<Term>,
    // How many terms no document has.
    empty: usize,
    // The words seen while indexing: stemming a word costs more than looking it up.
    by_word: HashMap<Box<str>, IndexedWord, RandomState>,
    // The text of a pair, while it is looked up.
    pair: String,
}

/// What is known of a word as texts have it.
#[derive(Debug, Clone, Copy)]
pub(super) struct IndexedWord {
    pub(super) term: TermId,
    pub(super) stop: bool,
    pub(super) number: bool,
}

#[derive(Debug)]
struct Term {
    text: Arc<str>,
    // By document.
    postings: Vec<Posting>,
}

impl Terms {
    /// The word and its term, made when it is new.
    pub(super) fn intern_word(&mut self, word: &str) -> IndexedWord {
        if let Some(known) = self.by_word.get(word) {
            return *known;
        }
        let known = IndexedWord {
            term: self.intern(&lexicon::stem(word)),
            stop: lexicon::is_stop_word(word),
            number: lexicon::is_number(word),
        };
        self.by_word.insert(word.into(), known);
        known
    }

    /// The term with exactly this text, made when it is new.
    pub(super) fn intern(&mut self, text: &str) -> TermId {
        if let Some(id) = self.by_text.get(text) {
            return *id;
        }
        let id = number(self.all.len());
        let text: Arc<str> = text.into();
        self.by_text.insert(text.clone(), id);
        if !is_pair(&text) {
            self.sorted.insert(text.clone(), id);
        }
        self.all.push(Term {
            text,
            postings: Vec::new(),
        });
        self.empty += 1;
        id
    }

    /// The term for two stems that follow each other, made when it is new.
    pub(super) fn intern_pair(&mut self, first: TermId, second: TermId) -> TermId {
        let mut text = std::mem::take(&mut self.pair);
        text.clear();
        text.push_str(self.text(first));
        text.push(' ');
        text.push_str(self.text(second));
        let term = self.intern(&text);
        self.pair = text;
        term
    }

    /// The term with exactly this text, if a document has it.
    pub(super) fn find(&self, text: &str) -> Option<TermId> {
        self.by_text
            .get(text)
            .copied()
            .filter(|id| !self.postings(*id).is_empty())
    }

    /// The words that begin with `prefix` and that a document has, by text.
    pub(super) fn beginning<'a>(
        &'a self,
        prefix: &'a str,
    ) -> impl Iterator<Item = (TermId, &'a str)> {
        self.sorted
            .range::<str, _>((Bound::Included(prefix), Bound::Unbounded))
            .take_while(move |(text, _)| text.starts_with(prefix))
            .filter(|(_, id)| !self.postings(**id).is_empty())
            .map(|(text, id)| (*id, &**text))
    }

    /// The text of a term.
    pub(super) fn text(&self, id: TermId) -> &str {
        &self.all[id as usize].text
    }

    /// The documents that have a term.
    pub(super) fn postings(&self, id: TermId) -> &[Posting] {
        &self.all[id as usize].postings
    }

    pub(super) fn add(&mut self, id: TermId, posting: Posting) {
        let postings = &mut self.all[id as usize].postings;
        self.empty -= usize::from(postings.is_empty());
        let at = postings.partition_point(|other| other.doc < posting.doc);
        postings.insert(at, posting);
    }

    pub(super) fn remove(&mut self, id: TermId, doc: DocId) {
        let postings = &mut self.all[id as usize].postings;
        if let Ok(at) = postings.binary_search_by_key(&doc, |posting| posting.doc) {
            postings.remove(at);
            self.empty += usize::from(postings.is_empty());
        }
    }

    /// Sweeps out the terms that no document has, once they are many. The answer holds the new
    /// number of each term by its old one.
    pub(super) fn sweep(&mut self) -> Option<Vec<TermId>> {
        if self.empty <= MAX_EMPTY.max(self.all.len() / 2) {
            return None;
        }
        let mut renumbered = vec![TermId::MAX; self.all.len()];
        let mut kept = Vec::with_capacity(self.all.len() - self.empty);
        for (old, term) in std::mem::take(&mut self.all).into_iter().enumerate() {
            if !term.postings.is_empty() {
                renumbered[old] = number(kept.len());
                kept.push(term);
            }
        }
        let numbered = || {
            (0_u32..)
                .zip(&kept)
                .map(|(id, term)| (term.text.clone(), id))
        };
        self.by_text = numbered().collect();
        self.sorted = numbered().filter(|(text, _)| !is_pair(text)).collect();
        self.by_word.clear();
        self.all = kept;
        self.empty = 0;
        Some(renumbered)
    }
}

/// The term for two stems that follow each other.
pub(super) fn pair(first: &str, second: &str) -> String {
    format!("{first} {second}")
}

// No word has a space.
fn is_pair(text: &str) -> bool {
    text.contains(' ')
}

/// A number of 32 bits, to keep postings small.
pub(super) fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
