//! What a schema says that types do not express, in words.

use serde_json::{Map, Value};

use crate::types::model::Doc;

/// The longest value that is shown, in characters.
const MAX_SHOWN: usize = 80;

/// Facts that read as their keyword and its value.
const BOUNDS: &[(&str, &str)] = &[
    ("format", "format"),
    ("contentEncoding", "encoding"),
    ("contentMediaType", "media type"),
    ("minimum", "at least"),
    ("exclusiveMinimum", "more than"),
    ("maximum", "at most"),
    ("exclusiveMaximum", "less than"),
    ("multipleOf", "multiple of"),
    ("minLength", "min length"),
    ("maxLength", "max length"),
    ("pattern", "pattern"),
    ("minItems", "min items"),
    ("maxItems", "max items"),
    ("minProperties", "min fields"),
    ("maxProperties", "max fields"),
];

/// Formats that only say how a number is stored.
const STORED: &[&str] = &[
    "double", "float", "int8", "int16", "int32", "int64", "int", "uint8", "uint16", "uint32",
    "uint64", "uint",
];

/// Keywords that restrict values in ways that no type shows.
const CONDITIONS: &[&str] = &[
    "not",
    "if",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "contains",
    "propertyNames",
];

/// What a schema says in words.
pub(super) fn doc_of(schema: &Value) -> Doc {
    let Value::Object(fields) = schema else {
        return Doc::default();
    };
    let text = ["description", "title"]
        .into_iter()
        .filter_map(|key| fields.get(key)?.as_str())
        .find(|text| !text.trim().is_empty());
    Doc {
        text: text.unwrap_or_default().to_owned(),
        facts: facts(fields),
    }
}

/// What the schema of `name` says in words: a title that only repeats the name is left out.
pub(super) fn doc_of_named(name: &str, schema: &Value) -> Doc {
    let mut doc = doc_of(schema);
    let letters = |text: &str| -> String {
        let letters = text.chars().filter(|c| c.is_alphanumeric());
        letters.flat_map(char::to_lowercase).collect()
    };
    if letters(&doc.text) == letters(name) {
        doc.text.clear();
    }
    doc
}

/// Whether a schema only says which fields are there together.
pub(super) fn is_condition(schema: &Value) -> bool {
    let condition = |key: &String| matches!(key.as_str(), "required" | "not" | "description");
    schema
        .as_object()
        .is_some_and(|fields| fields.contains_key("required") && fields.keys().all(condition))
}

/// In the order of the schema. Its keys are gone through once: most schemas have few of them.
fn facts(fields: &Map<String, Value>) -> Vec<String> {
    let mut facts = Vec::new();
    let mut conditions: Vec<&str> = Vec::new();
    for (key, value) in fields {
        match (key.as_str(), value) {
            ("default", value) => facts.push(format!("default {}", shown(value))),
            ("deprecated", Value::Bool(true)) => facts.push("deprecated".to_owned()),
            ("uniqueItems", Value::Bool(true)) => facts.push("no repeats".to_owned()),
            ("enum", Value::Array(values)) if values.len() > super::keywords::MAX_CONSTANTS => {
                facts.push(many(values));
            }
            ("anyOf" | "oneOf", Value::Array(all))
                if !all.is_empty() && all.iter().all(is_condition) =>
            {
                let words = if key == "oneOf" {
                    "needs exactly one of"
                } else {
                    "needs one of"
                };
                facts.push(format!("{words}: {}", required_sets(all)));
            }
            ("items", Value::Object(items)) => {
                let each = self::facts(items).into_iter();
                facts.extend(each.map(|fact| format!("each {fact}")));
            }
            (key, value) if CONDITIONS.contains(&key) => {
                if !value.is_null() {
                    conditions.push(key);
                }
            }
            (key, value) => facts.extend(bound(key, value)),
        }
    }
    if !conditions.is_empty() {
        facts.push(format!("further conditions: {}", conditions.join(", ")));
    }
    facts
}

fn bound(key: &str, value: &Value) -> Option<String> {
    let (_, words) = BOUNDS.iter().find(|(known, _)| *known == key)?;
    match value {
        Value::Bool(_) => None,
        Value::String(text) if key == "format" && STORED.contains(&&**text) => None,
        Value::String(text) => Some(format!("{words} {}", cut(text))),
        value => Some(format!("{words} {}", shown(value))),
    }
}

/// Too many constants to list.
fn many(values: &[Value]) -> String {
    let some: Vec<String> = values.iter().take(3).map(shown).collect();
    format!("one of {} values such as {}", values.len(), some.join(", "))
}

/// `a | b, c` of the sets of required fields.
fn required_sets(alternatives: &[Value]) -> String {
    let sets = alternatives.iter().filter_map(|one| {
        let names = one.get("required")?.as_array()?.iter();
        let names: Vec<&str> = names.filter_map(Value::as_str).collect();
        Some(names.join(" and "))
    });
    sets.collect::<Vec<_>>().join("; ")
}

fn shown(value: &Value) -> String {
    cut(&value.to_string())
}

fn cut(text: &str) -> String {
    if text.chars().count() <= MAX_SHOWN {
        return text.to_owned();
    }
    let head: String = text.chars().take(MAX_SHOWN - 1).collect();
    format!("{head}…")
}
