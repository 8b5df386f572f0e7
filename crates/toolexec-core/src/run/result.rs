//! What a call answers.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::backend::BackendRef;
use crate::content::Content;
use crate::error::{Error, ErrorKind};
use crate::id::ToolId;

/// The answer of a tool, in the same shape for every backend.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[must_use = "a tool's own failure is a result too: look at `is_error`"]
pub struct RunResult {
    /// The value.
    pub value: Value,
    /// Whether the tool failed by its own word; `value` and `content` then say how.
    pub is_error: bool,
    /// The tool that ran, with the version that was chosen.
    pub tool: ToolId,
    /// Where it ran.
    pub backend: BackendRef,
    /// From the start of the call to here.
    #[serde(rename = "duration_ms", serialize_with = "as_millis")]
    pub duration: Duration,
    /// The content blocks of an MCP tool, as they came.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub content: Vec<Content>,
    /// MCP's `_meta`.
    #[serde(rename = "_meta", skip_serializing_if = "Map::is_empty")]
    pub meta: Map<String, Value>,
    /// What was not quite right, such as a value that does not fit its schema.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl RunResult {
    /// The value, or the tool's own failure as an error.
    pub fn into_value(self) -> Result<Value, Error> {
        if self.is_error {
            Err(self.failure())
        } else {
            Ok(self.value)
        }
    }

    /// The tool's own failure as an error of kind [`ErrorKind::Backend`].
    fn failure(&self) -> Error {
        Error::new(ErrorKind::Backend, self.failure_message())
            .for_tool(&self.tool)
            .on_backend(&self.backend)
    }

    /// What the tool said about its failure, on one line if it did.
    pub fn failure_message(&self) -> String {
        let text: Vec<&str> = self.content.iter().filter_map(Content::as_text).collect();
        if !text.is_empty() {
            return text.join("\n");
        }
        match &self.value {
            Value::String(text) => text.clone(),
            Value::Object(fields) => ["message", "detail", "error", "title"]
                .iter()
                .find_map(|key| fields.get(*key)?.as_str().map(str::to_owned))
                .unwrap_or_else(|| self.value.to_string()),
            Value::Null => "the tool reported an error without saying which".to_owned(),
            other => other.to_string(),
        }
    }
}

/// Writes a duration as milliseconds with three decimals.
pub(crate) fn as_millis<S: serde::Serializer>(
    duration: &Duration,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    // Microseconds are as fine as a person or a log needs.
    serializer.serialize_f64((duration.as_secs_f64() * 1e6).round() / 1e3)
}
