//! The text of a file, and where each key stands in it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

use super::ConfigError;
use super::expand::{ExpandError, expand, is_expanded};
use super::sections::Sections;

/// A parsed file.
pub(super) struct Document<'a> {
    file: &'a Path,
    text: &'a str,
    // By the path of keys; of the key itself, and of its value.
    keys: HashMap<Vec<String>, Range<usize>>,
    values: HashMap<Vec<String>, Range<usize>>,
}

/// A variable that could not be replaced, at the path of its field.
pub(super) struct Unexpanded {
    pub(super) path: Vec<String>,
    pub(super) error: ConfigError,
}

impl<'a> Document<'a> {
    pub(super) fn parse(file: &'a Path, text: &'a str) -> Result<Self, ConfigError> {
        let mut document = Self {
            file,
            text,
            keys: HashMap::new(),
            values: HashMap::new(),
        };
        let root = DeTable::parse(text).map_err(|error| document.explain(&error))?;
        document.note_table(&mut Vec::new(), root.get_ref());
        Ok(document)
    }

    pub(super) fn file(&self) -> &'a Path {
        self.file
    }

    /// What the file says, and the variables that could not be replaced.
    pub(super) fn read(
        &self,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<(Sections, Vec<Unexpanded>), ConfigError> {
        let mut root = DeTable::parse(self.text).map_err(|error| self.explain(&error))?;
        let mut unset = Vec::new();
        let mut path = Vec::new();
        let mut each = |path: &[String], span: Range<usize>, text: &mut Cow<'a, str>| match expand(
            text, variable,
        ) {
            Ok(new) => *text = Cow::Owned(new),
            Err(error) => unset.push(Unexpanded {
                path: path.to_vec(),
                error: self.explain_expand(path, span, &error),
            }),
        };
        for (key, value) in root.get_mut().iter_mut() {
            path.push(key.get_ref().to_string());
            expand_value(&mut path, value, &mut each);
            path.pop();
        }
        let sections = Sections::deserialize(Deserializer::from(root))
            .map_err(|error| self.explain(&error))?;
        Ok((sections, unset))
    }

    /// An error about the key at `path`, or the nearest part of it that the file has.
    pub(super) fn at_key(&self, path: &[&str], message: impl Into<String>) -> ConfigError {
        self.at(&self.keys, path, message)
    }

    /// An error about the value at `path`.
    pub(super) fn at_value(&self, path: &[&str], message: impl Into<String>) -> ConfigError {
        self.at(&self.values, path, message)
    }

    fn at(
        &self,
        spans: &HashMap<Vec<String>, Range<usize>>,
        path: &[&str],
        message: impl Into<String>,
    ) -> ConfigError {
        let path: Vec<String> = path.iter().map(|&part| part.to_owned()).collect();
        let span = (1..=path.len()).rev().find_map(|len| {
            let part = &path[..len];
            spans.get(part).or_else(|| self.keys.get(part))
        });
        match span {
            Some(span) => ConfigError::at(self.file, self.text, span.clone(), message),
            None => ConfigError::new(self.file, message),
        }
    }

    fn note_table(&mut self, path: &mut Vec<String>, table: &DeTable<'_>) {
        for (key, value) in table {
            path.push(key.get_ref().to_string());
            self.keys.insert(path.clone(), key.span());
            self.note(path, value);
            path.pop();
        }
    }

    fn note(&mut self, path: &mut Vec<String>, value: &Spanned<DeValue<'_>>) {
        self.values.insert(path.clone(), value.span());
        match value.get_ref() {
            DeValue::Table(table) => self.note_table(path, table),
            DeValue::Array(items) => {
                for (place, item) in items.iter().enumerate() {
                    path.push(place.to_string());
                    self.note(path, item);
                    path.pop();
                }
            }
            _ => {}
        }
    }

    /// Puts an error of the parser into our words.
    fn explain(&self, error: &toml::de::Error) -> ConfigError {
        let message = error.message().trim();
        let (message, hint) = match unknown_key(message) {
            Some((key, known)) => {
                let hint = match nearest(key, &known) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("known here: {}", known.join(", ")),
                };
                (format!("unknown key `{key}`"), Some(hint))
            }
            None => (message.replace('\n', "; "), None),
        };
        let made = match error.span() {
            Some(span) => ConfigError::at(self.file, self.text, span, message),
            None => ConfigError::new(self.file, message),
        };
        match hint {
            Some(hint) => made.with_hint(hint),
            None => made,
        }
    }

    fn explain_expand(
        &self,
        path: &[String],
        span: Range<usize>,
        error: &ExpandError,
    ) -> ConfigError {
        let key = path.join(".");
        let at = |message: String| ConfigError::at(self.file, self.text, span.clone(), message);
        match error {
            ExpandError::Unset(name) => at(format!(
                "the environment variable {name}, which `{key}` needs, is not set or empty"
            ))
            .with_hint(format!("set it: export {name}=..."))
            .with_hint(format!("or give a default: ${{{name}:-default}}")),
            ExpandError::Unclosed => at(format!("`{key}` has `${{` without `}}`"))
                .with_hint("write `$$` for a dollar sign"),
            ExpandError::NotAName(text) => at(format!(
                "`{key}` has `${{{text}}}`, which names no environment variable"
            ))
            .with_hint("write ${NAME} or ${NAME:-default}, or `$$` for a dollar sign"),
        }
    }
}

type Each<'e, 'a> = &'e mut dyn FnMut(&[String], Range<usize>, &mut Cow<'a, str>);

fn expand_value<'a>(path: &mut Vec<String>, value: &mut Spanned<DeValue<'a>>, each: Each<'_, 'a>) {
    let span = value.span();
    match value.get_mut() {
        DeValue::String(text) if is_expanded(path) => each(path, span, text),
        DeValue::Table(table) => {
            for (key, value) in table.iter_mut() {
                path.push(key.get_ref().to_string());
                expand_value(path, value, each);
                path.pop();
            }
        }
        DeValue::Array(items) => {
            for (place, item) in items.iter_mut().enumerate() {
                path.push(place.to_string());
                expand_value(path, item, each);
                path.pop();
            }
        }
        _ => {}
    }
}

/// Reads serde's ``unknown field `x`, expected one of `a`, `b` ``.
fn unknown_key(message: &str) -> Option<(&str, Vec<&str>)> {
    let rest = message.strip_prefix("unknown field `")?;
    let (key, rest) = rest.split_once('`')?;
    // Every second piece stands between backticks.
    Some((key, rest.split('`').skip(1).step_by(2).collect()))
}

fn nearest<'k>(key: &str, known: &[&'k str]) -> Option<&'k str> {
    const NEAR: f64 = 0.75;
    known
        .iter()
        .map(|&candidate| (strsim::jaro_winkler(key, candidate), candidate))
        .filter(|&(score, _)| score >= NEAR)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}
