//! What is kept of a call.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use toolexec_wire::CallError;

use crate::backend::BackendRef;

/// One call that a program made, with what became of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CallRecord {
    /// Its number, from 1, in the order in which the program called.
    pub number: u64,
    /// What was called for.
    pub op: CallOp,
    /// The tool as the program named it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// The arguments, the chain or the query.
    pub args: Value,
    /// The value; of a chain, its outcome with every step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// Why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<CallError>,
    /// Where the tool ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend: Option<BackendRef>,
    /// When it was made, from the start of the program.
    #[serde(rename = "start_ms", serialize_with = "crate::run::as_millis")]
    pub start: Duration,
    /// How long it took, the time in which it waited for its turn included.
    #[serde(rename = "duration_ms", serialize_with = "crate::run::as_millis")]
    pub duration: Duration,
    /// The lane it is drawn in: calls of the same lane did not overlap.
    pub lane: usize,
    /// What was left out of the record because it was too large. The program had it whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub omitted: Option<Omitted>,
}

/// What a call was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CallOp {
    /// Running a tool.
    Run,
    /// Running a chain.
    Chain,
    /// Finding tools.
    Search,
    /// Describing a tool.
    Describe,
    /// The examples of a tool.
    Examples,
    /// The namespaces.
    Namespaces,
}

/// What was left out of a record, in bytes of JSON.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Omitted {
    /// Of the arguments.
    #[serde(skip_serializing_if = "is_zero")]
    pub args_bytes: usize,
    /// Of the result.
    #[serde(skip_serializing_if = "is_zero")]
    pub result_bytes: usize,
}

/// How much the records of one program may still keep.
#[derive(Debug)]
pub(super) struct Keep {
    left: usize,
}

/// The most that one value of a record keeps, and that all of them do.
const MAX_VALUE: usize = 256 << 10;
const MAX_TOTAL: usize = 8 << 20;

impl Keep {
    pub(super) fn new() -> Self {
        Self { left: MAX_TOTAL }
    }

    /// The value if there is room for it, else its size.
    pub(super) fn fit(&mut self, value: &Value) -> Result<Value, usize> {
        let size = size_of_json(value);
        if size > MAX_VALUE || size > self.left {
            return Err(size);
        }
        self.left -= size;
        Ok(value.clone())
    }
}

/// About as many bytes as the value has as JSON, without making the text.
pub(super) fn size_of_json(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 4,
        // In memory a number takes more than its digits.
        Value::Number(_) => 8,
        Value::String(text) => text.len() + 2,
        Value::Array(items) => {
            2 + items
                .iter()
                .map(|item| size_of_json(item) + 1)
                .sum::<usize>()
        }
        Value::Object(fields) => {
            let field = |(key, value): (&String, &Value)| key.len() + 4 + size_of_json(value);
            2 + fields.iter().map(field).sum::<usize>()
        }
    }
}

/// How deep the value nests; a scalar has depth 0. Stops counting at `most + 1`.
pub(super) fn depth_up_to(value: &Value, most: usize) -> usize {
    fn below<'a>(items: impl Iterator<Item = &'a Value>, most: usize) -> usize {
        let Some(most) = most.checked_sub(1) else {
            return 1;
        };
        1 + items
            .map(|item| depth_up_to(item, most))
            .max()
            .unwrap_or_default()
    }
    match value {
        Value::Array(items) => below(items.iter(), most),
        Value::Object(fields) => below(fields.values(), most),
        _ => 0,
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn depth_is_counted_no_deeper_than_asked() {
        assert_eq!(depth_up_to(&json!(1), 3), 0);
        assert_eq!(depth_up_to(&json!([]), 3), 1);
        assert_eq!(depth_up_to(&json!([1, {"a": [2]}]), 3), 3);
        let mut deep = json!(1);
        for _ in 0..1000 {
            deep = json!([deep]);
        }
        assert_eq!(depth_up_to(&deep, 10), 11);
    }

    #[test]
    fn records_keep_no_more_than_their_share() {
        let mut keep = Keep::new();
        let large = json!("x".repeat(MAX_VALUE));
        assert_eq!(keep.fit(&large), Err(MAX_VALUE + 2));
        let value = json!("x".repeat(MAX_VALUE - 2));
        for _ in 0..MAX_TOTAL / MAX_VALUE {
            assert_eq!(keep.fit(&value), Ok(value.clone()));
        }
        assert_eq!(keep.fit(&json!(1)), Err(8));
    }
}
