//! Reading a part of a result.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::task::spawn_blocking;
use toolexec_core::results::{no_part, owner_of, preview, type_of};
use toolexec_core::{CallContext, Error, ErrorKind, Result};

use super::Results;

/// How many characters of an item are shown that alone is too large.
const PREVIEW: usize = 1000;

/// What is read of a result.
#[derive(Debug, Clone, Default, Deserialize)]
pub(in crate::server) struct Read {
    /// The handle.
    pub(in crate::server) result: String,
    /// A JSON Pointer to a part of it.
    #[serde(default)]
    pub(in crate::server) at: String,
    /// How many characters, items or fields are left out at the beginning.
    #[serde(default)]
    pub(in crate::server) offset: usize,
    /// How many there are at most.
    pub(in crate::server) limit: Option<usize>,
    /// A filter, instead of a slice.
    pub(in crate::server) jq: Option<String>,
}

impl Results {
    /// Reads a part of a result.
    ///
    /// # Cancel safety
    /// Safe; a filter that runs is killed.
    pub(in crate::server) async fn read(&self, read: Read, cx: &CallContext) -> Result<Value> {
        let json = self.store().get(owner_of(cx), &read.result).await?;
        let max = self.max_inline;
        if let Some(filter) = read.jq.clone() {
            let Some(program) = &self.jq else {
                let message = "this server applies no jq filters";
                return Err(Error::new(ErrorKind::Unsupported, message)
                    .with_hint("read the result with `at`, `offset` and `limit`"));
            };
            let json = match read.at.as_str() {
                "" => json,
                _ => blocking(move || Ok(part(&json, &read)?.to_string().into_bytes())).await?,
            };
            return program.apply(&filter, &json, max, cx).await;
        }
        blocking(move || Ok(slice(part(&json, &read)?, &read, max))).await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    spawn_blocking(work).await.map_err(|error| {
        Error::new(ErrorKind::Internal, "the result could not be read").with_source(error)
    })?
}

fn part(json: &[u8], read: &Read) -> Result<Value> {
    let mut value: Value = serde_json::from_slice(json).map_err(|error| {
        Error::new(ErrorKind::Internal, "a kept result is damaged").with_source(error)
    })?;
    match value.pointer_mut(&read.at) {
        Some(part) => Ok(part.take()),
        None => Err(no_part(&read.result, &read.at)),
    }
}

/// As much of the value as was asked for and fits.
fn slice(value: Value, read: &Read, max: usize) -> Value {
    let limit = read.limit.unwrap_or(usize::MAX);
    let kind = type_of(&value);
    let (shown, total, end) = match value {
        Value::String(text) => text_slice(&text, read.offset, limit.min(max)),
        Value::Array(items) => {
            let total = items.len();
            let wanted = items.into_iter().skip(read.offset).take(limit);
            let shown = fitting(
                wanted,
                max,
                |item| item.to_string().len() + 1,
                |item| shorten(&item),
            );
            let end = read.offset + shown.len();
            (Value::Array(shown), total, end)
        }
        Value::Object(fields) => {
            let total = fields.len();
            let wanted = fields.into_iter().skip(read.offset).take(limit);
            let size = |(key, value): &(String, Value)| key.len() + value.to_string().len() + 4;
            let short = |(key, value)| (key, shorten(&value));
            let shown: Vec<(String, Value)> = fitting(wanted, max, size, short);
            let end = read.offset + shown.len();
            (Value::Object(Map::from_iter(shown)), total, end)
        }
        other => return json!({"value": other, "type": kind}),
    };
    let mut answer = json!({"value": shown, "type": kind, "total": total});
    if end < total {
        answer["next_offset"] = json!(end);
    }
    answer
}

fn text_slice(text: &str, offset: usize, limit: usize) -> (Value, usize, usize) {
    let shown: String = text.chars().skip(offset).take(limit).collect();
    let end = offset + shown.chars().count();
    (Value::String(shown), text.chars().count(), end)
}

/// The first of `items` that fit into `max` bytes together; the very first in short where it alone
/// does not.
fn fitting<T>(
    items: impl Iterator<Item = T>,
    max: usize,
    size: impl Fn(&T) -> usize,
    shorten: impl Fn(T) -> T,
) -> Vec<T> {
    let mut shown = Vec::new();
    let mut left = max;
    for item in items {
        let needs = size(&item);
        if needs <= left {
            left -= needs;
            shown.push(item);
        } else if shown.is_empty() {
            shown.push(shorten(item));
            break;
        } else {
            break;
        }
    }
    shown
}

/// What is shown of a part that is too large: what it is, and its beginning.
fn shorten(value: &Value) -> Value {
    json!({
        "too_large": type_of(value),
        "bytes": value.to_string().len(),
        "preview": preview(value, PREVIEW),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(
        clippy::needless_pass_by_value,
        reason = "reads better where it is called"
    )]
    fn read(value: Value, read: Value, max: usize) -> Value {
        let mut read = read;
        read["result"] = json!("r_x");
        let read: Read = serde_json::from_value(read).unwrap();
        let json = value.to_string().into_bytes();
        match part(&json, &read) {
            Ok(value) => slice(value, &read, max),
            Err(error) => json!(error.to_string()),
        }
    }

    #[test]
    fn a_text_is_read_by_characters() {
        let text = json!("äöüabc");
        let cases = [
            (
                json!({}),
                4,
                json!({"value": "äöüa", "type": "string", "total": 6, "next_offset": 4}),
            ),
            (
                json!({"offset": 4}),
                4,
                json!({"value": "bc", "type": "string", "total": 6}),
            ),
            (
                json!({"offset": 1, "limit": 2}),
                4,
                json!({"value": "öü", "type": "string", "total": 6, "next_offset": 3}),
            ),
            (
                json!({"offset": 99}),
                4,
                json!({"value": "", "type": "string", "total": 6}),
            ),
        ];
        for (asked, max, wanted) in cases {
            assert_eq!(read(text.clone(), asked.clone(), max), wanted, "{asked}");
        }
    }

    #[test]
    fn a_list_is_read_by_items_and_an_object_by_fields() {
        let items = json!([10, 20, 30]);
        let wanted = json!({"value": [20], "type": "array", "total": 3, "next_offset": 2});
        assert_eq!(
            read(items.clone(), json!({"offset": 1, "limit": 1}), 99),
            wanted
        );
        let wanted = json!({"value": [10, 20], "type": "array", "total": 3, "next_offset": 2});
        assert_eq!(read(items, json!({}), 7), wanted);
        let fields = json!({"a": 1, "b": {"c": [true]}, "d": 3});
        let wanted = json!({"value": {"b": {"c": [true]}, "d": 3}, "type": "object", "total": 3});
        assert_eq!(read(fields.clone(), json!({"offset": 1}), 99), wanted);
        let wanted = json!({"value": true, "type": "boolean"});
        assert_eq!(read(fields.clone(), json!({"at": "/b/c/0"}), 99), wanted);
        let wanted = json!("the result r_x has nothing at \"/b/x\"");
        assert_eq!(read(fields, json!({"at": "/b/x"}), 99), wanted);
    }

    #[test]
    fn an_item_that_alone_is_too_large_is_shown_in_short() {
        let items = json!(["x".repeat(50), 1]);
        let item = json!({"too_large": "string", "bytes": 52, "preview": "x".repeat(50)});
        let wanted = json!({"value": [item], "type": "array", "total": 2, "next_offset": 1});
        assert_eq!(read(items, json!({}), 20), wanted);
    }
}
