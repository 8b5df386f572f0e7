//! What a model sees of a value that it does not get whole.

use serde_json::{Map, Value};

/// How many items of a list are shown.
const ITEMS: usize = 3;
/// How many fields of an object are shown.
const FIELDS: usize = 20;
/// How many characters of a text inside a value are shown.
const TEXT: usize = 80;
/// How deep a value is shown.
const DEPTH: usize = 4;

/// The JSON type of a value.
pub fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// How many characters, items or fields a value has.
pub fn length_of(value: &Value) -> usize {
    match value {
        Value::String(text) => text.chars().count(),
        Value::Array(items) => items.len(),
        Value::Object(fields) => fields.len(),
        _ => 0,
    }
}

/// The beginning of a value in at most `max` characters: of a text its beginning, of anything else
/// its shape, with long lists, texts and objects cut short.
pub fn preview(value: &Value, max: usize) -> String {
    match value {
        Value::String(text) => cut(text, max),
        other => cut(&outline(other, DEPTH).to_string(), max),
    }
}

fn outline(value: &Value, depth: usize) -> Value {
    match value {
        Value::Array(items) if depth == 0 => format!("[{} items]", items.len()).into(),
        Value::Object(fields) if depth == 0 => format!("{{{} fields}}", fields.len()).into(),
        Value::String(text) => cut(text, TEXT).into(),
        Value::Array(items) => {
            let mut shown: Vec<Value> = items
                .iter()
                .take(ITEMS)
                .map(|item| outline(item, depth - 1))
                .collect();
            if let Some(more) = items.len().checked_sub(ITEMS).filter(|more| *more > 0) {
                shown.push(format!("… {more} more").into());
            }
            Value::Array(shown)
        }
        Value::Object(fields) => {
            let mut shown: Map<String, Value> = fields
                .iter()
                .take(FIELDS)
                .map(|(key, value)| (cut(key, TEXT), outline(value, depth - 1)))
                .collect();
            if let Some(more) = fields.len().checked_sub(FIELDS).filter(|more| *more > 0) {
                shown.insert("…".to_owned(), format!("{more} more").into());
            }
            Value::Object(shown)
        }
        other => other.clone(),
    }
}

fn cut(text: &str, max: usize) -> String {
    if text.char_indices().nth(max).is_none() {
        return text.to_owned();
    }
    let kept: String = text.chars().take(max.saturating_sub(1)).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_text_shows_its_beginning() {
        assert_eq!(preview(&json!("äöü"), 3), "äöü");
        assert_eq!(preview(&json!("äöüß"), 3), "äö…");
    }

    #[test]
    fn anything_else_shows_its_shape() {
        let rows: Vec<Value> = (0..9)
            .map(|n| json!({"n": n, "text": "x".repeat(99)}))
            .collect();
        let value = json!({"rows": rows, "deep": [[[[1, 2]]]]});
        let text = format!("{}…", "x".repeat(79));
        let row = |n: u32| json!({"n": n, "text": text});
        let wanted = json!({
            "rows": [row(0), row(1), row(2), "… 6 more"],
            "deep": [[["[2 items]"]]],
        });
        assert_eq!(preview(&value, 1000), wanted.to_string());
        assert_eq!(preview(&value, 10).chars().count(), 10);
    }
}
