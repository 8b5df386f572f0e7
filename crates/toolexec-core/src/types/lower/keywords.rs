//! The keywords of one schema, without what it is combined with.

use serde_json::{Map, Value};

use super::facts::doc_of_named;
use super::{Lowering, members};
use crate::types::model::{Doc, Field, Object, Rest, Tuple, Type};

/// The longest list of constants that is written out.
pub(super) const MAX_CONSTANTS: usize = 64;

const OBJECT: &[&str] = &[
    "properties",
    "required",
    "additionalProperties",
    "patternProperties",
    "unevaluatedProperties",
    "propertyNames",
];
const ARRAY: &[&str] = &[
    "items",
    "prefixItems",
    "additionalItems",
    "unevaluatedItems",
    "contains",
];

impl<'a> Lowering<'a> {
    /// The type of a schema's own keywords.
    pub(super) fn own(&mut self, fields: &'a Map<String, Value>) -> Type {
        let types = self.types(fields);
        if let Some(value) = fields.get("const") {
            return narrowed(types, std::slice::from_ref(value));
        }
        if let Some(Value::Array(values)) = fields.get("enum") {
            return narrowed(types, values);
        }
        types.unwrap_or(Type::Any(None))
    }

    /// What `type` says; without it, what the other keywords speak of.
    fn types(&mut self, fields: &'a Map<String, Value>) -> Option<Type> {
        match fields.get("type") {
            Some(Value::String(name)) => Some(self.of_type(name, fields)),
            Some(Value::Array(names)) => {
                let names = names.iter().filter_map(Value::as_str);
                let types: Vec<Type> = names.map(|name| self.of_type(name, fields)).collect();
                Some(Type::union(types))
            }
            _ if OBJECT.iter().any(|key| fields.contains_key(*key)) => Some(self.object(fields)),
            _ if ARRAY.iter().any(|key| fields.contains_key(*key)) => Some(self.array(fields)),
            _ => None,
        }
    }

    fn of_type(&mut self, name: &str, fields: &'a Map<String, Value>) -> Type {
        match name {
            "null" => Type::Null,
            "boolean" => Type::Boolean,
            "integer" => Type::Integer,
            "number" => Type::Number,
            "string" => Type::String,
            "array" => self.array(fields),
            "object" => self.object(fields),
            _ => Type::Any(Some("a type that JSON Schema does not have")),
        }
    }

    fn array(&mut self, fields: &'a Map<String, Value>) -> Type {
        let (first, rest) = match (fields.get("prefixItems"), fields.get("items")) {
            (Some(Value::Array(first)), rest) => (first.as_slice(), rest),
            // Before 2020-12.
            (_, Some(Value::Array(first))) => (first.as_slice(), fields.get("additionalItems")),
            (_, items) => (&[][..], items),
        };
        let rest = rest.or_else(|| fields.get("unevaluatedItems"));
        let rest = rest.map_or(Type::Any(None), |items| self.inner(items));
        if first.is_empty() {
            return Type::List(Box::new(rest));
        }
        let items: Vec<Type> = first.iter().map(|item| self.inner(item)).collect();
        let least = fields.get("minItems").and_then(Value::as_u64).unwrap_or(0);
        let most = fields.get("maxItems").and_then(Value::as_u64);
        let full = most.is_some_and(|most| most <= items.len() as u64);
        Type::Tuple(Tuple {
            required: usize::try_from(least).map_or(items.len(), |least| least.min(items.len())),
            items,
            rest: (rest != Type::Never && !full).then(|| Box::new(rest)),
        })
    }

    fn object(&mut self, fields: &'a Map<String, Value>) -> Type {
        let required: Vec<&str> = members(fields, "required")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let mut known: Vec<Field> = Vec::new();
        if let Some(Value::Object(properties)) = fields.get("properties") {
            for (name, schema) in properties {
                known.push(Field {
                    name: name.clone(),
                    required: required.contains(&name.as_str()),
                    ty: self.inner(schema),
                    doc: doc_of_named(name, schema),
                });
            }
        }
        let rest = self.rest(fields);
        for name in required {
            if !known.iter().any(|field| field.name == name) {
                let ty = match &rest {
                    Rest::Open(ty) => (**ty).clone(),
                    Rest::Closed | Rest::Unsaid => Type::Any(None),
                };
                known.push(Field {
                    name: name.to_owned(),
                    required: true,
                    ty,
                    doc: Doc::default(),
                });
            }
        }
        Type::Object(Object {
            fields: known,
            rest,
        })
    }

    fn rest(&mut self, fields: &'a Map<String, Value>) -> Rest {
        let patterns = fields.get("patternProperties").and_then(Value::as_object);
        let mut types: Vec<Type> = Vec::new();
        for schema in patterns.into_iter().flat_map(Map::values) {
            types.push(self.inner(schema));
        }
        let other = fields
            .get("additionalProperties")
            .or_else(|| fields.get("unevaluatedProperties"));
        match other {
            None if types.is_empty() => return Rest::Unsaid,
            // Fields that fit no pattern are allowed without being meant.
            None => {}
            Some(schema) => types.push(self.inner(schema)),
        }
        match Type::union(types) {
            Type::Never => Rest::Closed,
            ty => Rest::Open(Box::new(ty)),
        }
    }
}

/// Those of the constants that the types hold.
fn narrowed(types: Option<Type>, values: &[Value]) -> Type {
    let fits = |value: &&Value| types.as_ref().is_none_or(|ty| holds(ty, value));
    let fitting: Vec<&Value> = values.iter().filter(fits).collect();
    if fitting.is_empty() {
        // `type` and the constants contradict each other; one of them is meant.
        return types.unwrap_or_else(|| Type::union(values.iter().map(Type::of_value)));
    }
    if fitting.len() > MAX_CONSTANTS {
        return Type::union(fitting.into_iter().map(widened));
    }
    Type::union(fitting.into_iter().map(Type::of_value))
}

fn holds(ty: &Type, value: &Value) -> bool {
    match ty {
        Type::Any(_) => true,
        Type::Null => value.is_null(),
        Type::List(_) | Type::Tuple(_) => value.is_array(),
        Type::Object(_) => value.is_object(),
        Type::Union(types) => types.iter().any(|ty| holds(ty, value)),
        plain => plain.takes_literal(value),
    }
}

fn widened(value: &Value) -> Type {
    match value {
        Value::String(_) => Type::String,
        Value::Number(number) if number.is_f64() => Type::Number,
        Value::Number(_) => Type::Integer,
        Value::Bool(_) => Type::Boolean,
        other => Type::of_value(other),
    }
}
