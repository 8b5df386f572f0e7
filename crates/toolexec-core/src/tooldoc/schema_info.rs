//! The parameters of a tool at a glance, and the parts of a schema they come from.

use serde::Serialize;
use serde_json::{Map, Value};

/// How many references in a row are followed.
const MAX_REFS: usize = 8;

/// The top-level parameters of a tool at a glance.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct SchemaInfo {
    /// Those a call must set, in the order of the schema.
    pub required: Vec<String>,
    /// The JSON types of each: a name, or a list of names.
    pub types: Map<String, Value>,
    /// The default values.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub defaults: Map<String, Value>,
}

impl SchemaInfo {
    /// Reads an input schema; nothing when it names no parameters.
    pub fn of(schema: &Value) -> Option<Self> {
        let root = resolve(schema, schema);
        let properties = root.get("properties").and_then(Value::as_object);
        let mut info = Self {
            required: required(root).map(str::to_owned).collect(),
            ..Self::default()
        };
        for (name, property) in properties.into_iter().flatten() {
            let mut types = Vec::new();
            collect_types(schema, property, &mut types, MAX_REFS);
            match types.as_slice() {
                [] => {}
                [only] => {
                    info.types.insert(name.clone(), Value::from(*only));
                }
                several => {
                    info.types
                        .insert(name.clone(), Value::from(several.to_vec()));
                }
            }
            if let Some(default) = property.get("default") {
                info.defaults.insert(name.clone(), default.clone());
            }
        }
        (info != Self::default()).then_some(info)
    }
}

/// The names that a schema requires.
pub(super) fn required(schema: &Value) -> impl Iterator<Item = &str> {
    let names = schema.get("required").and_then(Value::as_array);
    names.into_iter().flatten().filter_map(Value::as_str)
}

/// What a `$ref` inside the document leads to; `schema` itself where there is none or it leads
/// nowhere.
pub(super) fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let mut schema = schema;
    for _ in 0..MAX_REFS {
        let target = schema
            .get("$ref")
            .and_then(Value::as_str)
            .and_then(|reference| reference.strip_prefix('#'))
            .and_then(|pointer| root.pointer(pointer));
        match target {
            Some(target) => schema = target,
            None => break,
        }
    }
    schema
}

/// The JSON type of a value, as schemas name it.
fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The types that a schema allows: its own, else those of its constants and alternatives.
fn collect_types<'a>(root: &'a Value, schema: &'a Value, types: &mut Vec<&'a str>, depth: usize) {
    let schema = resolve(root, schema);
    let names: Vec<&'a str> = match (schema.get("type"), schema.get("const"), schema.get("enum")) {
        (Some(Value::String(name)), ..) => vec![name],
        (Some(Value::Array(names)), ..) => names.iter().filter_map(Value::as_str).collect(),
        (_, Some(value), _) => vec![type_of(value)],
        (_, _, Some(Value::Array(values))) => values.iter().map(type_of).collect(),
        _ => Vec::new(),
    };
    for name in &names {
        if !types.contains(name) {
            types.push(name);
        }
    }
    if !names.is_empty() {
        return;
    }
    for key in ["anyOf", "oneOf", "allOf"] {
        if let (Some(Value::Array(members)), Some(depth)) = (schema.get(key), depth.checked_sub(1))
        {
            for member in members {
                collect_types(root, member, types, depth);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn parameters_are_read_from_every_common_form() {
        let schema = json!({
            "type": "object",
            "required": ["path"],
            "properties": {
                "path": {"type": "string"},
                "lines": {"type": ["integer", "null"], "default": null},
                "mode": {"enum": ["r", "w"], "default": "r"},
                "filter": {"anyOf": [{"$ref": "#/$defs/Filter"}, {"type": "null"}]},
                "any": {},
            },
            "$defs": {"Filter": {"type": "object"}},
        });
        assert_eq!(
            serde_json::to_value(SchemaInfo::of(&schema)).unwrap(),
            json!({
                "required": ["path"],
                "types": {
                    "path": "string",
                    "lines": ["integer", "null"],
                    "mode": "string",
                    "filter": ["object", "null"],
                },
                "defaults": {"lines": null, "mode": "r"},
            })
        );
    }

    #[test]
    fn a_schema_without_parameters_has_no_info() {
        for schema in [
            json!({"type": "object"}),
            json!(true),
            json!({"properties": {}}),
        ] {
            assert_eq!(SchemaInfo::of(&schema), None);
        }
    }

    #[test]
    fn references_in_a_circle_end() {
        let schema = json!({
            "properties": {"a": {"$ref": "#/$defs/A"}, "b": {"anyOf": [{"$ref": "#/properties/b"}]}},
            "$defs": {"A": {"$ref": "#/$defs/A"}},
        });
        assert_eq!(SchemaInfo::of(&schema), None);
    }
}
