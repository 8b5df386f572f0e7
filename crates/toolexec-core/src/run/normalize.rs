//! Bringing every backend's answer into one shape.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::dispatch::Answered;
use super::result::RunResult;
use crate::backend::{RawContent, RawOutput, ToolFailure};
use crate::content::Content;
use crate::schema::Schema;

/// An answer in the common shape, its value not checked yet.
#[derive(Debug)]
pub(super) struct Normalized {
    pub(super) result: RunResult,
    pub(super) output_schema: Option<Schema>,
}

impl Answered {
    pub(super) fn normalize(self) -> Normalized {
        let output_schema = self
            .binding
            .schemas()
            .ok()
            .and_then(|schemas| schemas.output.clone());
        let (mut value, is_error, content, meta) = match self.output {
            RawOutput::Value(value) => (value, false, Vec::new(), Map::new()),
            RawOutput::Failure(failure) => {
                let (value, content) = from_failure(failure);
                (value, true, content, Map::new())
            }
            RawOutput::Content(raw) => {
                let value = value_of(&raw, output_schema.is_some());
                (value, raw.is_error, raw.content, raw.meta)
            }
        };
        whole_floats_to_integers(&mut value);
        Normalized {
            result: RunResult {
                value,
                is_error,
                tool: self.binding.tool().id.clone(),
                backend: self.binding.backend_ref().clone(),
                duration: Duration::ZERO,
                content,
                meta,
                warnings: self.warnings,
            },
            output_schema,
        }
    }
}

fn from_failure(failure: ToolFailure) -> (Value, Vec<Content>) {
    let ToolFailure { message, value } = failure;
    let value = value.unwrap_or_else(|| json!({ "message": message }));
    (value, vec![Content::text(message)])
}

/// The value of content blocks: the structured content if there is some; else the text of the
/// blocks when all are text (one: the text, several: a list); else the blocks themselves.
///
/// A text becomes JSON only when it holds an object or array, or when the tool has an output
/// schema: a text such as `42` or `true` is otherwise meant as text.
fn value_of(raw: &RawContent, has_schema: bool) -> Value {
    if let Some(value) = &raw.structured {
        return value.clone();
    }
    let texts: Option<Vec<&str>> = raw.content.iter().map(Content::as_text).collect();
    match texts.as_deref() {
        Some([]) => Value::Null,
        Some([text]) => text_value(text, has_schema && !raw.is_error),
        Some(several) => several.iter().map(|text| text_value(text, false)).collect(),
        None => {
            let mut blocks: Vec<Value> = raw.content.iter().map(|block| json!(block)).collect();
            if blocks.len() == 1 {
                blocks.remove(0)
            } else {
                Value::Array(blocks)
            }
        }
    }
}

fn text_value(text: &str, any_json: bool) -> Value {
    let looks_structured = text.trim_start().starts_with(['{', '[']);
    if (looks_structured || any_json)
        && let Ok(value) = serde_json::from_str(text)
    {
        return value;
    }
    Value::String(text.to_owned())
}

/// JSON has one kind of number: a float without fraction becomes the integer it is, where a
/// double holds integers exactly.
fn whole_floats_to_integers(value: &mut Value) {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::Number(number) if number.is_f64() => {
            if let Some(float) = number.as_f64()
                && float.fract() == 0.0
                && float.abs() <= EXACT
            {
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "checked to be whole and in range"
                )]
                let integer = float as i64;
                *number = integer.into();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(whole_floats_to_integers),
        Value::Object(fields) => fields.values_mut().for_each(whole_floats_to_integers),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(blocks: Vec<Content>) -> RawContent {
        RawContent {
            content: blocks,
            ..RawContent::default()
        }
    }

    fn texts(texts: &[&str]) -> RawContent {
        content(texts.iter().copied().map(Content::text).collect())
    }

    #[test]
    fn texts_become_json_only_when_they_are_meant_as_json() {
        let cases = [
            (texts(&[]), false, json!(null)),
            (texts(&["42"]), false, json!("42")),
            (texts(&["42"]), true, json!(42)),
            (texts(&["true"]), false, json!("true")),
            (texts(&["{\"a\": 1}"]), false, json!({"a": 1})),
            (texts(&[" [1, 2]"]), false, json!([1, 2])),
            (texts(&["[not json"]), false, json!("[not json")),
            (
                texts(&["one", "{\"a\": 1}"]),
                false,
                json!(["one", {"a": 1}]),
            ),
        ];
        for (raw, has_schema, value) in cases {
            assert_eq!(value_of(&raw, has_schema), value, "{raw:?}");
        }
    }

    #[test]
    fn structured_content_wins() {
        let raw = RawContent {
            structured: Some(json!({"a": 1})),
            ..texts(&["text"])
        };
        assert_eq!(value_of(&raw, false), json!({"a": 1}));
    }

    #[test]
    fn other_blocks_are_kept_as_they_are() {
        let image: Content = serde_json::from_value(
            json!({"type": "image", "data": "AA==", "mimeType": "image/png"}),
        )
        .unwrap();
        let block = json!({"type": "image", "data": "AA==", "mimeType": "image/png"});
        assert_eq!(value_of(&content(vec![image.clone()]), false), block);
        assert_eq!(
            value_of(&content(vec![Content::text("hi"), image]), false),
            json!([{"type": "text", "text": "hi"}, block])
        );
    }

    #[test]
    fn whole_floats_print_as_integers() {
        let mut value = json!([8.0, 8.5, -0.0, 1e300, {"n": 3.0}]);
        whole_floats_to_integers(&mut value);
        assert_eq!(value.to_string(), "[8,8.5,0,1e+300,{\"n\":3}]");
    }
}
