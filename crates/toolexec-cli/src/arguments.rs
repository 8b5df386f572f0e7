//! The arguments of a tool as they are written on a command line.
//!
//! ```text
//! '{"a": 5}'     an object          @file       an object in a file
//! key=value      by the schema      -           an object on standard input
//! key:=json      any JSON
//! ```
//!
//! Later ones win, key by key; a key that the schema says is a list may be repeated.

use std::io::Read;
use std::path::Path;

use serde_json::{Map, Value};

use crate::diagnostics::Failure;

/// The largest file or input that is read.
const MAX_INPUT: u64 = 32 << 20;

/// What is known of a tool's arguments before its schema is looked at.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Word {
    /// A whole object.
    Object(Map<String, Value>),
    /// `key=value`.
    Text(String, String),
    /// `key:=json`.
    Json(String, Value),
}

/// Reads the words; files and standard input are read now.
pub(crate) fn read(words: &[String]) -> Result<Vec<Word>, Failure> {
    words.iter().map(|word| read_word(word)).collect()
}

/// Whether the schema is needed to make sense of the words.
pub(crate) fn need_schema(words: &[Word]) -> bool {
    words.iter().any(|word| matches!(word, Word::Text(..)))
}

/// Puts the words together; `schema` is the tool's input schema.
pub(crate) fn assemble(words: Vec<Word>, schema: &Value) -> Result<Map<String, Value>, Failure> {
    let mut args = Map::new();
    let mut given: Vec<String> = Vec::new();
    for word in words {
        match word {
            Word::Object(object) => args.extend(object),
            Word::Json(key, value) => {
                args.insert(key, value);
            }
            Word::Text(key, text) => {
                let property = property(schema, &key);
                let is_list = property.is_some_and(|property| takes(schema, property, "array"));
                let value = typed(schema, property, &text);
                let repeated = given.contains(&key);
                match (args.get_mut(&key), value) {
                    (Some(Value::Array(items)), Value::Array(more)) if repeated && is_list => {
                        items.extend(more);
                    }
                    (_, _) if repeated => {
                        let message = format!("the argument {key:?} is given twice");
                        return Err(Failure::usage(message)
                            .hint(format!("for a list, write {key}:='[...]'")));
                    }
                    (_, value) => {
                        args.insert(key.clone(), value);
                    }
                }
                given.push(key);
            }
        }
    }
    Ok(args)
}

fn read_word(word: &str) -> Result<Word, Failure> {
    if word == "-" {
        let mut text = String::new();
        let mut input = std::io::stdin().lock().take(MAX_INPUT);
        input
            .read_to_string(&mut text)
            .map_err(|error| Failure::usage(format!("standard input cannot be read: {error}")))?;
        return object(&text, "standard input");
    }
    if let Some(path) = word.strip_prefix('@') {
        return object(&read_file(Path::new(path))?, path);
    }
    if word.trim_start().starts_with(['{', '[']) {
        return object(word, "the argument");
    }
    let Some((key, value)) = word.split_once('=') else {
        return Err(
            Failure::usage(format!("the argument {word:?} has no value"))
                .hint("write key=value, key:=json, a JSON object, @file or -"),
        );
    };
    match key.strip_suffix(':') {
        Some(key) if !key.is_empty() => match serde_json::from_str(value) {
            Ok(value) => Ok(Word::Json(key.to_owned(), value)),
            Err(error) => Err(Failure::usage(format!("{key:?} is no valid JSON: {error}"))
                .hint(format!("for plain text, write {key}={value}"))),
        },
        _ if key.trim_end_matches(':').is_empty() => {
            Err(Failure::usage(format!("the argument {word:?} has no name"))
                .hint("write key=value"))
        }
        _ => Ok(Word::Text(key.to_owned(), value.to_owned())),
    }
}

/// Reads a text file of at most [`MAX_INPUT`] bytes.
pub(crate) fn read_file(path: &Path) -> Result<String, Failure> {
    String::from_utf8(read_bytes(path)?).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Failure::usage(format!(
            "{} is not text in UTF-8: byte {at} is not part of a character",
            path.display()
        ))
    })
}

/// Reads a file of at most [`MAX_INPUT`] bytes.
pub(crate) fn read_bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |error: std::io::Error| {
        Failure::usage(format!("{} cannot be read: {error}", path.display()))
    };
    let file = std::fs::File::open(path).map_err(failed)?;
    if file.metadata().is_ok_and(|data| data.len() > MAX_INPUT) {
        let most = MAX_INPUT >> 20;
        return Err(Failure::usage(format!(
            "{} is larger than {most} MiB",
            path.display()
        )));
    }
    let mut bytes = Vec::new();
    file.take(MAX_INPUT)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    Ok(bytes)
}

fn object(text: &str, whence: &str) -> Result<Word, Failure> {
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Ok(Word::Object(object)),
        Ok(other) => Err(Failure::usage(format!(
            "{whence} holds {}, but arguments are an object",
            kind(&other)
        ))
        .hint("for example {\"key\": \"value\"}")),
        Err(error) => Err(Failure::usage(format!(
            "{whence} holds no valid JSON: {error}"
        ))),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Gives a text the type that its schema wants. A text that is no such thing stays text, and the
/// validation says what is wrong with it.
fn typed(root: &Value, schema: Option<&Value>, text: &str) -> Value {
    let as_text = || Value::String(text.to_owned());
    let Some(schema) = schema else {
        return as_text();
    };
    let schema = resolve(root, schema);
    let json = serde_json::from_str::<Value>(text).ok();
    if let Some(options) = schema["enum"].as_array() {
        let fits = json.filter(|json| options.contains(json) && !options.contains(&as_text()));
        return fits.unwrap_or_else(as_text);
    }
    let takes = |kind| takes(root, schema, kind);
    if takes("string") {
        return as_text();
    }
    match json {
        Some(json @ Value::Number(_)) if takes("number") || takes("integer") => json,
        Some(json @ Value::Bool(_)) if takes("boolean") => json,
        Some(json @ Value::Object(_)) if takes("object") => json,
        Some(json @ Value::Array(_)) if takes("array") => json,
        Some(json @ Value::Null) if takes("null") => json,
        _ if takes("array") => Value::Array(vec![typed(root, schema.get("items"), text)]),
        _ => as_text(),
    }
}

/// Whether the schema names `kind` among its types, also in an alternative.
fn takes(root: &Value, schema: &Value, kind: &str) -> bool {
    let schema = resolve(root, schema);
    let by_type = match &schema["type"] {
        Value::String(only) => only == kind,
        Value::Array(several) => several.iter().any(|one| one == kind),
        _ => false,
    };
    by_type
        || ["anyOf", "oneOf", "allOf"].iter().any(|key| {
            let options = schema[*key].as_array().into_iter().flatten();
            // One level: a command line is no place for more.
            options
                .map(|option| resolve(root, option))
                .any(|option| match &option["type"] {
                    Value::String(only) => only == kind,
                    Value::Array(several) => several.iter().any(|one| one == kind),
                    _ => false,
                })
        })
}

fn property<'s>(root: &'s Value, key: &str) -> Option<&'s Value> {
    resolve(root, root).get("properties")?.get(key)
}

/// Follows a reference inside the document, a few steps at most.
pub(crate) fn resolve<'s>(root: &'s Value, schema: &'s Value) -> &'s Value {
    const STEPS: usize = 8;
    let mut at = schema;
    for _ in 0..STEPS {
        let target = at["$ref"].as_str().and_then(|text| text.strip_prefix('#'));
        match target.and_then(|pointer| root.pointer(pointer)) {
            Some(next) => at = next,
            None => break,
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(words: &[&str]) -> Result<Value, String> {
        let schema = json!({
            "properties": {
                "n": { "type": "number" },
                "i": { "type": ["integer", "null"] },
                "on": { "type": "boolean" },
                "text": { "type": "string" },
                "either": { "type": ["string", "number"] },
                "tags": { "type": "array", "items": { "type": "string" } },
                "ids": { "type": "array", "items": { "$ref": "#/$defs/id" } },
                "opt": { "anyOf": [{ "type": "integer" }, { "type": "null" }] },
                "level": { "enum": [1, 2, "high"] },
                "place": { "$ref": "#/$defs/place" },
            },
            "$defs": { "id": { "type": "integer" }, "place": { "type": "object" } },
        });
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        read(&words)
            .and_then(|words| assemble(words, &schema))
            .map(Value::Object)
            .map_err(|failure| format!("{failure:?}"))
    }

    #[test]
    fn texts_get_the_type_of_the_schema() {
        let cases = [
            (vec!["n=5"], json!({ "n": 5 })),
            (vec!["n=-2.5e3"], json!({ "n": -2500.0 })),
            (vec!["n=five"], json!({ "n": "five" })),
            (vec!["i=null"], json!({ "i": null })),
            (vec!["on=true"], json!({ "on": true })),
            (vec!["text=5"], json!({ "text": "5" })),
            (vec!["text=a=b"], json!({ "text": "a=b" })),
            (vec!["text="], json!({ "text": "" })),
            (vec!["either=5"], json!({ "either": "5" })),
            (vec!["unknown=5"], json!({ "unknown": "5" })),
            (vec!["tags=a", "tags=b"], json!({ "tags": ["a", "b"] })),
            (vec!["tags=[\"a\"]"], json!({ "tags": ["a"] })),
            (vec!["ids=1", "ids=2"], json!({ "ids": [1, 2] })),
            (vec!["opt=3"], json!({ "opt": 3 })),
            (vec!["level=2"], json!({ "level": 2 })),
            (vec!["level=high"], json!({ "level": "high" })),
            (vec!["place={\"x\":1}"], json!({ "place": { "x": 1 } })),
            (vec!["n:=\"5\""], json!({ "n": "5" })),
            (vec!["{\"n\":1,\"i\":2}", "i=3"], json!({ "n": 1, "i": 3 })),
            (vec!["n={{prev}}"], json!({ "n": "{{prev}}" })),
        ];
        for (words, wanted) in cases {
            assert_eq!(parse(&words), Ok(wanted), "{words:?}");
        }
    }

    #[test]
    fn what_is_no_argument_is_refused() {
        for words in [
            &["5"][..],
            &["=5"],
            &["[1]"],
            &["{\"a\":"],
            &["n:=five"],
            &["text=a", "text=b"],
            &["@no-such-file"],
        ] {
            assert!(parse(words).is_err(), "{words:?}");
        }
    }
}
