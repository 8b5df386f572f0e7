//! Reading a JSON Schema of any draft as a [`Type`].

mod facts;
mod keywords;
mod meet;
mod refs;

use serde_json::{Map, Value};

use super::model::{Doc, Named, Type};
use facts::{doc_of, doc_of_named, is_condition};
use refs::Document;

/// How deep types nest before the rest is left out.
const MAX_DEPTH: usize = 16;
/// How deep the reading itself nests, through references too.
const MAX_NESTING: usize = 100;
/// How many schemas of one document are read before the rest is left out.
const MAX_SCHEMAS: usize = 3000;
/// The keywords that combine a schema with others.
const COMBINING: &[&str] = &[
    "$ref",
    "$dynamicRef",
    "$recursiveRef",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "nullable",
];
/// Why something is left out.
const CUT: &str = "left out: the schema is too large";

/// A schema that was read.
#[derive(Debug)]
pub(crate) struct Lowered {
    pub(crate) ty: Type,
    pub(crate) doc: Doc,
    /// The types that `ty` names.
    pub(crate) named: Vec<Named>,
}

/// Reads a schema. It never fails: what cannot be understood allows any value and says so.
pub(crate) fn lower(schema: &Value) -> Lowered {
    let mut lowering = Lowering {
        document: Document::new(schema),
        named: Vec::new(),
        places: Vec::new(),
        guards: 0,
        depth: 0,
        nesting: 0,
        left: MAX_SCHEMAS,
    };
    let mut ty = lowering.schema(schema);
    // A root that refers to itself has a name.
    let is_root = |place: &Place<'_>| std::ptr::eq(place.schema, schema) && place.recursive;
    if let Some(id) = lowering.places.iter().position(is_root) {
        ty = Type::Named(id);
    }
    let mut lowered = Lowered {
        ty,
        doc: doc_of(schema),
        named: lowering.named,
    };
    lowered.keep_used();
    lowered
}

impl Lowered {
    /// Forgets the named types that nothing names: those that read better where they stand.
    fn keep_used(&mut self) {
        // The old numbers in the order of the new ones.
        let mut used: Vec<usize> = Vec::new();
        let mut places = vec![usize::MAX; self.named.len()];
        let mut renumber = |ty: &mut Type, used: &mut Vec<usize>| {
            ty.each_named(&mut |id| {
                if places[*id] == usize::MAX {
                    places[*id] = used.len();
                    used.push(*id);
                }
                *id = places[*id];
            });
        };
        renumber(&mut self.ty, &mut used);
        let mut kept: Vec<Named> = Vec::new();
        while let Some(&id) = used.get(kept.len()) {
            let mut named = self.named[id].clone();
            renumber(&mut named.ty, &mut used);
            kept.push(named);
        }
        self.named = kept;
    }
}

struct Lowering<'a> {
    document: Document<'a>,
    named: Vec<Named>,
    /// Beside `named`: where each comes from.
    places: Vec<Place<'a>>,
    /// How many lists and objects are open: a type may name itself inside one only.
    guards: usize,
    depth: usize,
    nesting: usize,
    left: usize,
}

struct Place<'a> {
    schema: &'a Value,
    /// The guards when its reading began; `None` when it is read.
    open_at: Option<usize>,
    /// It was named while it was read.
    recursive: bool,
}

impl<'a> Lowering<'a> {
    fn schema(&mut self, schema: &'a Value) -> Type {
        let fields = match schema {
            Value::Bool(true) => return Type::Any(None),
            Value::Bool(false) => return Type::Never,
            Value::Object(fields) => fields,
            _ => return Type::Any(Some("not a schema")),
        };
        if self.depth >= MAX_DEPTH || self.nesting >= MAX_NESTING || self.left == 0 {
            return Type::Any(Some(CUT));
        }
        self.left -= 1;
        self.depth += 1;
        self.nesting += 1;
        let ty = self.object_schema(fields);
        self.nesting -= 1;
        self.depth -= 1;
        ty
    }

    fn object_schema(&mut self, fields: &'a Map<String, Value>) -> Type {
        if !fields.keys().any(|key| COMBINING.contains(&key.as_str())) {
            return self.own(fields);
        }
        let mut ty = Type::Any(None);
        for key in ["$ref", "$dynamicRef", "$recursiveRef"] {
            if let Some(Value::String(reference)) = fields.get(key) {
                let target = self.reference(reference);
                ty = self.both(ty, target);
            }
        }
        let own = self.own(fields);
        ty = self.both(ty, own);
        for member in members(fields, "allOf") {
            let member = self.schema(member);
            ty = self.both(ty, member);
        }
        for key in ["anyOf", "oneOf"] {
            let alternatives = members(fields, key);
            // Alternatives that only restrict which fields are there are told in words.
            if alternatives.is_empty() || alternatives.iter().all(is_condition) {
                continue;
            }
            let read: Vec<Type> = alternatives.iter().map(|one| self.schema(one)).collect();
            let union = Type::union(read);
            ty = self.both(ty, union);
        }
        if fields.get("not").is_some_and(allows_all) {
            return Type::Never;
        }
        if fields.get("nullable") == Some(&Value::Bool(true)) && !matches!(ty, Type::Any(_)) {
            return Type::union([ty, Type::Null]);
        }
        ty
    }

    /// The type of what a list or an object holds.
    fn inner(&mut self, schema: &'a Value) -> Type {
        self.guards += 1;
        let ty = self.schema(schema);
        self.guards -= 1;
        ty
    }

    fn reference(&mut self, reference: &str) -> Type {
        let Some((hint, schema)) = self.document.resolve(reference) else {
            return Type::Any(Some("a reference that leads outside the schema"));
        };
        let known = |place: &Place<'_>| std::ptr::eq(place.schema, schema);
        if let Some(id) = self.places.iter().position(known) {
            return self.again(id);
        }
        let id = self.named.len();
        let fingerprint = self.document.fingerprint(schema);
        let doc = doc_of_named(&hint, schema);
        self.named.push(Named {
            hint,
            ty: Type::Any(None),
            doc,
            fingerprint,
        });
        self.places.push(Place {
            schema,
            open_at: Some(self.guards),
            recursive: false,
        });
        // A named type is written once, however deep its first use is.
        let depth = std::mem::take(&mut self.depth);
        let ty = self.schema(schema);
        self.depth = depth;
        self.places[id].open_at = None;
        self.named[id].ty = ty;
        self.used(id)
    }

    fn again(&mut self, id: usize) -> Type {
        match self.places[id].open_at {
            Some(guards) if guards == self.guards => Type::Any(Some("a type that is only itself")),
            Some(_) => {
                self.places[id].recursive = true;
                Type::Named(id)
            }
            None => self.used(id),
        }
    }

    /// A use of a type that was read: by its name where that says more than the type.
    fn used(&self, id: usize) -> Type {
        match &self.named[id].ty {
            ty @ (Type::Object(_) | Type::Union(_) | Type::Tuple(_)) if !is_map(ty) => {
                Type::Named(id)
            }
            _ if self.places[id].recursive => Type::Named(id),
            ty => ty.clone(),
        }
    }
}

/// An object without named fields reads best where it stands.
fn is_map(ty: &Type) -> bool {
    matches!(ty, Type::Object(object) if object.fields.is_empty())
}

fn allows_all(schema: &Value) -> bool {
    match schema {
        Value::Bool(all) => *all,
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

fn members<'a>(fields: &'a Map<String, Value>, key: &str) -> &'a [Value] {
    fields
        .get(key)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests;
