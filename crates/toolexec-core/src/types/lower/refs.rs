//! References inside a schema.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use serde_json::Value;

/// How many references one fingerprint follows.
const MAX_FOLLOWED: usize = 500;

/// The document that references are looked up in.
pub(super) struct Document<'a> {
    root: &'a Value,
    id: Option<&'a str>,
}

impl<'a> Document<'a> {
    pub(super) fn new(root: &'a Value) -> Self {
        let id = root.get("$id").or_else(|| root.get("id"));
        Self {
            root,
            id: id
                .and_then(Value::as_str)
                .map(|id| id.trim_end_matches('#')),
        }
    }

    /// What a reference leads to, and a name for it.
    pub(super) fn resolve(&self, reference: &str) -> Option<(String, &'a Value)> {
        let (base, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        if !base.is_empty() && self.id != Some(base) {
            return None;
        }
        if fragment.is_empty() {
            return Some((String::new(), self.root));
        }
        if fragment.starts_with('/') {
            let pointer = percent_decoded(fragment);
            let target = self.root.pointer(&pointer)?;
            let last = pointer.rsplit('/').next().unwrap_or_default();
            return Some((last.replace("~1", "/").replace("~0", "~"), target));
        }
        let target = self.anchored(fragment)?;
        Some((fragment.to_owned(), target))
    }

    /// The definition with this anchor.
    fn anchored(&self, anchor: &str) -> Option<&'a Value> {
        let is_it = |schema: &&'a Value| {
            let named = |key: &str| schema.get(key).and_then(Value::as_str);
            named("$anchor") == Some(anchor)
                || named("$dynamicAnchor") == Some(anchor)
                || named("$id")
                    .or_else(|| named("id"))
                    .and_then(|id| id.strip_prefix('#'))
                    == Some(anchor)
        };
        let definitions = ["$defs", "definitions"]
            .into_iter()
            .filter_map(|key| self.root.get(key)?.as_object())
            .flat_map(|definitions| definitions.values());
        std::iter::once(self.root).chain(definitions).find(is_it)
    }

    /// A number that is equal for equal schemas, with all they refer to.
    pub(super) fn fingerprint(&self, schema: &'a Value) -> u64 {
        let mut hasher = DefaultHasher::new();
        let mut seen: Vec<&Value> = vec![schema];
        let mut next = 0;
        while let Some(&schema) = seen.get(next) {
            next += 1;
            schema.hash(&mut hasher);
            self.follow(schema, &mut seen);
        }
        hasher.finish()
    }

    /// Adds what a schema refers to.
    fn follow(&self, schema: &'a Value, seen: &mut Vec<&'a Value>) {
        match schema {
            Value::Object(fields) => {
                for (key, value) in fields {
                    match value {
                        Value::String(reference) if key.ends_with("ef") => {
                            self.follow_one(reference, seen);
                        }
                        _ => self.follow(value, seen),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.follow(item, seen)),
            _ => {}
        }
    }

    fn follow_one(&self, reference: &str, seen: &mut Vec<&'a Value>) {
        if let Some((_, target)) = self.resolve(reference)
            && seen.len() < MAX_FOLLOWED
            && !seen.iter().any(|known| std::ptr::eq(*known, target))
        {
            seen.push(target);
        }
    }
}

/// `%25` and the like in a pointer that is a URL fragment.
fn percent_decoded(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let hex = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let decoded = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match decoded {
            Some(byte) if first == b'%' => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
