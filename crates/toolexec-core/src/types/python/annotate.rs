//! Types as Python annotations.

use std::collections::HashSet;
use std::fmt::Write as _;

use serde_json::Value;

use super::Purpose;
use crate::types::model::{Doc, Field, Named, Object, Rest, Tuple, Type};
use crate::types::names::{Taken, is_python_name, pascal};
use crate::types::text::{FIELD_TEXT, lines};

/// Names that annotations use, and where each comes from.
const IMPORTED: &[(&str, &str)] = &[
    ("Any", "_typing"),
    ("Literal", "_typing"),
    ("Mapping", "_abc"),
    ("Never", "_typing"),
    ("NotRequired", "_typing"),
    ("Sequence", "_abc"),
    ("bool", "_builtins"),
    ("dict", "_builtins"),
    ("float", "_builtins"),
    ("int", "_builtins"),
    ("list", "_builtins"),
    ("str", "_builtins"),
];

/// Whether a value goes to a tool or comes from one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// To a tool: any sequence and mapping will do.
    In,
    /// From a tool.
    Out,
}

/// Writes annotations, and the classes that they need.
#[derive(Debug)]
pub(super) struct Annotations<'a> {
    pub(super) named: &'a [Named],
    pub(super) taken: &'a mut Taken,
    pub(super) purpose: Purpose,
    /// Whether what fields say in words is written too.
    pub(super) docs: bool,
    /// The classes that were needed so far.
    pub(super) classes: String,
    /// Names that mean something else where the annotation stands.
    pub(super) hidden: HashSet<String>,
}

impl Annotations<'_> {
    /// The annotation of a type; a class that it needs is named after `hint`.
    pub(super) fn of(&mut self, ty: &Type, way: Way, hint: &str) -> String {
        match ty {
            Type::Any(_) => self.name("Any"),
            Type::Never => self.name("Never"),
            Type::Null => "None".to_owned(),
            Type::Boolean => self.name("bool"),
            // A whole number may have been computed as a float.
            Type::Integer if self.is_lenient(way) => self.name("float"),
            Type::Integer => self.name("int"),
            Type::Number => self.name("float"),
            Type::String => self.name("str"),
            Type::Literal(value) => self.literal(value, way),
            Type::List(item) => self.list(item, way, hint),
            Type::Tuple(tuple) => self.list(&items(tuple), way, hint),
            Type::Object(_) if self.is_lenient(way) => {
                format!(
                    "{}[{}, {}]",
                    self.name("Mapping"),
                    self.name("str"),
                    self.name("Any")
                )
            }
            Type::Object(object) => self.object(object, way, hint),
            Type::Union(members) => self.union(members, way, hint),
            Type::Named(id) => match self.named.get(*id) {
                Some(named) if self.is_lenient(way) => self.lenient(&named.ty),
                Some(named) => named.hint.clone(),
                None => self.name("Any"),
            },
        }
    }

    /// Defines what `name` stands for: a class, or another name for a type.
    pub(super) fn define(&mut self, name: &str, ty: &Type, doc: &Doc) {
        match ty {
            Type::Object(object) if !object.fields.is_empty() => {
                self.class(name, object, doc, Way::Out);
            }
            other => {
                let text = self.of(other, Way::Out, name);
                self.comment(doc, 0);
                let _ = writeln!(self.classes, "type {name} = {text}\n");
            }
        }
    }

    /// A name that means what it should where the annotation stands.
    pub(super) fn name(&self, name: &str) -> String {
        if self.hidden.is_empty() {
            return name.to_owned();
        }
        let module = IMPORTED.iter().find(|(known, _)| *known == name);
        match module {
            Some((_, module)) if self.hidden.contains(name) => format!("{module}.{name}"),
            _ => name.to_owned(),
        }
    }

    /// Any mapping: arguments of which nothing is known.
    pub(super) fn anything(&self) -> String {
        format!(
            "{}[{}, {}]",
            self.name("Mapping"),
            self.name("str"),
            self.name("Any")
        )
    }

    /// Writes a doc as comments in front of what comes next.
    pub(super) fn comment(&mut self, doc: &Doc, indent: usize) {
        if self.docs {
            comment(&mut self.classes, doc, indent);
        }
    }

    /// A check must not refuse what may be right: types of arguments are wider for it.
    fn is_lenient(&self, way: Way) -> bool {
        self.purpose == Purpose::Check && way == Way::In
    }

    /// A named type for a check: its outermost form only.
    fn lenient(&self, ty: &Type) -> String {
        match ty {
            Type::Object(_) => {
                format!(
                    "{}[{}, {}]",
                    self.name("Mapping"),
                    self.name("str"),
                    self.name("Any")
                )
            }
            _ => self.name("Any"),
        }
    }

    fn list(&mut self, item: &Type, way: Way, hint: &str) -> String {
        let item = self.of(item, way, &format!("{hint}Item"));
        let list = if way == Way::In { "Sequence" } else { "list" };
        format!("{}[{item}]", self.name(list))
    }

    fn union(&mut self, members: &[Type], way: Way, hint: &str) -> String {
        let literals: Vec<&Value> = members
            .iter()
            .filter_map(|member| match member {
                Type::Literal(value) if !value.is_f64() => Some(value),
                _ => None,
            })
            .collect();
        let mut texts: Vec<String> = Vec::new();
        if !literals.is_empty() && !self.is_lenient(way) {
            let values: Vec<String> = literals.into_iter().map(python_literal).collect();
            texts.push(format!("{}[{}]", self.name("Literal"), values.join(", ")));
        }
        let objects = members
            .iter()
            .filter(|ty| matches!(ty, Type::Object(_)))
            .count();
        for (at, member) in members.iter().enumerate() {
            let text = match member {
                Type::Literal(value) if !value.is_f64() && !self.is_lenient(way) => continue,
                Type::Object(_) if objects > 1 => {
                    self.of(member, way, &format!("{hint}{}", at + 1))
                }
                other => self.of(other, way, hint),
            };
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        texts.join(" | ")
    }

    fn literal(&self, value: &Value, way: Way) -> String {
        match value {
            Value::String(_) if self.is_lenient(way) => self.name("str"),
            Value::Bool(_) if self.is_lenient(way) => self.name("bool"),
            Value::Number(number) if number.is_f64() || self.is_lenient(way) => self.name("float"),
            other => format!("{}[{}]", self.name("Literal"), python_literal(other)),
        }
    }

    fn object(&mut self, object: &Object, way: Way, hint: &str) -> String {
        if !object.fields.is_empty() {
            let name = self.taken.give(hint);
            self.class(&name, object, &Doc::default(), way);
            return name;
        }
        let any = Type::Any(None);
        let value = match &object.rest {
            Rest::Closed => &Type::Never,
            Rest::Unsaid => &any,
            Rest::Open(ty) => ty,
        };
        let value = self.of(value, way, &format!("{hint}Value"));
        let map = if way == Way::In { "Mapping" } else { "dict" };
        format!("{}[{}, {value}]", self.name(map), self.name("str"))
    }

    /// Writes the class of an object. The classes that its fields need come first.
    fn class(&mut self, name: &str, object: &Object, doc: &Doc, way: Way) {
        // The annotations of fields stand in a scope of their own.
        let hidden = std::mem::take(&mut self.hidden);
        let fields: Vec<(&Field, String)> = object
            .fields
            .iter()
            .map(|field| {
                let hint = hint_of(name, field);
                let text = self.of(&field.ty, way, &hint);
                let text = if field.required {
                    text
                } else {
                    format!("NotRequired[{text}]")
                };
                (field, text)
            })
            .collect();
        self.comment(doc, 0);
        let others = match &object.rest {
            Rest::Open(_) => "  # other fields may be there",
            Rest::Closed | Rest::Unsaid => "",
        };
        if object
            .fields
            .iter()
            .all(|field| self.is_field_name(&field.name))
        {
            let _ = writeln!(self.classes, "class {name}(TypedDict):{others}");
            for (field, text) in fields {
                self.comment(&field.doc, 1);
                let _ = writeln!(self.classes, "    {}: {text}", field.name);
            }
        } else {
            let _ = writeln!(self.classes, "{name} = TypedDict(\"{name}\", {{{others}");
            for (field, text) in fields {
                self.comment(&field.doc, 1);
                let key = Value::from(field.name.as_str());
                let _ = writeln!(self.classes, "    {key}: {text},");
            }
            self.classes.push_str("})\n");
        }
        self.classes.push('\n');
        self.hidden = hidden;
    }

    /// Whether a field can stand in a class: its name would hide a type of that name.
    fn is_field_name(&self, name: &str) -> bool {
        let hides_import = IMPORTED.iter().any(|(known, _)| *known == name);
        let hides_class =
            name.starts_with(|c: char| c.is_ascii_uppercase()) && self.taken.has(name);
        is_python_name(name) && !name.starts_with("__") && !hides_import && !hides_class
    }
}

/// What the classes of a field are named after; nothing where there are none.
pub(super) fn hint_of(owner: &str, field: &Field) -> String {
    if field.ty.is_plain() {
        return String::new();
    }
    format!("{owner}{}", pascal(&field.name))
}

/// The lists that hold a tuple: Python's checkers take no list for a tuple.
fn items(tuple: &Tuple) -> Type {
    let rest = tuple
        .rest
        .as_deref()
        .filter(|rest| !matches!(rest, Type::Any(_)));
    Type::union(tuple.items.iter().chain(rest).cloned())
}

fn python_literal(value: &Value) -> String {
    match value {
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        // The escapes of JSON mean the same in Python.
        other => other.to_string(),
    }
}

/// Writes a doc as comments.
pub(super) fn comment(out: &mut String, doc: &Doc, indent: usize) {
    for line in lines(doc, FIELD_TEXT) {
        let line = format!("{}# {line}", "    ".repeat(indent));
        let _ = writeln!(out, "{}", line.trim_end());
    }
}
