//! Why a tool was found.

use super::document::Document;
use super::fields::Part;
use super::plan::{Fit, Plan, Wanted};
use super::terms::Terms;
use crate::index::query::{Field, Match};

/// The words of the query that a document has, in the order of the query. Other words that were
/// taken for one are named only where the document does not have the word itself, and compounds
/// only where it has nothing else.
pub(super) fn matches(plan: &Plan, terms: &Terms, document: &Document) -> Vec<Match> {
    let has = |wanted: &&Wanted| document.parts_with(wanted.term) != 0;
    let had: Vec<&Wanted> = plan.wanted.iter().filter(has).collect();
    let itself = |word: &str| {
        had.iter()
            .any(|own| own.fit == Fit::Same && own.word == word)
    };
    let only_compounds = had.iter().all(|wanted| wanted.fit == Fit::Compound);
    had.iter()
        .filter(|wanted| match wanted.fit {
            Fit::Same => true,
            Fit::Other => !itself(&wanted.word),
            Fit::Compound => only_compounds,
        })
        .map(|wanted| Match {
            term: wanted.word.clone(),
            as_term: (wanted.fit == Fit::Other).then(|| terms.text(wanted.term).to_owned()),
            fields: fields(document.parts_with(wanted.term)),
        })
        .collect()
}

fn fields(parts: u16) -> Vec<Field> {
    let here = Part::ALL
        .into_iter()
        .filter(|part| parts & (1 << *part as u16) != 0);
    let mut fields: Vec<Field> = here.map(Part::field).collect();
    fields.dedup();
    fields
}
