//! Templates in the arguments of a step.

use serde_json::{Map, Value};

/// Arguments with their templates parsed.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Template {
    /// No template in it.
    Literal(Value),
    /// A string that is exactly one template; keeps the type of what it refers to.
    Whole(Reference),
    /// A string with templates in it.
    Text(Vec<Part>),
    Array(Vec<Template>),
    Object(Vec<(String, Template)>),
}

/// A piece of a text.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Part {
    Literal(String),
    Reference(Reference),
}

/// What a template refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reference {
    /// As written between the braces.
    pub(super) text: String,
    pub(super) root: Root,
    pub(super) path: Vec<Segment>,
}

/// Where a reference starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Root {
    /// The value of the step before.
    Prev,
    /// The value of a step by its place.
    Step(usize),
    /// The value of a step by its name.
    Named(String),
    /// A variable of a `for_each`.
    Variable(String),
}

/// One step of a path into a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    Key(String),
    Index(usize),
}

impl Template {
    /// Parses every string in `value`. `\{{` stands for a literal `{{`.
    pub(super) fn parse(value: Value) -> Result<Self, String> {
        Ok(match value {
            Value::String(text) => Self::parse_text(&text)?,
            Value::Array(items) => {
                let items: Vec<Self> = items
                    .into_iter()
                    .map(Self::parse)
                    .collect::<Result<_, _>>()?;
                match items
                    .iter()
                    .map(Self::as_literal)
                    .collect::<Option<Vec<_>>>()
                {
                    Some(literals) => Self::Literal(literals.into_iter().cloned().collect()),
                    None => Self::Array(items),
                }
            }
            Value::Object(fields) => {
                let mut parsed = Vec::with_capacity(fields.len());
                for (key, value) in fields {
                    parsed.push((key, Self::parse(value)?));
                }
                if parsed.iter().all(|(_, value)| value.as_literal().is_some()) {
                    let fields: Map<String, Value> = parsed
                        .into_iter()
                        .filter_map(|(key, value)| Some((key, value.as_literal()?.clone())))
                        .collect();
                    Self::Literal(Value::Object(fields))
                } else {
                    Self::Object(parsed)
                }
            }
            other => Self::Literal(other),
        })
    }

    fn parse_text(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(open) = rest.find("{{") {
            if let Some(before) = rest[..open].strip_suffix('\\') {
                literal.push_str(before);
                literal.push_str("{{");
                rest = &rest[open + 2..];
                continue;
            }
            literal.push_str(&rest[..open]);
            let inner = &rest[open + 2..];
            let close = inner.find("}}").ok_or_else(|| {
                format!(
                    "template {:?} is not closed; write \\{{{{ for literal braces",
                    &rest[open..]
                )
            })?;
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(Part::Reference(Reference::parse(inner[..close].trim())?));
            rest = &inner[close + 2..];
        }
        literal.push_str(rest);
        if parts.is_empty() {
            return Ok(Self::Literal(Value::String(literal)));
        }
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        if let [Part::Reference(only)] = &parts[..] {
            return Ok(Self::Whole(only.clone()));
        }
        Ok(Self::Text(parts))
    }

    fn as_literal(&self) -> Option<&Value> {
        match self {
            Self::Literal(value) => Some(value),
            _ => None,
        }
    }

    /// Calls `each` with every reference.
    pub(super) fn references(&self, each: &mut impl FnMut(&Reference)) {
        match self {
            Self::Literal(_) => {}
            Self::Whole(reference) => each(reference),
            Self::Text(parts) => {
                for part in parts {
                    if let Part::Reference(reference) = part {
                        each(reference);
                    }
                }
            }
            Self::Array(items) => items.iter().for_each(|item| item.references(each)),
            Self::Object(fields) => fields.iter().for_each(|(_, field)| field.references(each)),
        }
    }

    /// Fills in the templates. `look_up` finds what a reference means.
    pub(super) fn fill<E>(
        &self,
        look_up: &mut impl FnMut(&Reference) -> Result<Value, E>,
    ) -> Result<Value, E> {
        Ok(match self {
            Self::Literal(value) => value.clone(),
            Self::Whole(reference) => look_up(reference)?,
            Self::Text(parts) => {
                let mut text = String::new();
                for part in parts {
                    match part {
                        Part::Literal(literal) => text.push_str(literal),
                        Part::Reference(reference) => match look_up(reference)? {
                            Value::String(value) => text.push_str(&value),
                            value => text.push_str(&value.to_string()),
                        },
                    }
                }
                Value::String(text)
            }
            Self::Array(items) => Value::Array(
                items
                    .iter()
                    .map(|item| item.fill(look_up))
                    .collect::<Result<_, _>>()?,
            ),
            Self::Object(fields) => {
                let mut filled = Map::with_capacity(fields.len());
                for (key, field) in fields {
                    filled.insert(key.clone(), field.fill(look_up)?);
                }
                Value::Object(filled)
            }
        })
    }
}

impl Reference {
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| {
            format!(
                "template {{{{{text}}}}}: {why}; write prev.field, steps.name.field, \
                 steps[0].field or, in a for_each step, item.field"
            )
        };
        let mut path = parse_path(text).map_err(|why| wrong(&why))?.into_iter();
        let Some(Segment::Key(root)) = path.next() else {
            return Err(wrong("it starts with no name"));
        };
        let root = match root.as_str() {
            "prev" => Root::Prev,
            "steps" => match path.next() {
                Some(Segment::Key(name)) => Root::Named(name),
                Some(Segment::Index(place)) => Root::Step(place),
                None => return Err(wrong("it does not say which step")),
            },
            _ => Root::Variable(root),
        };
        Ok(Self {
            text: text.to_owned(),
            root,
            path: path.collect(),
        })
    }

    /// The part of `value` that the path leads to; the error says what was there instead.
    pub(super) fn walk<'a>(&self, value: &'a Value) -> Result<&'a Value, String> {
        let mut here = value;
        for (depth, segment) in self.path.iter().enumerate() {
            let next = match (segment, here) {
                (Segment::Key(key), Value::Object(fields)) => fields.get(key),
                (Segment::Index(index), Value::Array(items)) => items.get(*index),
                // `a.0` reads as the first item too.
                (Segment::Key(key), Value::Array(items)) => {
                    key.parse::<usize>().ok().and_then(|index| items.get(index))
                }
                _ => None,
            };
            here = next.ok_or_else(|| self.missing(depth, segment, here))?;
        }
        Ok(here)
    }

    fn missing(&self, depth: usize, segment: &Segment, here: &Value) -> String {
        let mut place = match &self.root {
            Root::Prev => "prev".to_owned(),
            Root::Step(step) => format!("steps[{step}]"),
            Root::Named(name) => format!("steps.{name}"),
            Root::Variable(name) => name.clone(),
        };
        for segment in &self.path[..depth] {
            place.push_str(&segment.to_string());
        }
        format!(
            "{{{{{}}}}}: {place} has no {segment}; it is {}",
            self.text,
            outline(here)
        )
    }
}

impl std::fmt::Display for Segment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Key(key) => write!(f, ".{key}"),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}

/// What a value is, without what it holds.
pub(super) fn outline(value: &Value) -> String {
    match value {
        Value::Object(fields) if fields.is_empty() => "an empty object".to_owned(),
        Value::Object(fields) => {
            let mut names: Vec<&str> = fields.keys().take(12).map(String::as_str).collect();
            if fields.len() > names.len() {
                names.push("...");
            }
            format!("an object with {}", names.join(", "))
        }
        Value::Array(items) => format!("a list of {} items", items.len()),
        Value::String(_) => "a text".to_owned(),
        Value::Number(_) => "a number".to_owned(),
        Value::Bool(_) => "a boolean".to_owned(),
        Value::Null => "null".to_owned(),
    }
}

/// Parses `a.b[0]["c d"]`.
fn parse_path(text: &str) -> Result<Vec<Segment>, String> {
    let mut segments = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let (segment, after) = parse_bracket(inner)?;
            segments.push(segment);
            rest = after;
        } else {
            let key = match rest.strip_prefix('.') {
                Some(key) if !segments.is_empty() => key,
                None if segments.is_empty() => rest,
                _ => return Err("it has a stray character".to_owned()),
            };
            let end = key.find(['.', '[']).unwrap_or(key.len());
            if end == 0 || key[..end].contains(char::is_whitespace) {
                return Err("it has an empty or odd field name".to_owned());
            }
            segments.push(Segment::Key(key[..end].to_owned()));
            rest = &key[end..];
        }
    }
    if segments.is_empty() {
        Err("it is empty".to_owned())
    } else {
        Ok(segments)
    }
}

fn parse_bracket(inner: &str) -> Result<(Segment, &str), String> {
    if let Some(quoted) = inner.strip_prefix('"') {
        let end = quoted.find("\"]").ok_or("a [\"...\"] is not closed")?;
        return Ok((Segment::Key(quoted[..end].to_owned()), &quoted[end + 2..]));
    }
    let end = inner.find(']').ok_or("a [...] is not closed")?;
    let index = inner[..end]
        .parse()
        .map_err(|_| "a [...] holds no number".to_owned())?;
    Ok((Segment::Index(index), &inner[end + 1..]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fill(template: Value, prev: &Value) -> Result<Value, String> {
        Template::parse(template)?.fill(&mut |reference| reference.walk(prev).cloned())
    }

    #[test]
    fn a_whole_template_keeps_the_type() {
        let prev = json!({"number": 7, "list": [1, {"a b": true}], "title": "x"});
        let cases = [
            (json!("{{prev.number}}"), json!(7)),
            (json!("{{ prev.list[0] }}"), json!(1)),
            (json!("{{prev.list.0}}"), json!(1)),
            (json!("{{prev.list[1][\"a b\"]}}"), json!(true)),
            (json!("{{prev}}"), prev.clone()),
            (json!("#{{prev.number}}: {{prev.title}}!"), json!("#7: x!")),
            (
                json!("{{prev.list}} of {{prev.title}}"),
                json!("[1,{\"a b\":true}] of x"),
            ),
            (json!("\\{{prev.number}}"), json!("{{prev.number}}")),
            (json!("plain {text}"), json!("plain {text}")),
            (json!({"a": ["{{prev.title}}", 1]}), json!({"a": ["x", 1]})),
        ];
        for (template, filled) in cases {
            assert_eq!(fill(template.clone(), &prev), Ok(filled), "{template}");
        }
    }

    #[test]
    fn a_missing_path_says_what_was_there() {
        let prev = json!({"id": 1, "items": [1, 2], "name": "x"});
        let cases = [
            (
                "{{prev.number}}",
                "{{prev.number}}: prev has no .number; it is an object with id, items, name",
            ),
            (
                "{{prev.items[5]}}",
                "{{prev.items[5]}}: prev.items has no [5]; it is a list of 2 items",
            ),
            (
                "{{prev.name.first}}",
                "{{prev.name.first}}: prev.name has no .first; it is a text",
            ),
        ];
        for (template, message) in cases {
            assert_eq!(fill(json!(template), &prev), Err(message.to_owned()));
        }
    }

    #[test]
    fn malformed_templates_are_refused() {
        for template in [
            "{{",
            "{{}}",
            "{{prev",
            "{{prev..a}}",
            "{{steps}}",
            "{{[0]}}",
            "{{a[x]}}",
            "{{a b}}",
        ] {
            assert!(Template::parse(json!(template)).is_err(), "{template}");
        }
    }
}
