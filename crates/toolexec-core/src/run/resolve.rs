//! Finding the tool and the backends that may run it.

use std::sync::Arc;

use serde_json::Value;

use super::request::{BackendChoice, Request};
use super::settings::RunSettings;
use crate::backend::BackendKind;
use crate::context::CallContext;
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::index::{Binding, Entry};
use crate::tool::Args;

/// A call whose tool was found.
#[derive(Debug)]
pub(super) struct Resolved {
    pub(super) first: Arc<Binding>,
    /// Where to go when the first fails, in order.
    pub(super) others: Vec<Arc<Binding>>,
    pub(super) args: Args,
    pub(super) cx: CallContext,
}

impl Request {
    pub(super) fn resolve(self, entry: &Entry, settings: &RunSettings) -> Result<Resolved> {
        let args = match self.args {
            Value::Object(args) => args,
            Value::Null => Args::new(),
            other => return Err(not_an_object(entry, &other)),
        };
        let (first, others) = candidates(entry, &self.backend, settings)?;
        Ok(Resolved {
            first,
            others,
            args,
            cx: self.cx,
        })
    }
}

fn candidates(
    entry: &Entry,
    choice: &BackendChoice,
    settings: &RunSettings,
) -> Result<(Arc<Binding>, Vec<Arc<Binding>>)> {
    let bindings = entry.bindings();
    if let [only] = bindings
        && choice.allows(only.backend_ref())
    {
        return Ok((only.clone(), Vec::new()));
    }
    let mut allowed: Vec<Arc<Binding>> = bindings
        .iter()
        .filter(|binding| choice.allows(binding.backend_ref()))
        .cloned()
        .collect();
    allowed.sort_by_key(|binding| rank(binding.backend_ref().kind, &settings.preference));
    if allowed.is_empty() {
        return Err(no_backend(entry, choice));
    }
    let first = allowed.remove(0);
    Ok((
        first,
        if settings.fail_over {
            allowed
        } else {
            Vec::new()
        },
    ))
}

fn rank(kind: BackendKind, preference: &[BackendKind]) -> (usize, BackendKind) {
    let place = preference.iter().position(|preferred| *preferred == kind);
    (place.unwrap_or(preference.len()), kind)
}

fn no_backend(entry: &Entry, choice: &BackendChoice) -> Error {
    let have: Vec<String> = entry
        .bindings()
        .iter()
        .map(|binding| binding.backend_ref().to_string())
        .collect();
    Error::new(
        ErrorKind::NoBackend,
        format!("tool {} is not offered by {choice}", entry.tool().id),
    )
    .at(Stage::Resolve)
    .for_tool(&entry.tool().id)
    .with_hint(format!("it is offered by {}", have.join(", ")))
}

fn not_an_object(entry: &Entry, found: &Value) -> Error {
    let kind = match found {
        Value::Array(_) => "an array",
        Value::String(_) => "a string",
        Value::Number(_) => "a number",
        _ => "a boolean",
    };
    Error::new(
        ErrorKind::InvalidInput,
        format!("arguments are a JSON object, not {kind}"),
    )
    .at(Stage::ValidateInput)
    .for_tool(&entry.tool().id)
}
