//! The numbers of the ranking.
//!
//! They were set by search over one half of the queries of several public data sets and chosen
//! with the other half in view; the quality bench prints both.

use super::fields::{PARTS, Part};

/// How much words count, by where they are and how they fit.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Weights {
    /// How soon a word that is repeated counts no more (BM25's k1).
    pub(crate) k1: f32,
    /// How much a word counts in each part of a tool, in the order of [`Part`].
    pub(crate) part: [f32; PARTS],
    /// How much less it counts in a long part (BM25's b).
    pub(crate) b: [f32; PARTS],
    /// The length of each part, in words, that is neither long nor short. Fixed, so that a tool
    /// weighs the same whatever else is in the index and in whatever order it came.
    pub(crate) pivot: [f32; PARTS],
    /// A compound that fits as a whole, such as `readfile`.
    pub(crate) whole: f32,
    /// Two words that follow each other in the name.
    pub(crate) pair: f32,
    /// A compound of the query, or two words of it that are one in the tool.
    pub(crate) joined: f32,
    /// What it adds when the words of the name are all in the query.
    pub(crate) cover: f32,
    /// A word near in meaning.
    pub(crate) synonym: f32,
    /// A near word for what tools commonly do.
    pub(crate) verb: f32,
    /// A word that begins with a word of the query that no tool has.
    pub(crate) longer: f32,
    /// A word spelled nearly like a word of the query that no tool has.
    pub(crate) spelling: f32,
    /// What each repetition in the query adds.
    pub(crate) repeated: f32,
    /// A number of the query.
    pub(crate) number: f32,
    /// A word of how people ask.
    pub(crate) filler: f32,
    /// How much of the score is the best sentence of the query alone.
    pub(crate) sentence: f32,
}

impl Default for Weights {
    fn default() -> Self {
        Self {
            k1: 1.3,
            //     name title space tag lead body param text value
            part: [2.0, 2.0, 4.5, 1.5, 1.4, 0.7, 1.0, 1.0, 0.4],
            b: [0.2, 0.3, 0.2, 0.3, 0.2, 0.3, 0.45, 0.3, 0.6],
            pivot: [3.2, 3.0, 1.5, 2.0, 8.0, 20.0, 2.2, 13.0, 10.0],
            whole: 2.5,
            pair: 0.45,
            joined: 0.3,
            cover: 0.4,
            synonym: 0.17,
            verb: 0.2,
            longer: 0.5,
            spelling: 0.25,
            repeated: 0.1,
            number: 0.2,
            filler: 0.15,
            sentence: 0.5,
        }
    }
}

impl Weights {
    /// The weighted frequency of a word that one part of `length` words has `count` times.
    pub(super) fn frequency(&self, part: Part, count: f32, length: f32) -> f32 {
        let at = part as usize;
        let b = self.b[at];
        self.part[at] * count / (1.0 - b + b * length.max(1.0) / self.pivot[at])
    }

    /// What a weighted frequency is worth.
    pub(super) fn impact(&self, frequency: f32) -> f32 {
        (self.k1 + 1.0) * frequency / (self.k1 + frequency)
    }

    /// The score of a tool: `total` of all words, `best` of the sentence that fits best, and the
    /// share `cover` of its name that the query covers.
    pub(super) fn score(&self, total: f32, best: f32, cover: f32) -> f32 {
        let cover = cover.min(1.0);
        self.words(total, best) * (1.0 + self.cover * cover * cover.sqrt())
    }

    /// The most that the score can be, whatever the name.
    pub(super) fn most(&self, total: f32, best: f32) -> f32 {
        self.words(total, best) * (1.0 + self.cover)
    }

    fn words(&self, total: f32, best: f32) -> f32 {
        (1.0 - self.sentence) * total + self.sentence * best
    }
}

/// How rare a word is that `having` of `all` tools have (BM25's idf).
pub(super) fn rarity(having: usize, all: usize) -> f32 {
    let (having, all) = (having as f32, all as f32);
    (1.0 + (all - having + 0.5) / (having + 0.5)).ln()
}
