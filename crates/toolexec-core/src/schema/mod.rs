//! JSON Schema, compiled once and checked offline.

mod violation;

use std::fmt;
use std::sync::Arc;

use jsonschema::Validator;
use serde_json::Value;

pub use violation::Violation;

/// The most violations reported for one value.
pub const MAX_VIOLATIONS: usize = 32;

/// A compiled schema: drafts 4 to 2020-12, the latter when the schema names none.
///
/// A `$ref` is followed inside the document only; nothing is ever fetched. `format` is an
/// annotation, as the specification has it by default.
#[derive(Clone)]
pub struct Schema {
    source: Arc<Value>,
    validator: Arc<Validator>,
}

/// Why a schema cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct SchemaError {
    reason: String,
}

impl Schema {
    /// Compiles a schema.
    pub fn compile(source: Arc<Value>) -> Result<Self, SchemaError> {
        if !matches!(*source, Value::Object(_) | Value::Bool(_)) {
            return Err(SchemaError {
                reason: "a schema is an object or a boolean".to_owned(),
            });
        }
        let validator = jsonschema::options()
            .offline()
            .build(&source)
            .map_err(|error| SchemaError {
                reason: reason(&error),
            })?;
        Ok(Self {
            source,
            validator: Arc::new(validator),
        })
    }

    /// The schema as it was written.
    pub fn source(&self) -> &Arc<Value> {
        &self.source
    }

    /// Checks a value and reports everything that is wrong with it, at most [`MAX_VIOLATIONS`].
    pub fn validate(&self, value: &Value) -> Result<(), Vec<Violation>> {
        if self.validator.is_valid(value) {
            return Ok(());
        }
        let errors = self.validator.iter_errors(value).take(MAX_VIOLATIONS);
        let mut violations: Vec<Violation> = errors.map(|error| Violation::of(&error)).collect();
        // The validator's own order follows the schema's keywords, which means nothing to readers.
        violations.sort_by(|a, b| a.path.cmp(&b.path));
        Err(violations)
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Schema").field(&self.source).finish()
    }
}

fn reason(error: &jsonschema::ValidationError<'_>) -> String {
    let place = error.instance_path().to_string();
    if place.is_empty() {
        error.to_string()
    } else {
        format!("at {place}: {error}")
    }
}
