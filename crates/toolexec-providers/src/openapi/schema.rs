//! Schemas of a document, rewritten into JSON Schema 2020-12 that stands alone.
//!
//! A tool's schema holds every shared schema that it reaches under `$defs`, once, so recursive
//! schemas stay finite. Shared schemas are rewritten once for the whole document.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use serde_json::{Value, json};
use toolexec_core::schema::Schema;

use super::document::Document;
use super::rewrite;

/// Which way the value of a schema goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Direction {
    /// To the API: properties that are only read are left out.
    Request,
    /// From the API: properties that are only written are left out.
    Response,
}

/// Rewrites the schemas of one document.
#[derive(Debug)]
pub(super) struct Schemas<'d> {
    document: &'d Document,
    is_modern: bool,
    shared: RefCell<HashMap<(Direction, String), Rc<Shared>>>,
    names: RefCell<Names>,
    notices: RefCell<BTreeSet<String>>,
    /// Whether each pattern seen so far is a regular expression.
    patterns: RefCell<HashMap<String, bool>>,
}

/// A schema that others refer to.
#[derive(Debug)]
struct Shared {
    schema: Value,
    references: Vec<String>,
    size: usize,
}

/// The names of shared schemas under `$defs`, and the references they stand for.
#[derive(Debug, Default)]
struct Names {
    by_reference: HashMap<String, String>,
    by_name: HashMap<String, String>,
}

impl<'d> Schemas<'d> {
    pub(super) fn new(document: &'d Document) -> Self {
        Self {
            document,
            is_modern: document.is_modern(),
            shared: RefCell::default(),
            names: RefCell::default(),
            notices: RefCell::default(),
            patterns: RefCell::default(),
        }
    }

    /// Rewrites a schema; its references point to `$defs`, which [`Self::close`] adds.
    pub(super) fn rewrite(&self, schema: &Value, direction: Direction) -> Value {
        rewrite::schema(self, schema, direction)
    }

    /// Adds `$defs` with every shared schema that `schema` reaches, the nearest first, up to
    /// `max_bytes` of JSON; those beyond are left open. Tells whether there are such.
    pub(super) fn close(&self, schema: &mut Value, direction: Direction, max_bytes: usize) -> bool {
        let mut pending = Vec::new();
        collect_references(schema, &mut pending);
        let mut pending: VecDeque<String> = pending.into();
        let mut defs: BTreeMap<String, Value> = BTreeMap::new();
        let mut bytes = size(schema);
        let mut is_cut = bytes > max_bytes;
        while let Some(name) = pending.pop_front() {
            if defs.contains_key(&name) {
                continue;
            }
            let shared = self.shared(&name, direction);
            if bytes + shared.size > max_bytes {
                is_cut = true;
                defs.insert(name, json!({}));
                continue;
            }
            bytes += shared.size;
            pending.extend(shared.references.iter().cloned());
            defs.insert(name, shared.schema.clone());
        }
        if !defs.is_empty() {
            schema["$defs"] = Value::Object(defs.into_iter().collect());
        }
        is_cut
    }

    /// What could not be used as it was written.
    pub(super) fn take_notices(&self) -> Vec<String> {
        self.notices.take().into_iter().collect()
    }

    /// What a schema stands for, when its reference can be followed.
    pub(super) fn resolve<'v>(&'v self, schema: &'v Value) -> &'v Value {
        self.document.resolve(schema).unwrap_or(schema)
    }

    /// The name under `$defs` for a reference, unless it cannot be followed.
    pub(super) fn name(&self, reference: &str) -> Option<String> {
        if let Some(name) = self.names.borrow().by_reference.get(reference) {
            return Some(name.clone());
        }
        let followed = self.document.target(reference);
        if let Err(error) = followed.and_then(|target| self.document.resolve(target)) {
            self.note(format!("a schema is not checked: $ref {error}"));
            return None;
        }
        Some(self.names.borrow_mut().add(reference))
    }

    /// Whether the document follows JSON Schema 2020-12 (3.1 and later).
    pub(super) fn is_modern(&self) -> bool {
        self.is_modern
    }

    /// Whether a pattern can be checked; one that cannot would cost the whole tool.
    pub(super) fn takes_pattern(&self, pattern: &str) -> bool {
        if let Some(known) = self.patterns.borrow().get(pattern) {
            return *known;
        }
        let schema = Arc::new(json!({ "pattern": pattern }));
        let takes = Schema::compile(schema).is_ok();
        if !takes {
            self.note(format!(
                "a schema's pattern is not checked: {pattern:?} cannot be read"
            ));
        }
        self.patterns.borrow_mut().insert(pattern.to_owned(), takes);
        takes
    }

    /// Remembers something that could not be used as it was written.
    pub(super) fn note(&self, notice: String) {
        self.notices.borrow_mut().insert(notice);
    }

    fn shared(&self, name: &str, direction: Direction) -> Rc<Shared> {
        let key = (direction, name.to_owned());
        if let Some(shared) = self.shared.borrow().get(&key) {
            return shared.clone();
        }
        let reference = self.names.borrow().by_name.get(name).cloned();
        let target = reference.and_then(|reference| self.document.target(&reference).ok());
        let schema = target.map_or(json!({}), |target| self.rewrite(target, direction));
        let mut references = Vec::new();
        collect_references(&schema, &mut references);
        let shared = Rc::new(Shared {
            size: size(&schema),
            schema,
            references,
        });
        self.shared.borrow_mut().insert(key, shared.clone());
        shared
    }
}

impl Names {
    fn add(&mut self, reference: &str) -> String {
        let last = reference.rsplit('/').next().unwrap_or_default();
        let base = super::naming::clean(last);
        let base = if base.is_empty() { "schema" } else { &base };
        let mut name = base.to_owned();
        for n in 2.. {
            if !self.by_name.contains_key(&name) {
                break;
            }
            name = format!("{base}_{n}");
        }
        self.by_name.insert(name.clone(), reference.to_owned());
        self.by_reference.insert(reference.to_owned(), name.clone());
        name
    }
}

/// The names under `$defs` that a rewritten schema refers to.
fn collect_references(schema: &Value, names: &mut Vec<String>) {
    match schema {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Value::String(text) if key == "$ref" => {
                        names.extend(text.strip_prefix("#/$defs/").map(str::to_owned));
                    }
                    _ => collect_references(value, names),
                }
            }
        }
        Value::Array(items) => items
            .iter()
            .for_each(|item| collect_references(item, names)),
        _ => {}
    }
}

/// About how many bytes a value has as JSON.
fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() + 3,
        Value::Array(items) => 2 + items.iter().map(size).sum::<usize>(),
        Value::Object(fields) => {
            2 + fields
                .iter()
                .map(|(k, v)| k.len() + 4 + size(v))
                .sum::<usize>()
        }
        _ => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(version: &str) -> Document {
        Document::new(json!({
            "openapi": version,
            "components": {"schemas": {
                "Node": {"type": "object", "required": ["id", "name"], "properties": {
                    "id": {"type": "integer", "readOnly": true},
                    "secret": {"type": "string", "writeOnly": true},
                    "name": {"type": "string"},
                    "next": {"$ref": "#/components/schemas/Node"},
                    "other": {"$ref": "#/components/schemas/Other"},
                }},
                "Other": {"type": "string", "nullable": true, "enum": ["a"]},
                "Unused": {"type": "string"},
            }},
        }))
        .unwrap()
    }

    #[test]
    fn recursive_schemas_stay_finite_and_only_what_is_reached_is_kept() {
        let document = document("3.0.0");
        let schemas = Schemas::new(&document);
        let node = json!({"$ref": "#/components/schemas/Node"});
        let mut request = schemas.rewrite(&node, Direction::Request);
        assert!(!schemas.close(&mut request, Direction::Request, 10_000));
        let other = json!({"type": ["string", "null"], "enum": ["a", null]});
        let expected = json!({
            "$ref": "#/$defs/Node",
            "$defs": {
                "Node": {"type": "object", "required": ["name"], "properties": {
                    "secret": {"type": "string"},
                    "name": {"type": "string"},
                    "next": {"$ref": "#/$defs/Node"},
                    "other": {"$ref": "#/$defs/Other"},
                }},
                "Other": other,
            },
        });
        assert_eq!(request, expected);
        let mut response = schemas.rewrite(&node, Direction::Response);
        assert!(!schemas.close(&mut response, Direction::Response, 10_000));
        let expected = json!({
            "$ref": "#/$defs/Node",
            "$defs": {
                "Node": {"type": "object", "required": ["id", "name"], "properties": {
                    "id": {"type": "integer"},
                    "name": {"type": "string"},
                    "next": {"$ref": "#/$defs/Node"},
                    "other": {"$ref": "#/$defs/Other"},
                }},
                "Other": other,
            },
        });
        assert_eq!(response, expected);
        assert_eq!(schemas.take_notices(), Vec::<String>::new());
    }

    #[test]
    fn what_is_beyond_the_limit_is_left_open() {
        let document = document("3.0.0");
        let schemas = Schemas::new(&document);
        let node = json!({"$ref": "#/components/schemas/Node"});
        let mut schema = schemas.rewrite(&node, Direction::Request);
        assert!(schemas.close(&mut schema, Direction::Request, 210));
        assert_eq!(schema["$defs"]["Other"], json!({}));
        assert_eq!(schema["$defs"]["Node"]["type"], "object");
    }

    #[test]
    fn what_cannot_be_followed_is_not_checked_and_said() {
        let document = document("3.1.0");
        let schemas = Schemas::new(&document);
        let schema = json!({"type": "object", "properties": {
            "a": {"$ref": "https://example.com/a.json"},
            "b": {"$ref": "#/components/schemas/Gone", "description": "b"},
        }});
        assert_eq!(
            schemas.rewrite(&schema, Direction::Request),
            json!({"type": "object", "properties": {"a": {}, "b": {"description": "b"}}})
        );
        assert_eq!(
            schemas.take_notices(),
            [
                "a schema is not checked: $ref \"#/components/schemas/Gone\" points to nothing",
                "a schema is not checked: $ref \"https://example.com/a.json\" is in another \
                 document; only references inside the document are followed",
            ]
        );
    }
}
