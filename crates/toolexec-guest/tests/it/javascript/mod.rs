//! JavaScript programs.

mod basics;
mod fetch;
mod hostile;
mod language;
mod typescript;

use serde_json::Value;
use toolexec_wire::Language;

use crate::harness::{self, Ran};

/// Runs a JavaScript program.
pub(crate) fn js(source: &str) -> Ran {
    harness::run(Language::JavaScript, source)
}

/// The value of a JavaScript program that must not fail.
pub(crate) fn value(source: &str) -> Value {
    js(source)
        .result
        .unwrap_or_else(|failure| panic!("{failure:#?}\nof {source}"))
}
