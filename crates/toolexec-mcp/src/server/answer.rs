//! What a call answers, and how it reads over MCP.

use rmcp::model::{CallToolResult, ContentBlock, MetaObject};
use serde_json::{Map, Value, json};
use toolexec_core::{Content, Error, RunResult};

/// What a call answers, before it is put into the protocol's types.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Answer {
    pub(super) content: Vec<Content>,
    pub(super) structured: Option<Value>,
    pub(super) is_error: bool,
    pub(super) meta: Map<String, Value>,
}

impl Answer {
    /// A value for programs, and the same as text for clients that know only text.
    pub(super) fn structured(value: Value) -> Self {
        Self {
            content: vec![Content::text(value.to_string())],
            structured: Some(value),
            ..Self::default()
        }
    }

    /// Why the call failed, in words that a model can act on.
    pub(super) fn failure(error: &Error) -> Self {
        Self {
            is_error: true,
            ..Self::structured(json!({ "error": error.guest_report() }))
        }
    }

    /// The answer of a tool that the client called by its own name.
    pub(super) fn of_tool(result: RunResult, has_output_schema: bool) -> Self {
        let RunResult {
            value,
            is_error,
            content,
            meta,
            ..
        } = result;
        // What the blocks say already is not said twice; a schema is owed its value.
        let repeats = match &content[..] {
            [Content::Text { .. }] => false,
            [only] => json!(only) == value,
            _ => false,
        };
        let structured = if is_error && !has_output_schema {
            None
        } else {
            (has_output_schema || (value.is_object() && !repeats)).then(|| value.clone())
        };
        let content = if content.is_empty() {
            vec![Content::text(text_of(&value))]
        } else {
            content
        };
        Self {
            content,
            // An error need not fit the schema, and a client would refuse it.
            structured: structured.filter(|_| !is_error),
            is_error,
            meta,
        }
    }

    pub(super) fn into_result(self) -> CallToolResult {
        let content = self.content.iter().map(block).collect();
        let mut result = if self.is_error {
            CallToolResult::error(content)
        } else {
            CallToolResult::success(content)
        };
        result.structured_content = self.structured;
        result.meta = (!self.meta.is_empty()).then_some(MetaObject(self.meta));
        result
    }
}

/// A value as a model reads it: a text as it is, anything else as JSON.
pub(super) fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn block(content: &Content) -> ContentBlock {
    if let Content::Text { text, extra } = content
        && extra.is_empty()
    {
        return ContentBlock::text(text.clone());
    }
    let value = json!(content);
    serde_json::from_value(value.clone()).unwrap_or_else(|_| ContentBlock::text(value.to_string()))
}
