//! Conditions on the arguments of a call.

use std::cmp::Ordering;

use serde_json::{Number, Value};

use super::{Deserialize, Serialize};
use crate::pattern::glob;
use crate::tool::Args;

/// What an argument must be; all that is set must hold.
///
/// An argument that is absent, or of another type than a condition is about, does not fit it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Condition {
    /// Whether the argument is there at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub present: Option<bool>,
    /// The value it equals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub equals: Option<Value>,
    /// The values of which it equals one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub one_of: Option<Vec<Value>>,
    /// A pattern that the text fits; `*` stands for any characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub glob: Option<String>,
    /// What the text begins with. For paths and URLs take `inside`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// The absolute directory in which the path lies that the text is, after `.` and `..` were
    /// resolved by text alone; a relative path never does. Symbolic links are not followed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inside: Option<String>,
    /// The least that the number is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// The most that the number is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
}

impl Condition {
    pub(super) fn check(&self) -> Result<(), String> {
        if *self == Self::default() {
            return Err("the condition is empty".to_owned());
        }
        let others = Self {
            present: Some(false),
            ..Self::default()
        };
        if self.present == Some(false) && *self != others {
            return Err("an argument that is not present has no value to look at".to_owned());
        }
        let numbers = [self.min, self.max].into_iter().flatten();
        if numbers.into_iter().any(f64::is_nan) {
            return Err("`min` and `max` are numbers".to_owned());
        }
        if let (Some(min), Some(max)) = (self.min, self.max)
            && min > max
        {
            return Err(format!("`min` ({min}) is more than `max` ({max})"));
        }
        match &self.inside {
            Some(directory) if components(directory).is_none() => Err(format!(
                "`inside` needs an absolute path, not {directory:?}"
            )),
            _ => Ok(()),
        }
    }

    /// Whether it holds for the values at `pointer`: for all and at least one, or for one.
    pub(super) fn holds_at(&self, pointer: &str, args: &Args, all: bool) -> bool {
        let mut found = Vec::new();
        let segments: Vec<String> = pointer.split('/').skip(1).map(unescape).collect();
        if let Some((first, rest)) = segments.split_first() {
            for (key, value) in args {
                if first == "*" || first == key {
                    collect(value, rest, &mut found);
                }
            }
        }
        match self.present {
            Some(false) => found.is_empty(),
            _ if all => !found.is_empty() && found.iter().all(|value| self.holds(value)),
            _ => found.iter().any(|value| self.holds(value)),
        }
    }

    fn holds(&self, value: &Value) -> bool {
        let text = || value.as_str().unwrap_or_default();
        let is_text = value.is_string();
        let number = value.as_f64();
        (self.equals.as_ref()).is_none_or(|wanted| same(wanted, value))
            && (self.one_of.as_ref())
                .is_none_or(|wanted| wanted.iter().any(|wanted| same(wanted, value)))
            && (self.glob.as_ref()).is_none_or(|pattern| is_text && glob(pattern, text()))
            && (self.prefix.as_ref()).is_none_or(|prefix| is_text && text().starts_with(prefix))
            && (self.inside.as_ref())
                .is_none_or(|directory| is_text && is_inside(text(), directory))
            && (self.min).is_none_or(|min| number.is_some_and(|number| number >= min))
            && (self.max).is_none_or(|max| number.is_some_and(|number| number <= max))
    }
}

fn unescape(segment: &str) -> String {
    segment.replace("~1", "/").replace("~0", "~")
}

fn collect<'a>(value: &'a Value, segments: &[String], found: &mut Vec<&'a Value>) {
    let Some((first, rest)) = segments.split_first() else {
        found.push(value);
        return;
    };
    match value {
        Value::Object(fields) if first == "*" => {
            for value in fields.values() {
                collect(value, rest, found);
            }
        }
        Value::Array(items) if first == "*" => {
            for value in items {
                collect(value, rest, found);
            }
        }
        Value::Object(fields) => {
            if let Some(value) = fields.get(first) {
                collect(value, rest, found);
            }
        }
        Value::Array(items) => {
            if let Some(value) = first.parse().ok().and_then(|at: usize| items.get(at)) {
                collect(value, rest, found);
            }
        }
        _ => {}
    }
}

/// Whether two values are the same to a JSON Schema: `1` is `1.0`.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || compare(a, b) == Some(Ordering::Equal),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        (a, b) => a == b,
    }
}

/// Compares as doubles where one of them is a fraction; two integers differ as they stand.
fn compare(a: &Number, b: &Number) -> Option<Ordering> {
    if a.is_f64() || b.is_f64() {
        a.as_f64()?.partial_cmp(&b.as_f64()?)
    } else {
        None
    }
}

fn is_inside(path: &str, directory: &str) -> bool {
    let (Some(path), Some(directory)) = (components(path), components(directory)) else {
        return false;
    };
    path.starts_with(&directory)
}

/// The parts of an absolute path without `.` and `..`. A zero byte ends a path elsewhere, and a
/// backslash separates elsewhere: such a text is no path here.
fn components(path: &str) -> Option<Vec<&str>> {
    if !path.starts_with('/') || path.contains(['\0', '\\']) {
        return None;
    }
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    Some(parts)
}
