//! Results that are too large for a model: they are kept, and the model gets a handle.
//!
//! A handle stands for a whole value wherever arguments are given: the run path puts the value in
//! its place before it asks the policy, so a large result goes from one tool to another without
//! passing through a model. It is written `{"$result": "r_..."}`, or
//! `{"$result": "r_...", "at": "/items/0"}` for a part of the value.

mod preview;

use futures_util::future::BoxFuture;
use serde_json::{Map, Value};

pub use preview::{length_of, preview, type_of};

use crate::context::{ANONYMOUS, CallContext};
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::tool::Args;

/// The key that makes an object a handle.
pub const HANDLE_KEY: &str = "$result";
/// What every handle begins with.
pub const HANDLE_PREFIX: &str = "r_";
/// The key of the JSON Pointer in a handle.
const AT_KEY: &str = "at";
/// The most handles in the arguments of one call.
const MAX_HANDLES: usize = 100;

/// Keeps results, each for the caller whose call made it.
///
/// An implementation must
///
/// 1. give handles that nobody can guess, each beginning with [`HANDLE_PREFIX`];
/// 2. give a result to its owner only, and answer anybody else as if there were none;
/// 3. bound what it keeps, in size and in time.
pub trait ResultStore: Send + Sync + 'static {
    /// Keeps a value for `owner`, as JSON, and gives its handle.
    ///
    /// # Errors
    /// [`ErrorKind::LimitExceeded`] when there is no room for it.
    fn put<'a>(&'a self, owner: &'a str, json: Vec<u8>) -> BoxFuture<'a, Result<String>>;

    /// The value of a handle, as JSON.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is none, it has expired, or it is somebody else's.
    fn get<'a>(&'a self, owner: &'a str, handle: &'a str) -> BoxFuture<'a, Result<Vec<u8>>>;
}

/// Whose results a call makes and sees.
pub fn owner_of(cx: &CallContext) -> &str {
    cx.caller().map_or(ANONYMOUS, |caller| &caller.name)
}

/// Puts kept values in the place of their handles.
///
/// # Errors
/// When a handle has no value for this owner, or the value no such part.
///
/// # Cancel safety
/// Safe; the arguments are given back whole or not at all.
pub async fn resolve(store: &dyn ResultStore, owner: &str, args: Args) -> Result<Args> {
    let mut found = Vec::new();
    for value in args.values() {
        find(value, &mut found);
    }
    if found.is_empty() {
        return Ok(args);
    }
    if found.len() > MAX_HANDLES {
        let message = format!("more than {MAX_HANDLES} handles in one call");
        return Err(Error::new(ErrorKind::LimitExceeded, message).at(Stage::ValidateInput));
    }
    let mut values = Vec::with_capacity(found.len());
    for handle in &found {
        values.push(handle.value(store, owner).await?);
    }
    let mut values = values.into_iter();
    let mut args = args;
    for value in args.values_mut() {
        replace(value, &mut values);
    }
    Ok(args)
}

/// Whether there is a handle in a value.
pub fn holds_handle(value: &Value) -> bool {
    let mut found = Vec::new();
    find(value, &mut found);
    !found.is_empty()
}

/// A handle as it stands in arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Handle {
    id: String,
    at: String,
}

impl Handle {
    fn of(fields: &Map<String, Value>) -> Option<Self> {
        let id = fields.get(HANDLE_KEY)?.as_str()?;
        let at = match fields.get(AT_KEY) {
            None => "",
            Some(at) => at.as_str()?,
        };
        // What a model gets in place of a large value is a handle too, with all that it says.
        id.starts_with(HANDLE_PREFIX).then(|| Self {
            id: id.to_owned(),
            at: at.to_owned(),
        })
    }

    async fn value(&self, store: &dyn ResultStore, owner: &str) -> Result<Value> {
        let json = store
            .get(owner, &self.id)
            .await
            .map_err(|error| error.at(Stage::ValidateInput))?;
        let mut value: Value = serde_json::from_slice(&json).map_err(|error| {
            Error::new(ErrorKind::Internal, "a kept result is damaged").with_source(error)
        })?;
        match value.pointer_mut(&self.at) {
            Some(part) => Ok(part.take()),
            None => Err(no_part(&self.id, &self.at)),
        }
    }
}

/// The error for a pointer that leads nowhere.
pub fn no_part(handle: &str, at: &str) -> Error {
    Error::new(
        ErrorKind::InvalidInput,
        format!("the result {handle} has nothing at {at:?}"),
    )
    .at(Stage::ValidateInput)
    .with_hint("`at` is a JSON Pointer, such as /items/0/name")
}

fn find(value: &Value, found: &mut Vec<Handle>) {
    match value {
        Value::Object(fields) => match Handle::of(fields) {
            Some(handle) => found.push(handle),
            None => fields.values().for_each(|value| find(value, found)),
        },
        Value::Array(items) => items.iter().for_each(|value| find(value, found)),
        _ => {}
    }
}

/// Visits in the order of [`find`].
fn replace(value: &mut Value, values: &mut impl Iterator<Item = Value>) {
    match value {
        Value::Object(fields) => {
            if Handle::of(fields).is_some() {
                *value = values.next().unwrap_or_default();
            } else {
                for value in fields.values_mut() {
                    replace(value, values);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|value| replace(value, values)),
        _ => {}
    }
}
