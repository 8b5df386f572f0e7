//! One schema of `OpenAPI` (a dialect of JSON Schema) as JSON Schema 2020-12.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::document::reference;
use super::schema::{Direction, Schemas};

/// Keywords that mean nothing to a caller, or would change what references mean.
const DROPPED: [&str; 15] = [
    "nullable",
    "readOnly",
    "writeOnly",
    "xml",
    "externalDocs",
    "example",
    "$id",
    "id",
    "$schema",
    "$anchor",
    "$dynamicAnchor",
    "$dynamicRef",
    "$vocabulary",
    "$defs",
    "definitions",
];
const TYPES: [&str; 7] = [
    "string", "number", "integer", "boolean", "array", "object", "null",
];
/// How deep properties are looked for in `allOf`.
const MAX_ALL_OF: usize = 4;

/// Rewrites a schema; its references point to `$defs`.
pub(super) fn schema(schemas: &Schemas<'_>, schema: &Value, direction: Direction) -> Value {
    Rewrite { schemas, direction }.schema(schema, &BTreeSet::new())
}

struct Rewrite<'s, 'd> {
    schemas: &'s Schemas<'d>,
    direction: Direction,
}

impl Rewrite<'_, '_> {
    /// `hidden` are properties that a schema around this one leaves out.
    fn schema(&self, schema: &Value, hidden: &BTreeSet<String>) -> Value {
        match schema {
            Value::Bool(_) => schema.clone(),
            Value::Object(fields) => self.object(schema, fields, hidden),
            _ => json!({}),
        }
    }

    fn object(
        &self,
        schema: &Value,
        fields: &Map<String, Value>,
        hidden: &BTreeSet<String>,
    ) -> Value {
        let is_reference = fields.contains_key("$ref");
        let mut hidden = hidden.clone();
        if !is_reference {
            self.find_hidden(schema, &mut hidden, MAX_ALL_OF);
        }
        let mut new = Map::new();
        for (key, value) in fields {
            // Up to 3.0, what stands beside a `$ref` is ignored; descriptions are meant anyway.
            if is_reference
                && !self.schemas.is_modern()
                && !matches!(
                    key.as_str(),
                    "$ref" | "description" | "title" | "deprecated"
                )
            {
                continue;
            }
            if let Some(value) = self.keyword(key, value, fields, &hidden) {
                let key = match key.as_str() {
                    "items" if value.is_array() => "prefixItems",
                    other => other,
                };
                new.insert(key.to_owned(), value);
            }
        }
        if self.direction == Direction::Request
            && let Some(example) = fields.get("example")
            && !new.contains_key("examples")
        {
            new.insert("examples".into(), json!([example]));
        }
        if fields.get("nullable") == Some(&json!(true)) {
            return nullable(new);
        }
        Value::Object(new)
    }

    /// The keyword's value, unless the keyword is left out.
    fn keyword(
        &self,
        key: &str,
        value: &Value,
        fields: &Map<String, Value>,
        hidden: &BTreeSet<String>,
    ) -> Option<Value> {
        match key {
            "$ref" => {
                let name = self.schemas.name(value.as_str()?)?;
                Some(json!(format!("#/$defs/{name}")))
            }
            "properties" => Some(self.properties(value.as_object()?, hidden)),
            "patternProperties" | "dependentSchemas" => {
                let is_usable =
                    |name: &str| key != "patternProperties" || self.schemas.takes_pattern(name);
                let map = value
                    .as_object()?
                    .iter()
                    .filter(|(name, _)| is_usable(name));
                Some(map.map(|(k, v)| (k.clone(), self.plain(v))).collect())
            }
            "allOf" => {
                let list = value.as_array()?.iter();
                some_list(list.map(|v| self.schema(v, hidden)).collect())
            }
            "anyOf" | "oneOf" | "prefixItems" => {
                some_list(value.as_array()?.iter().map(|v| self.plain(v)).collect())
            }
            "items" => match value {
                Value::Array(list) => some_list(list.iter().map(|v| self.plain(v)).collect()),
                other => Some(self.plain(other)),
            },
            "additionalProperties"
            | "not"
            | "if"
            | "then"
            | "else"
            | "contains"
            | "propertyNames"
            | "unevaluatedItems"
            | "unevaluatedProperties"
            | "contentSchema" => {
                (value.is_object() || value.is_boolean()).then(|| self.plain(value))
            }
            "required" => {
                let mut seen = BTreeSet::new();
                let names = value.as_array()?.iter().filter_map(Value::as_str);
                let names = names.filter(|name| !hidden.contains(*name) && seen.insert(*name));
                some_list(names.map(|name| json!(name)).collect())
            }
            "type" => self.types(value),
            "exclusiveMinimum" | "exclusiveMaximum" if value.is_boolean() => {
                let bound = if key == "exclusiveMinimum" {
                    "minimum"
                } else {
                    "maximum"
                };
                let bound = fields.get(bound)?;
                (value == &json!(true) && bound.is_number()).then(|| bound.clone())
            }
            "minimum" | "maximum" if is_exclusive(key, fields) => None,
            "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf"
            | "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties"
            | "maxProperties" => self.number(key, value),
            "pattern" => self.pattern(value),
            "format" | "title" | "description" => value.is_string().then(|| value.clone()),
            "uniqueItems" | "deprecated" => value.is_boolean().then(|| value.clone()),
            "examples" | "default" if self.direction == Direction::Response => None,
            "enum" | "examples" => some_list(value.as_array()?.clone()),
            _ if DROPPED.contains(&key) || key.starts_with("x-") => None,
            _ => Some(value.clone()),
        }
    }

    fn plain(&self, schema: &Value) -> Value {
        self.schema(schema, &BTreeSet::new())
    }

    fn properties(&self, properties: &Map<String, Value>, hidden: &BTreeSet<String>) -> Value {
        properties
            .iter()
            .filter(|(name, _)| !hidden.contains(*name))
            .map(|(name, schema)| (name.clone(), self.plain(schema)))
            .collect()
    }

    /// Adds the properties that do not travel in this direction.
    fn find_hidden(&self, schema: &Value, hidden: &mut BTreeSet<String>, depth: usize) {
        let flag = match self.direction {
            Direction::Request => "readOnly",
            Direction::Response => "writeOnly",
        };
        let properties = schema.get("properties").and_then(Value::as_object);
        for (name, property) in properties.into_iter().flatten() {
            let is_set = |schema: &Value| schema.get(flag) == Some(&json!(true));
            if is_set(property)
                || reference(property).is_some() && is_set(self.schemas.resolve(property))
            {
                hidden.insert(name.clone());
            }
        }
        if depth > 0 {
            let members = schema.get("allOf").and_then(Value::as_array);
            for member in members.into_iter().flatten() {
                self.find_hidden(self.schemas.resolve(member), hidden, depth - 1);
            }
        }
    }

    fn types(&self, value: &Value) -> Option<Value> {
        match value {
            Value::String(name) if TYPES.contains(&name.as_str()) => Some(value.clone()),
            Value::String(name) if meant(name).is_some() => {
                self.schemas.note(format!(
                    "a schema has the type {value}, read as {:?}",
                    meant(name)?
                ));
                Some(json!(meant(name)?))
            }
            Value::Array(names) if !names.is_empty() => {
                let known = |name: &Value| name.as_str().is_some_and(|name| TYPES.contains(&name));
                names.iter().all(known).then(|| value.clone())
            }
            _ => {
                self.schemas.note(format!(
                    "a schema has the unknown type {value}: any type is taken"
                ));
                None
            }
        }
    }

    fn pattern(&self, value: &Value) -> Option<Value> {
        let pattern = value.as_str()?;
        self.schemas.takes_pattern(pattern).then(|| value.clone())
    }

    fn number(&self, key: &str, value: &Value) -> Option<Value> {
        let is_bound = matches!(
            key,
            "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum"
        );
        let number = value.as_f64()?;
        let fits = is_bound
            || key == "multipleOf" && number > 0.0
            || number >= 0.0 && number.fract() == 0.0;
        if fits {
            return Some(value.clone());
        }
        self.schemas.note(format!(
            "a schema has {key} {value}, which means nothing: it is not checked"
        ));
        None
    }
}

/// The type that is meant by a name that is none, but is often written.
fn meant(name: &str) -> Option<&'static str> {
    Some(match name {
        "int" | "int32" | "int64" | "long" => "integer",
        "float" | "double" | "decimal" => "number",
        "bool" => "boolean",
        "file" | "str" | "text" | "date" | "date-time" | "datetime" | "uuid" => "string",
        "list" => "array",
        "dict" | "map" => "object",
        _ => return None,
    })
}

/// Whether a bound is made exclusive by a boolean beside it (JSON Schema draft 4).
fn is_exclusive(bound: &str, fields: &Map<String, Value>) -> bool {
    let key = if bound == "minimum" {
        "exclusiveMinimum"
    } else {
        "exclusiveMaximum"
    };
    fields.get(key) == Some(&json!(true))
}

fn some_list(list: Vec<Value>) -> Option<Value> {
    (!list.is_empty()).then_some(Value::Array(list))
}

/// A schema that allows null besides.
fn nullable(mut schema: Map<String, Value>) -> Value {
    let is_combined = ["$ref", "allOf", "anyOf", "oneOf", "not", "const"]
        .iter()
        .any(|key| schema.contains_key(*key));
    if is_combined {
        let mut outer = Map::new();
        for key in ["title", "description", "deprecated"] {
            if let Some(value) = schema.shift_remove(key) {
                outer.insert(key.into(), value);
            }
        }
        outer.insert("anyOf".into(), json!([schema, {"type": "null"}]));
        return Value::Object(outer);
    }
    if let Some(Value::String(name)) = schema.get("type")
        && name != "null"
    {
        let both = json!([name, "null"]);
        schema.insert("type".into(), both);
    } else if let Some(Value::Array(names)) = schema.get_mut("type")
        && !names.contains(&json!("null"))
    {
        names.push(json!("null"));
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum")
        && !values.contains(&Value::Null)
    {
        values.push(Value::Null);
    }
    Value::Object(schema)
}

#[cfg(test)]
mod tests {
    use super::super::document::Document;
    use super::*;

    fn rewrite(version: &str, input: &Value, direction: Direction) -> (Value, Vec<String>) {
        let document = Document::new(json!({
            "openapi": version,
            "components": {"schemas": {"A": {"type": "object", "properties": {
                "id": {"type": "integer", "readOnly": true}}}}},
        }))
        .unwrap();
        let schemas = Schemas::new(&document);
        let output = schema(&schemas, input, direction);
        (output, schemas.take_notices())
    }

    #[test]
    fn keywords_of_older_drafts_are_rewritten() {
        let cases = [
            (
                json!({"type": "string", "nullable": true}),
                json!({"type": ["string", "null"]}),
            ),
            (
                json!({"nullable": true, "description": "d", "allOf": [{"$ref": "#/components/schemas/A"}]}),
                json!({"description": "d", "anyOf": [{"allOf": [{"$ref": "#/$defs/A"}]}, {"type": "null"}]}),
            ),
            (
                json!({"minimum": 1, "exclusiveMinimum": true, "maximum": 5, "exclusiveMaximum": false}),
                json!({"exclusiveMinimum": 1, "maximum": 5}),
            ),
            (
                json!({"type": "integer", "example": 3, "xml": {}, "x-a": 1}),
                json!({"type": "integer", "examples": [3]}),
            ),
            (
                json!({"$ref": "#/components/schemas/A", "type": "string", "description": "d"}),
                json!({"$ref": "#/$defs/A", "description": "d"}),
            ),
            (
                json!({"items": [{"type": "string"}, true]}),
                json!({"prefixItems": [{"type": "string"}, true]}),
            ),
            (
                json!({"type": "object", "required": true, "properties": {"$ref": {"type": "string"}}}),
                json!({"type": "object", "properties": {"$ref": {"type": "string"}}}),
            ),
            (
                json!({"required": ["a", "a", 1], "enum": []}),
                json!({"required": ["a"]}),
            ),
            (
                json!({"allOf": [{"$ref": "#/components/schemas/A"}, {"required": ["id", "name"]}]}),
                json!({"allOf": [{"$ref": "#/$defs/A"}, {"required": ["name"]}]}),
            ),
        ];
        for (input, output) in cases {
            let expected = (output, Vec::new());
            assert_eq!(
                rewrite("3.0.3", &input, Direction::Request),
                expected,
                "{input}"
            );
        }
    }

    #[test]
    fn keywords_beside_a_reference_count_since_3_1() {
        let input = json!({"$ref": "#/components/schemas/A", "required": ["x"], "type": ["object", "null"]});
        let output = json!({"$ref": "#/$defs/A", "required": ["x"], "type": ["object", "null"]});
        assert_eq!(
            rewrite("3.1.0", &input, Direction::Request),
            (output, Vec::new())
        );
    }

    #[test]
    fn nonsense_is_not_checked_and_said() {
        let input = json!({
            "type": "monad", "minLength": -1, "multipleOf": 0.5, "items": {"type": "int"},
            "pattern": "(", "patternProperties": {"[": {}, "^x": {}},
        });
        let notices = [
            "a schema has minLength -1, which means nothing: it is not checked",
            "a schema has the type \"int\", read as \"integer\"",
            "a schema has the unknown type \"monad\": any type is taken",
            "a schema's pattern is not checked: \"(\" cannot be read",
            "a schema's pattern is not checked: \"[\" cannot be read",
        ];
        let notices = notices.map(str::to_owned).to_vec();
        assert_eq!(
            rewrite("3.0.0", &input, Direction::Request),
            (
                json!({"multipleOf": 0.5, "items": {"type": "integer"}, "patternProperties": {"^x": {}}}),
                notices
            )
        );
    }
}
