//! What a query looks for.

use super::SearchEngine;
use super::lexicon::{self, Closeness};
use super::score::rarity;
use super::terms::{TermId, pair};
use super::text::{Splitter, Word};

/// How much of a query is read, in bytes.
const MAX_QUERY: usize = 4096;
/// How many terms are looked for.
const MAX_TERMS: usize = 256;
/// How many words that no tool has are replaced by others.
const MAX_REPLACED: usize = 4;
/// How many other words replace one.
const MAX_REPLACEMENTS: usize = 8;
/// The shortest word that may stand for a longer one.
const MIN_PREFIX: usize = 3;
/// How many words a query may have in which misspelled ones are looked for.
const MAX_SHORT: usize = 8;
/// The shortest word that may be misspelled.
const MIN_SPELLING: usize = 4;

/// What a query looks for.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) wanted: Vec<Wanted>,
    /// For each sentence, which of them are its own words.
    pub(super) sentences: Vec<Vec<usize>>,
}

/// A term that a query looks for.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) term: TermId,
    /// The word of the query it stands for.
    pub(super) word: String,
    pub(super) fit: Fit,
    /// How much a document that has it gains, before its impact there.
    pub(super) weight: f32,
    /// The same in one sentence, however often the query repeats it.
    pub(super) once: f32,
    /// How much of its share of a name it covers.
    pub(super) cover: f32,
}

/// How a term fits a word of the query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fit {
    /// It is that word, in whatever form.
    Same,
    /// It is another word: near in meaning, longer, or spelled nearly like it.
    Other,
    /// It is made of several words that are looked for themselves too.
    Compound,
}

struct Planner<'a> {
    engine: &'a SearchEngine,
    plan: Plan,
    replaced: usize,
    // Whether the query has nothing but stop words and fillers.
    bare: bool,
    // Whether the query is one a person typed in to search: in longer texts most unknown words
    // are names.
    short: bool,
}

/// A word of the query.
struct QueryWord {
    text: String,
    stem: String,
    whole: bool,
}

/// Reads a query.
pub(super) fn plan(engine: &SearchEngine, query: &str) -> Plan {
    let query = &query[..query.floor_char_boundary(MAX_QUERY)];
    let sentences: Vec<Vec<QueryWord>> = sentences(query).map(read).collect();
    let says =
        |word: &QueryWord| !lexicon::is_stop_word(&word.text) && !lexicon::is_filler(&word.text);
    let bare = !sentences.iter().flatten().any(says);
    let short = sentences.iter().flatten().filter(|word| says(word)).count() <= MAX_SHORT;
    let mut planner = Planner {
        engine,
        plan: Plan::default(),
        replaced: 0,
        bare,
        short,
    };
    for sentence in &sentences {
        planner.sentence(sentence);
    }
    planner.plan
}

fn sentences(query: &str) -> impl Iterator<Item = &str> {
    let mut rest = query;
    std::iter::from_fn(move || {
        let (sentence, after) = rest.split_at(sentence_end(rest));
        rest = after;
        (!sentence.is_empty()).then_some(sentence)
    })
}

/// Where the first sentence ends; a dot within a word, such as a file name, ends none.
fn sentence_end(text: &str) -> usize {
    let ends = |(at, c): &(usize, char)| match c {
        '\n' => true,
        '.' | '?' | '!' | ';' => text[at + 1..]
            .chars()
            .next()
            .is_none_or(char::is_whitespace),
        _ => false,
    };
    let end = text.char_indices().find(ends);
    end.map_or(text.len(), |(at, c)| at + c.len_utf8())
}

fn read(sentence: &str) -> Vec<QueryWord> {
    let mut words = Vec::new();
    Splitter::default().split(sentence, |word| {
        let (text, whole) = match word {
            Word::Part(text) => (text, false),
            Word::Whole(text) => (text, true),
        };
        words.push(QueryWord {
            text: text.to_owned(),
            stem: lexicon::stem(text).into_owned(),
            whole,
        });
    });
    words
}

impl Planner<'_> {
    fn sentence(&mut self, words: &[QueryWord]) {
        let begun = self.plan.sentences.len();
        self.plan.sentences.push(Vec::new());
        let mut before: Option<&QueryWord> = None;
        for word in words {
            if !self.bare && lexicon::is_stop_word(&word.text) {
                before = None;
                continue;
            }
            self.word(word);
            if word.whole {
                continue;
            }
            if let Some(before) = before {
                self.neighbours(before, word);
            }
            before = Some(word);
        }
        if self.plan.sentences[begun].is_empty() {
            self.plan.sentences.pop();
        }
    }

    fn word(&mut self, word: &QueryWord) {
        let weights = &self.engine.weights;
        if word.whole {
            return self.want_text(&word.stem, &word.text, Fit::Compound, weights.joined);
        }
        let factor = if lexicon::is_number(&word.text) {
            weights.number
        } else if !self.bare && lexicon::is_filler(&word.text) {
            weights.filler
        } else {
            1.0
        };
        match self.engine.terms.find(&word.stem) {
            Some(term) => self.want(term, &word.text, Fit::Same, factor),
            None => self.replace(word),
        }
        for near in lexicon::near(&word.stem) {
            let closeness = match near.closeness {
                Closeness::Synonym => weights.synonym,
                Closeness::Verb => weights.verb,
            };
            self.want_text(&near.stem, &word.text, Fit::Other, factor * closeness);
        }
    }

    /// Two words that follow each other may be a pair in a name, or one word.
    fn neighbours(&mut self, first: &QueryWord, second: &QueryWord) {
        let weights = &self.engine.weights;
        let together = format!("{} {}", first.text, second.text);
        let pair = pair(&first.stem, &second.stem);
        self.want_text(&pair, &together, Fit::Compound, weights.pair);
        let joined = format!("{}{}", first.text, second.text);
        self.want_text(
            &lexicon::stem(&joined),
            &together,
            Fit::Compound,
            weights.joined,
        );
    }

    /// Looks for longer words, else for words spelled nearly like one that no tool has.
    fn replace(&mut self, word: &QueryWord) {
        let length = word.stem.chars().count();
        if self.replaced == MAX_REPLACED || lexicon::is_number(&word.stem) || length < MIN_PREFIX {
            return;
        }
        self.replaced += 1;
        let terms = &self.engine.terms;
        let weights = &self.engine.weights;
        let mut longer: Vec<(TermId, &str)> = terms.beginning(&word.stem).collect();
        longer.sort_by_key(|(_, text)| text.len());
        let (others, factor): (Vec<TermId>, f32) = if !longer.is_empty() {
            (
                longer.into_iter().map(|(term, _)| term).collect(),
                weights.longer,
            )
        } else if self.short && length >= MIN_SPELLING {
            (self.spelled_like(&word.stem, length), weights.spelling)
        } else {
            return;
        };
        for term in others.into_iter().take(MAX_REPLACEMENTS) {
            self.want(term, &word.text, Fit::Other, factor);
        }
    }

    /// The terms with the same first letter that are one edit away, two for long words.
    fn spelled_like(&self, stem: &str, length: usize) -> Vec<TermId> {
        let edits = if length < 8 { 1 } else { 2 };
        let first = &stem[..stem.chars().next().map_or(0, char::len_utf8)];
        let mut like: Vec<(usize, TermId, &str)> = self
            .engine
            .terms
            .beginning(first)
            .filter(|(_, text)| text.len().abs_diff(stem.len()) <= edits)
            .map(|(term, text)| (strsim::osa_distance(stem, text), term, text))
            .filter(|(distance, ..)| *distance <= edits)
            .collect();
        like.sort_by_key(|(distance, _, text)| (*distance, *text));
        like.into_iter().map(|(_, term, _)| term).collect()
    }

    fn want_text(&mut self, text: &str, word: &str, fit: Fit, factor: f32) {
        if let Some(term) = self.engine.terms.find(text) {
            self.want(term, word, fit, factor);
        }
    }

    fn want(&mut self, term: TermId, word: &str, fit: Fit, factor: f32) {
        let known = self
            .plan
            .wanted
            .iter()
            .position(|wanted| wanted.term == term);
        if known.is_none() && self.plan.wanted.len() == MAX_TERMS {
            return;
        }
        let engine = self.engine;
        let gain = factor * rarity(engine.terms.postings(term).len(), engine.len());
        let cover = if fit == Fit::Compound { 0.0 } else { factor };
        let at = known.unwrap_or(self.plan.wanted.len());
        match self.plan.wanted.get_mut(at) {
            None => self.plan.wanted.push(Wanted {
                term,
                word: word.to_owned(),
                fit,
                weight: gain,
                once: gain,
                cover,
            }),
            Some(wanted) if wanted.fit == Fit::Same && fit == Fit::Same => {
                wanted.weight += engine.weights.repeated * gain;
            }
            Some(wanted) if fit < wanted.fit || fit == wanted.fit && gain > wanted.weight => {
                word.clone_into(&mut wanted.word);
                wanted.fit = fit;
                wanted.weight = gain.max(wanted.weight);
                wanted.once = gain;
                wanted.cover = cover.max(wanted.cover);
            }
            Some(_) => {}
        }
        if let Some(sentence) = self.plan.sentences.last_mut()
            && fit == Fit::Same
            && !sentence.contains(&at)
        {
            sentence.push(at);
        }
    }
}
