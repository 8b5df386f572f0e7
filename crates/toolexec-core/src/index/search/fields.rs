//! The texts of a tool that are searched.

use serde_json::{Map, Value};

use crate::index::query::Field;
use crate::tool::Tool;

/// How deep a schema is walked.
const MAX_DEPTH: usize = 6;
/// How much text of a schema is read, in bytes.
const MAX_SCHEMA_TEXT: usize = 16 * 1024;
/// How much of a description is read, in bytes.
const MAX_DESCRIPTION: usize = 16 * 1024;
/// How long the first sentence of a description may be, in bytes.
const MAX_LEAD: usize = 240;
/// How many values of an enumeration are read.
const MAX_VALUES: usize = 32;

/// A searched part of a tool; finer than [`Field`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Part {
    Name,
    Title,
    Namespace,
    Tag,
    /// The first sentence of the description.
    Lead,
    /// The rest of the description.
    Body,
    Parameter,
    ParameterText,
    /// A value that a parameter may have.
    Value,
}

/// How many parts there are.
pub(super) const PARTS: usize = 9;

impl Part {
    /// All of them, in order.
    pub(super) const ALL: [Self; PARTS] = [
        Self::Name,
        Self::Title,
        Self::Namespace,
        Self::Tag,
        Self::Lead,
        Self::Body,
        Self::Parameter,
        Self::ParameterText,
        Self::Value,
    ];

    /// The field that callers know it by.
    pub(super) fn field(self) -> Field {
        match self {
            Self::Name => Field::Name,
            Self::Title => Field::Title,
            Self::Namespace => Field::Namespace,
            Self::Tag => Field::Tag,
            Self::Lead | Self::Body => Field::Description,
            Self::Parameter => Field::Parameter,
            Self::ParameterText | Self::Value => Field::ParameterText,
        }
    }
}

/// Gives every searched text of `tool` to `visit`.
pub(super) fn visit_tool(tool: &Tool, visit: &mut dyn FnMut(Part, &str)) {
    visit(Part::Name, tool.id.name());
    visit(Part::Namespace, tool.id.namespace());
    if let Some(title) = tool.title.as_deref().or(tool.annotations.title.as_deref()) {
        visit(Part::Title, title);
    }
    for tag in &tool.tags {
        visit(Part::Tag, tag);
    }
    visit_description(&tool.description, visit);
    visit_schema(&tool.input_schema, visit);
}

/// Gives the two parts of a description to `visit`.
pub(super) fn visit_description(text: &str, visit: &mut dyn FnMut(Part, &str)) {
    let text = cut(text.trim_start(), MAX_DESCRIPTION);
    let (lead, body) = text.split_at(lead_end(text));
    visit(Part::Lead, lead);
    visit(Part::Body, body);
}

/// Gives the names, descriptions and values of the parameters of `schema` to `visit`.
pub(super) fn visit_schema(schema: &Value, visit: &mut dyn FnMut(Part, &str)) {
    let mut walk = Walk {
        budget: MAX_SCHEMA_TEXT,
        visit,
    };
    if let Value::Object(schema) = schema {
        walk.members(schema, 0);
    }
}

struct Walk<'a> {
    budget: usize,
    visit: &'a mut dyn FnMut(Part, &str),
}

impl Walk<'_> {
    fn text(&mut self, part: Part, text: &str) {
        let text = cut(text, self.budget);
        self.budget -= text.len();
        (self.visit)(part, text);
    }

    /// One schema: what it says about itself, then what is in it.
    fn schema(&mut self, schema: &Value, depth: usize) {
        let Value::Object(schema) = schema else {
            return;
        };
        for key in ["title", "description"] {
            if let Some(Value::String(text)) = schema.get(key) {
                self.text(Part::ParameterText, text);
            }
        }
        if let Some(Value::Array(values)) = schema.get("enum") {
            for value in values.iter().filter_map(Value::as_str).take(MAX_VALUES) {
                self.text(Part::Value, value);
            }
        }
        self.members(schema, depth);
    }

    fn members(&mut self, schema: &Map<String, Value>, depth: usize) {
        if depth == MAX_DEPTH || self.budget == 0 {
            return;
        }
        for key in ["properties", "$defs", "definitions"] {
            if let Some(Value::Object(members)) = schema.get(key) {
                for (name, member) in members {
                    self.text(Part::Parameter, name);
                    self.schema(member, depth + 1);
                }
            }
        }
        for key in ["items", "additionalProperties"] {
            if let Some(member) = schema.get(key) {
                self.schema(member, depth + 1);
            }
        }
        for key in ["prefixItems", "anyOf", "oneOf", "allOf"] {
            if let Some(Value::Array(members)) = schema.get(key) {
                for member in members {
                    self.schema(member, depth + 1);
                }
            }
        }
    }
}

/// The end of the first sentence or line, or where it becomes too long.
fn lead_end(text: &str) -> usize {
    let bytes = text.as_bytes();
    let end = (0..bytes.len()).find(|&at| match bytes[at] {
        b'\n' => true,
        b'.' | b'!' | b'?' => bytes.get(at + 1).is_none_or(u8::is_ascii_whitespace),
        _ => false,
    });
    cut(text, end.unwrap_or(bytes.len()).min(MAX_LEAD)).len()
}

fn cut(text: &str, max: usize) -> &str {
    let mut end = max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
