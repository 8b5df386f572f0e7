//! Media types: which is chosen, and what its schema is to a caller.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::model::{BodyKind, Format, Location, Part};
use super::schema::{Direction, Schemas};
use crate::exchange::{essence, is_json};

/// How deep properties are looked for in `allOf`.
const MAX_ALL_OF: usize = 4;

/// Whether a media type is a sequence of values that come one by one.
pub(super) fn is_stream(media_type: &str) -> bool {
    is_event_stream(media_type) || is_json_lines(media_type)
}

/// Whether a media type is server-sent events.
pub(super) fn is_event_stream(media_type: &str) -> bool {
    essence(media_type) == "text/event-stream"
}

/// Whether a media type is JSON, one value a line.
pub(super) fn is_json_lines(media_type: &str) -> bool {
    matches!(
        essence(media_type).as_str(),
        "application/x-ndjson"
            | "application/ndjson"
            | "application/jsonl"
            | "application/x-jsonlines"
            | "application/json-lines"
            | "application/stream+json"
            | "application/json-seq"
    )
}

/// The value of `Accept`: JSON before what else the operation answers, before anything.
pub(super) fn accept<'m>(media_types: impl Iterator<Item = &'m str>) -> String {
    let mut seen = BTreeSet::new();
    let (json, other): (Vec<&str>, Vec<&str>) = media_types
        .filter(|media_type| seen.insert(*media_type))
        .filter(|media_type| !media_type.contains('*'))
        .partition(|media_type| is_json(media_type));
    let first = if json.is_empty() && other.is_empty() {
        "application/json".to_owned()
    } else {
        json.join(", ")
    };
    let others = other.iter().map(|media_type| {
        // Parameters that are there already would take the weight for one of them.
        let essence = essence(media_type);
        if json.is_empty() {
            essence
        } else {
            format!("{essence};q=0.5")
        }
    });
    let all = std::iter::once(first)
        .chain(others)
        .filter(|part| !part.is_empty());
    let all: Vec<String> = all.chain(["*/*;q=0.1".to_owned()]).collect();
    all.join(", ")
}

/// The media type of a body that is sent: JSON, else a form, else multipart, else the first.
pub(super) fn preferred(content: &Map<String, Value>) -> Option<(&str, &Value)> {
    let rank = |media_type: &str| match essence(media_type).as_str() {
        "application/json" => 0,
        _ if is_json(media_type) => 1,
        "*/*" | "application/*" => 1,
        "application/x-www-form-urlencoded" => 2,
        "multipart/form-data" => 3,
        _ => 4,
    };
    let chosen = content
        .iter()
        .min_by_key(|(media_type, _)| rank(media_type));
    chosen.map(|(media_type, media)| match media_type.as_str() {
        "*/*" | "application/*" => ("application/json", media),
        other => (other, media),
    })
}

/// How a body of this media type is written.
pub(super) fn body_kind(
    schemas: &Schemas<'_>,
    media_type: &str,
    media: &Value,
) -> Result<BodyKind, String> {
    if is_json(media_type) {
        return Ok(BodyKind::Json);
    }
    let encodings = media.get("encoding").and_then(Value::as_object);
    let encodings = encodings.into_iter().flatten();
    match essence(media_type).as_str() {
        "application/x-www-form-urlencoded" => {
            let mut formats = BTreeMap::new();
            for (name, encoding) in encodings {
                let is_json_part = encoding.get("contentType").and_then(Value::as_str);
                let format = if is_json_part.is_some_and(is_json) {
                    Format::Json
                } else if ["style", "explode", "allowReserved"]
                    .iter()
                    .any(|key| encoding.get(*key).is_some())
                {
                    Format::read(encoding, Location::Query)
                        .map_err(|reason| format!("form field {name:?}: {reason}"))?
                } else {
                    continue;
                };
                formats.insert(name.clone(), format);
            }
            Ok(BodyKind::Form(formats))
        }
        "multipart/form-data" => {
            let schema = media.get("schema").unwrap_or(&Value::Null);
            let mut parts: BTreeMap<String, Part> = BTreeMap::new();
            for (name, property) in gather(schemas, schema, MAX_ALL_OF).properties {
                let is_file = is_file(schemas, property) || is_file(schemas, items(property));
                parts.entry(name.to_owned()).or_default().is_file = is_file;
            }
            for (name, encoding) in encodings {
                let content_type = encoding.get("contentType").and_then(Value::as_str);
                // A list of types leaves the choice to the caller.
                let single = content_type.filter(|text| !text.contains([',', '*']));
                parts.entry(name.clone()).or_default().content_type = single.map(str::to_owned);
            }
            Ok(BodyKind::Multipart(parts))
        }
        _ => Ok(BodyKind::Raw),
    }
}

/// The schema of the argument for a body.
pub(super) fn body_schema(schemas: &Schemas<'_>, kind: &BodyKind, schema: &Value) -> Value {
    match kind {
        BodyKind::Json | BodyKind::Form(_) => schemas.rewrite(schema, Direction::Request),
        BodyKind::Raw => file_schema(),
        BodyKind::Multipart(_) => multipart_schema(schemas, schema),
    }
}

/// What a caller gives for a file: text, or bytes with their name and type.
fn file_schema() -> Value {
    json!({"anyOf": [
        {"type": "string", "description": "Text, sent as it is."},
        {
            "type": "object",
            "properties": {
                "data": {"type": "string", "contentEncoding": "base64", "description": "Bytes in base64."},
                "filename": {"type": "string"},
                "contentType": {"type": "string"},
            },
            "required": ["data"],
            "additionalProperties": false,
        },
    ]})
}

fn multipart_schema(schemas: &Schemas<'_>, schema: &Value) -> Value {
    let gathered = gather(schemas, schema, MAX_ALL_OF);
    let properties: Map<String, Value> = gathered
        .properties
        .into_iter()
        .map(|(name, property)| {
            let mut new = if is_file(schemas, property) {
                file_schema()
            } else if is_file(schemas, items(property)) {
                json!({"type": "array", "items": file_schema()})
            } else {
                schemas.rewrite(property, Direction::Request)
            };
            if let Some(text) = property.get("description").and_then(Value::as_str) {
                new["description"] = json!(text);
            }
            (name.to_owned(), new)
        })
        .collect();
    let mut new = json!({"type": "object", "properties": properties});
    if !gathered.required.is_empty() {
        new["required"] = json!(gathered.required);
    }
    new
}

/// The properties of an object and of what it is combined from.
#[derive(Default)]
struct Gathered<'s> {
    properties: BTreeMap<&'s str, &'s Value>,
    required: Vec<&'s str>,
}

fn gather<'s>(schemas: &'s Schemas<'_>, schema: &'s Value, depth: usize) -> Gathered<'s> {
    let mut found = Gathered::default();
    let schema = schemas.resolve(schema);
    if depth > 0 {
        let members = schema.get("allOf").and_then(Value::as_array);
        for member in members.into_iter().flatten() {
            let member = gather(schemas, member, depth - 1);
            found.properties.extend(member.properties);
            found.required.extend(member.required);
        }
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    let properties = properties.into_iter().flatten();
    found
        .properties
        .extend(properties.map(|(name, property)| (name.as_str(), property)));
    let required = schema.get("required").and_then(Value::as_array);
    let required = required.into_iter().flatten().filter_map(Value::as_str);
    found.required.extend(required);
    found.required.sort_unstable();
    found.required.dedup();
    found
}

fn items(schema: &Value) -> &Value {
    schema.get("items").unwrap_or(&Value::Null)
}

/// Whether a property is a file: binary by its format (3.0), or of a media type (3.1).
fn is_file(schemas: &Schemas<'_>, schema: &Value) -> bool {
    let schema = schemas.resolve(schema);
    let text = |key: &str| schema.get(key).and_then(Value::as_str);
    text("format") == Some("binary")
        || text("contentMediaType").is_some_and(|media_type| !is_json(media_type))
            && text("contentEncoding").is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_asked_for_first() {
        let cases: [(&[&str], &str); 6] = [
            (&[], "application/json, */*;q=0.1"),
            (
                &["application/xml", "application/json"],
                "application/json, application/xml;q=0.5, */*;q=0.1",
            ),
            (
                &["application/json", "text/event-stream"],
                "application/json, text/event-stream;q=0.5, */*;q=0.1",
            ),
            (&["text/html; charset=utf-8"], "text/html, */*;q=0.1"),
            (&["*/*"], "application/json, */*;q=0.1"),
            (&["text/csv", "text/csv"], "text/csv, */*;q=0.1"),
        ];
        for (media_types, expected) in cases {
            assert_eq!(accept(media_types.iter().copied()), expected);
        }
    }

    #[test]
    fn the_simplest_body_is_preferred() {
        let content = |media_types: &[&str]| -> Map<String, Value> {
            media_types
                .iter()
                .map(|m| ((*m).to_owned(), json!({})))
                .collect()
        };
        let cases: [(&[&str], &str); 4] = [
            (
                &[
                    "application/xml",
                    "application/x-www-form-urlencoded",
                    "application/json",
                ],
                "application/json",
            ),
            (
                &["multipart/form-data", "application/x-www-form-urlencoded"],
                "application/x-www-form-urlencoded",
            ),
            (&["text/plain", "text/html"], "text/plain"),
            (&["*/*"], "application/json"),
        ];
        for (media_types, expected) in cases {
            let content = content(media_types);
            assert_eq!(
                preferred(&content).map(|(media_type, _)| media_type),
                Some(expected)
            );
        }
        assert_eq!(preferred(&Map::new()), None);
    }
}
