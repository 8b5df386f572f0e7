//! Scores and the best of them.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::document::Document;
use super::plan::Plan;
use super::terms::DocId;
use super::{Filter, SearchEngine};
use crate::id::ToolKey;
use crate::index::page::Position;

/// A document and its score. The best is the least.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ranked<'a> {
    pub(super) score: f32,
    pub(super) document: &'a Document,
}

/// What is known of one document while a search runs.
#[derive(Debug, Clone, Copy, Default)]
struct Cell {
    total: f32,
    cover: f32,
    // Of the sentences so far, and of the one that is being read.
    best: f32,
    current: f32,
    sentence: u32,
}

thread_local! {
    // One for each document; kept, because to make it anew costs more than the search.
    static CELLS: RefCell<Vec<Cell>> = const { RefCell::new(Vec::new()) };
}

/// The best `count` documents that pass `filter` and come after `after`, best first. `bonus` is
/// what single documents gain.
pub(super) fn best<'a>(
    engine: &'a SearchEngine,
    plan: &Plan,
    bonus: &[(DocId, f32)],
    filter: Filter<'_>,
    after: Option<&Position>,
    count: usize,
) -> Vec<Ranked<'a>> {
    CELLS.with_borrow_mut(|cells| {
        cells.clear();
        cells.resize(engine.documents.len(), Cell::default());
        fill(engine, plan, cells);
        for (doc, bonus) in bonus {
            let cell = &mut cells[*doc as usize];
            cell.total += bonus;
            cell.best = cell.best.max(cell.current) + bonus;
        }
        let mut best: BinaryHeap<Ranked<'a>> = BinaryHeap::with_capacity(count.min(256) + 1);
        // What the worst of the best has, once there are enough of them.
        let mut least = 0.0;
        for (cell, document) in cells.iter().zip(&engine.documents) {
            if cell.total <= 0.0 {
                continue;
            }
            let sentence = cell.best.max(cell.current);
            if engine.weights.most(cell.total, sentence) < least {
                continue;
            }
            let score = engine.weights.score(cell.total, sentence, cell.cover);
            let Some(document) = document else { continue };
            let ranked = Ranked { score, document };
            if !filter.passes(document) || after.is_some_and(|after| !ranked.comes_after(after)) {
                continue;
            }
            best.push(ranked);
            if best.len() > count {
                best.pop();
            }
            if best.len() == count {
                least = best.peek().map_or(0.0, |worst| worst.score);
            }
        }
        best.into_sorted_vec()
    })
}

fn fill(engine: &SearchEngine, plan: &Plan, cells: &mut [Cell]) {
    let mut counted = vec![false; plan.wanted.len()];
    for (number, sentence) in (1_u32..).zip(&plan.sentences) {
        for at in sentence {
            let wanted = &plan.wanted[*at];
            let again = std::mem::replace(&mut counted[*at], true);
            let (weight, cover) = if again {
                (0.0, 0.0)
            } else {
                (wanted.weight, wanted.cover)
            };
            for posting in engine.terms.postings(wanted.term) {
                let cell = &mut cells[posting.doc as usize];
                if cell.sentence != number {
                    cell.best = cell.best.max(cell.current);
                    cell.current = 0.0;
                    cell.sentence = number;
                }
                cell.total += weight * posting.impact;
                cell.current += wanted.once * posting.impact;
                cell.cover += cover * posting.share;
            }
        }
    }
    for (wanted, _) in plan
        .wanted
        .iter()
        .zip(counted)
        .filter(|(_, counted)| !counted)
    {
        for posting in engine.terms.postings(wanted.term) {
            let cell = &mut cells[posting.doc as usize];
            cell.total += wanted.weight * posting.impact;
            cell.cover += wanted.cover * posting.share;
        }
    }
}

impl Ranked<'_> {
    fn comes_after(&self, position: &Position) -> bool {
        order(
            (self.score, &self.document.key),
            (position.score, &position.key),
        )
        .is_gt()
    }
}

impl Filter<'_> {
    pub(super) fn passes(&self, document: &Document) -> bool {
        self.namespace
            .is_none_or(|namespace| namespace == document.key.namespace())
            && self.tags.iter().all(|tag| document.tags.contains(tag))
            && self.sight.is_none_or(|sees| sees(&document.key))
    }
}

// Higher scores first, then by key: the same in every index with the same tools.
fn order(a: (f32, &ToolKey), b: (f32, &ToolKey)) -> Ordering {
    b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1))
}

impl Ord for Ranked<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        order(
            (self.score, &self.document.key),
            (other.score, &other.document.key),
        )
    }
}

impl PartialOrd for Ranked<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ranked<'_> {}
