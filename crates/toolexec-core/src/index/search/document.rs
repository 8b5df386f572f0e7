//! One tool as the search engine keeps it.

use super::fields::{PARTS, Part};
use super::score::Weights;
use super::terms::{DocId, Posting, TermId, Terms, number};
use super::text::{Splitter, Word};
use crate::id::ToolKey;

/// A tool as the search engine keeps it.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) key: ToolKey,
    pub(super) tags: Box<[String]>,
    /// The terms it has and, a bit for each [`Part`], where; by term.
    pub(super) terms: Box<[(TermId, u16)]>,
}

/// Collects the words of one tool.
pub(super) struct Collector<'a> {
    pub(super) terms: &'a mut Terms,
    pub(super) splitter: &'a mut Splitter,
    pub(super) weights: &'a Weights,
    pub(super) words: Words,
}

/// The words of one tool.
#[derive(Debug, Default)]
pub(super) struct Words {
    // Term, part and how often it counts.
    found: Vec<(TermId, Part, f32)>,
    lengths: [f32; PARTS],
    name: Vec<TermId>,
}

impl Collector<'_> {
    /// Adds the words of one text.
    pub(super) fn add(&mut self, part: Part, text: &str) {
        let naming = matches!(part, Part::Name | Part::Title | Part::Namespace | Part::Tag);
        let (terms, weights, words) = (&mut *self.terms, self.weights, &mut self.words);
        let mut before: Option<TermId> = None;
        self.splitter.split(text, |word| match word {
            Word::Whole(word) => {
                let term = terms.intern_word(word).term;
                words.found.push((term, part, weights.whole));
            }
            Word::Part(word) => {
                let word = terms.intern_word(word);
                // In prose they are noise; in names they may be all there is.
                if (word.stop || word.number) && !naming {
                    return;
                }
                words.found.push((word.term, part, 1.0));
                if word.stop {
                    return;
                }
                words.lengths[part as usize] += 1.0;
                if part == Part::Name {
                    words.name.push(word.term);
                }
                if matches!(part, Part::Name | Part::Title) {
                    if let Some(before) = before {
                        let pair = terms.intern_pair(before, word.term);
                        words.found.push((pair, part, weights.pair));
                    }
                    before = Some(word.term);
                }
            }
        });
    }

    /// Puts the words into the postings and makes the document.
    pub(super) fn finish(mut self, doc: DocId, key: &ToolKey, tags: &[String]) -> Document {
        let Words {
            found,
            lengths,
            name,
        } = &mut self.words;
        found.sort_unstable_by_key(|(term, part, _)| (*term, *part as u8));
        let mut terms = Vec::with_capacity(found.len());
        for same_term in found.chunk_by(|a, b| a.0 == b.0) {
            let term = same_term[0].0;
            let (mut frequency, mut parts) = (0.0, 0_u16);
            for same_part in same_term.chunk_by(|a, b| a.1 == b.1) {
                let part = same_part[0].1;
                let count: f32 = same_part.iter().map(|(_, _, count)| count).sum();
                frequency += self.weights.frequency(part, count, lengths[part as usize]);
                parts |= 1 << part as u16;
            }
            let times = name.iter().filter(|own| **own == term).count();
            let share = times as f32 / name.len().max(1) as f32;
            let impact = self.weights.impact(frequency);
            self.terms.add(term, Posting { doc, impact, share });
            terms.push((term, parts));
        }
        Document {
            key: key.clone(),
            tags: tags.into(),
            terms: terms.into(),
        }
    }
}

impl Document {
    /// Where it has a term; a bit for each [`Part`].
    pub(super) fn parts_with(&self, term: TermId) -> u16 {
        let at = self.terms.binary_search_by_key(&term, |(term, _)| *term);
        at.map_or(0, |at| self.terms[at].1)
    }

    /// Gives its terms their new numbers.
    pub(super) fn renumber(&mut self, renumbered: &[TermId]) {
        for (term, _) in &mut self.terms {
            *term = renumbered
                .get(*term as usize)
                .copied()
                .unwrap_or(number(usize::MAX));
        }
        self.terms.sort_unstable_by_key(|(term, _)| *term);
    }
}
