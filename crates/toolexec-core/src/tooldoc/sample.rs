//! A sample call, derived from an input schema.

use serde_json::{Map, Value, json};

use super::example::{Example, check_args};
use super::schema_info::{required, resolve};
use crate::schema::Schema;
use crate::tool::Args;

/// How deep a sample nests.
const MAX_DEPTH: usize = 5;

/// Examples that a schema itself gives (keyword `examples`), at most `max` of them.
pub(super) fn stated(schema: &Value, max: usize) -> Vec<Example> {
    let values = schema.get("examples").and_then(Value::as_array);
    let objects = values.into_iter().flatten().filter_map(Value::as_object);
    objects
        .filter(|args| check_args(args).is_ok())
        .take(max)
        .map(|args| Example {
            title: "from the schema".to_owned(),
            args: args.clone(),
            ..Example::default()
        })
        .collect()
}

/// The smallest call that the schema allows, as far as that can be told from it.
pub(super) fn generated(schema: &Schema) -> Option<Example> {
    let root = schema.source();
    let Value::Object(args) = value(root, root, MAX_DEPTH)? else {
        return None;
    };
    // Patterns and other rules can ask for more than types do: better none than a wrong one.
    if check_args(&args).is_err() || schema.validate(&Value::Object(args.clone())).is_err() {
        return None;
    }
    Some(Example {
        title: "smallest call".to_owned(),
        args,
        generated: true,
        ..Example::default()
    })
}

fn value(root: &Value, schema: &Value, depth: usize) -> Option<Value> {
    let depth = depth.checked_sub(1)?;
    let schema = resolve(root, schema);
    if let Some(stated) = stated_value(schema) {
        return Some(stated.clone());
    }
    if schema.get("properties").is_none() {
        for key in ["anyOf", "oneOf", "allOf"] {
            if let Some(Value::Array(members)) = schema.get(key) {
                let members = members
                    .iter()
                    .filter(|member| type_name(member) != Some("null"));
                return members
                    .into_iter()
                    .find_map(|member| value(root, member, depth));
            }
        }
    }
    match type_name(schema) {
        Some("string") => Some(Value::from(text(schema))),
        Some(name @ ("integer" | "number")) => Some(number(schema, name == "integer")),
        Some("boolean") => Some(Value::Bool(true)),
        Some("null") => Some(Value::Null),
        Some("array") => list(root, schema, depth),
        Some("object") => object(root, schema, depth).map(Value::Object),
        _ if schema.get("properties").is_some() => object(root, schema, depth).map(Value::Object),
        _ => Some(json!("text")),
    }
}

/// A value that the schema names itself.
fn stated_value(schema: &Value) -> Option<&Value> {
    let first = |key| schema.get(key).and_then(|values: &Value| values.get(0));
    schema
        .get("const")
        .or_else(|| schema.get("default").filter(|value| !value.is_null()))
        .or_else(|| first("examples"))
        .or_else(|| schema.get("example"))
        .or_else(|| first("enum"))
}

/// The first type that is not null.
fn type_name(schema: &Value) -> Option<&str> {
    match schema.get("type")? {
        Value::String(name) => Some(name),
        Value::Array(names) => {
            let mut names = names.iter().filter_map(Value::as_str);
            names.find(|name| *name != "null").or(Some("null"))
        }
        _ => None,
    }
}

fn object(root: &Value, schema: &Value, depth: usize) -> Option<Args> {
    let properties = schema.get("properties");
    let mut args = Map::new();
    for name in required(schema) {
        let value = match properties.and_then(|properties| properties.get(name)) {
            Some(property) => value(root, property, depth)?,
            None => json!("text"),
        };
        args.insert(name.to_owned(), value);
    }
    Some(args)
}

fn list(root: &Value, schema: &Value, depth: usize) -> Option<Value> {
    let least = schema
        .get("minItems")
        .and_then(Value::as_u64)
        .unwrap_or(1)
        .max(1);
    let item = match schema.get("items") {
        Some(items) => value(root, items, depth)?,
        None => json!("text"),
    };
    let most = super::MAX_ARGS_ITEMS;
    let count = usize::try_from(least).ok().filter(|count| *count <= most)?;
    Some(Value::Array(vec![item; count]))
}

fn text(schema: &Value) -> String {
    let text = match schema.get("format").and_then(Value::as_str) {
        Some("date") => "2025-01-31",
        Some("date-time") => "2025-01-31T12:00:00Z",
        Some("time") => "12:00:00Z",
        Some("duration") => "PT1H",
        Some("email") => "someone@example.com",
        Some("uri" | "url" | "uri-reference" | "iri") => "https://example.com/",
        Some("hostname") => "example.com",
        Some("ipv4") => "192.0.2.1",
        Some("ipv6") => "2001:db8::1",
        Some("uuid") => "123e4567-e89b-42d3-a456-426614174000",
        _ => "text",
    };
    let limit = |key| {
        let limit = schema.get(key).and_then(Value::as_u64)?;
        usize::try_from(limit).ok()
    };
    let least = limit("minLength").unwrap_or(0).min(200);
    let padded = format!("{text:x<least$}");
    padded
        .chars()
        .take(limit("maxLength").unwrap_or(usize::MAX))
        .collect()
}

fn number(schema: &Value, integer: bool) -> Value {
    let limit = |key| schema.get(key).and_then(Value::as_f64);
    let step = limit("multipleOf")
        .filter(|step| *step > 0.0)
        .unwrap_or(1.0);
    let least = limit("minimum").or_else(|| limit("exclusiveMinimum").map(|least| least + step));
    let most = limit("maximum").or_else(|| limit("exclusiveMaximum").map(|most| most - step));
    let mut number = step
        .max(least.unwrap_or(f64::MIN))
        .min(most.unwrap_or(f64::MAX));
    if integer || number.fract() == 0.0 {
        number = number.ceil();
        // Numbers of this size are exact; larger limits are left to the check that follows.
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a saturated limit is still a limit"
        )]
        return Value::from(number as i64);
    }
    Value::from(number)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn sample(schema: Value) -> Option<Value> {
        let example = generated(&Schema::compile(Arc::new(schema)).unwrap())?;
        assert!(example.generated);
        Some(Value::Object(example.args))
    }

    #[test]
    fn required_parameters_get_stated_values_first_and_typed_ones_else() {
        let schema = json!({
            "type": "object",
            "required": ["city", "days", "unit", "when", "tags", "place", "exact", "ratio"],
            "properties": {
                "city": {"type": "string", "examples": ["Paris"]},
                "days": {"type": "integer", "minimum": 3},
                "unit": {"enum": ["C", "F"]},
                "when": {"type": "string", "format": "date"},
                "tags": {"type": "array", "items": {"type": "string", "minLength": 6}},
                "place": {"$ref": "#/$defs/Place"},
                "exact": {"anyOf": [{"type": "null"}, {"type": "boolean"}]},
                "ratio": {"type": "number", "exclusiveMaximum": 0.5, "multipleOf": 0.25},
                "optional": {"type": "string"},
            },
            "$defs": {"Place": {
                "type": "object",
                "required": ["lat"],
                "properties": {"lat": {"type": "number", "default": 48.85}},
            }},
        });
        let expected = json!({
            "city": "Paris", "days": 3, "unit": "C", "when": "2025-01-31", "tags": ["textxx"],
            "place": {"lat": 48.85}, "exact": true, "ratio": 0.25,
        });
        assert_eq!(sample(schema), Some(expected));
    }

    #[test]
    fn a_sample_that_would_be_wrong_is_not_shown() {
        let pattern = json!({
            "type": "object",
            "required": ["key"],
            "properties": {"key": {"type": "string", "pattern": "^[A-Z]+-[0-9]+$"}},
        });
        let endless = json!({
            "type": "object",
            "required": ["next"],
            "properties": {"next": {"$ref": "#"}},
        });
        let large = json!({
            "type": "object",
            "required": ["list"],
            "properties": {"list": {"type": "array", "minItems": 1_000_000_000_u64}},
        });
        for schema in [pattern, endless, large] {
            assert_eq!(sample(schema), None);
        }
    }

    #[test]
    fn a_tool_without_parameters_is_called_with_none() {
        assert_eq!(sample(json!({"type": "object"})), Some(json!({})));
    }

    #[test]
    fn examples_of_the_schema_are_taken_as_they_are() {
        let schema = json!({"examples": [{"a": 1}, "no object", {"a": 2}, {"a": 3}]});
        let args: Vec<Value> = stated(&schema, 2)
            .into_iter()
            .map(|example| Value::Object(example.args))
            .collect();
        assert_eq!(args, [json!({"a": 1}), json!({"a": 2})]);
    }
}
