//! What somebody registered about a tool.

use serde::{Deserialize, Serialize};

use super::example::Example;
use super::summary::shorten;
use crate::error::Result;

/// The longest summary, in characters.
pub const MAX_SUMMARY: usize = 200;
/// The longest notes, in characters.
pub const MAX_NOTES: usize = 2000;
/// The most references a tool keeps.
pub const MAX_REFERENCES: usize = 20;

/// What somebody registered about a tool, beside what it says about itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct DocEntry {
    /// What it does, instead of the first sentence of its description; at most [`MAX_SUMMARY`]
    /// characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// What a caller should know; at most [`MAX_NOTES`] characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    /// Calls that show its use.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<Example>,
    /// Where to read more: URLs or names of documents; at most [`MAX_REFERENCES`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub external_refs: Vec<String>,
}

impl DocEntry {
    /// Brings every part to its limit and reports what was cut.
    ///
    /// # Errors
    /// [`ErrorKind::LimitExceeded`](crate::ErrorKind::LimitExceeded) for an example whose
    /// arguments are too large.
    pub(super) fn fit(&mut self, max_examples: usize) -> Result<Vec<String>> {
        let mut notices = fit_examples(&mut self.examples, max_examples)?;
        fit_text(&mut self.summary, "summary", MAX_SUMMARY, &mut notices);
        fit_text(&mut self.notes, "notes", MAX_NOTES, &mut notices);
        let references = self.external_refs.len();
        if references > MAX_REFERENCES {
            self.external_refs.truncate(MAX_REFERENCES);
            notices.push(format!("{references} references cut to {MAX_REFERENCES}"));
        }
        Ok(notices)
    }
}

/// Checks examples, keeps the first `max` and reports what was cut.
pub(super) fn fit_examples(examples: &mut Vec<Example>, max: usize) -> Result<Vec<String>> {
    let mut notices = Vec::new();
    for (number, example) in examples.iter_mut().enumerate() {
        example.fit(number, &mut notices)?;
    }
    let count = examples.len();
    if count > max {
        examples.truncate(max);
        notices.push(format!("{count} examples cut to {max}"));
    }
    Ok(notices)
}

/// Cuts a text and reports it.
pub(super) fn fit_text(
    text: &mut Option<String>,
    what: impl std::fmt::Display,
    max: usize,
    notices: &mut Vec<String>,
) {
    if let Some(text) = text {
        let length = text.trim().chars().count();
        *text = shorten(text, max);
        if length > max {
            notices.push(format!("{what} of {length} characters cut to {max}"));
        }
    }
}
