//! The registered docs of tools.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::entry::{DocEntry, fit_examples};
use super::example::Example;
use crate::error::Result;
use crate::id::ToolKey;

/// How many examples a tool keeps when the store is not told otherwise.
pub const DEFAULT_MAX_EXAMPLES: usize = 10;

/// The registered docs of tools, by tool key: all versions of a tool share them.
///
/// Docs may be registered before their tool is.
#[derive(Debug)]
pub struct DocStore {
    max_examples: usize,
    docs: RwLock<HashMap<ToolKey, Arc<DocEntry>>>,
}

impl Default for DocStore {
    fn default() -> Self {
        Self::new(DEFAULT_MAX_EXAMPLES)
    }
}

impl DocStore {
    /// An empty store that keeps at most `max_examples` examples for each tool.
    pub fn new(max_examples: usize) -> Self {
        Self {
            max_examples,
            docs: RwLock::default(),
        }
    }

    /// Registers what is to be known about a tool, in place of what was. Texts that are too long
    /// are cut; the answer says which.
    ///
    /// # Errors
    /// [`ErrorKind::LimitExceeded`](crate::ErrorKind::LimitExceeded) for an example whose
    /// arguments are too large; then nothing changes.
    pub fn register_doc(&self, key: &ToolKey, mut doc: DocEntry) -> Result<Vec<String>> {
        let notices = doc.fit(self.max_examples)?;
        self.write(|docs| docs.insert(key.clone(), Arc::new(doc)));
        Ok(notices)
    }

    /// Registers the examples of a tool, in place of those it had, and keeps the rest of its doc.
    /// The answer says what was cut.
    ///
    /// # Errors
    /// As [`register_doc`](Self::register_doc).
    pub fn register_examples(
        &self,
        key: &ToolKey,
        mut examples: Vec<Example>,
    ) -> Result<Vec<String>> {
        let notices = fit_examples(&mut examples, self.max_examples)?;
        self.write(|docs| {
            let doc = docs.entry(key.clone()).or_default();
            Arc::make_mut(doc).examples = examples;
        });
        Ok(notices)
    }

    /// Removes what is known about a tool; says whether anything was.
    pub fn remove(&self, key: &ToolKey) -> bool {
        self.write(|docs| docs.remove(key).is_some())
    }

    /// What is known about a tool.
    pub fn get(&self, key: &ToolKey) -> Option<Arc<DocEntry>> {
        self.docs
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(key)
            .cloned()
    }

    /// The registered examples of a tool, at most `max` of them.
    pub fn examples(&self, key: &ToolKey, max: Option<usize>) -> Vec<Example> {
        let max = max.unwrap_or(self.max_examples);
        self.get(key).map_or_else(Vec::new, |doc| {
            doc.examples.iter().take(max).cloned().collect()
        })
    }

    // A map operation does not leave the map half changed, so a poisoned lock guards a whole map.
    fn write<T>(&self, change: impl FnOnce(&mut HashMap<ToolKey, Arc<DocEntry>>) -> T) -> T {
        change(&mut self.docs.write().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key() -> ToolKey {
        ToolKey::new("math", "add").unwrap()
    }

    fn example(title: &str) -> Example {
        Example {
            title: title.to_owned(),
            ..Example::default()
        }
    }

    #[test]
    fn examples_are_replaced_and_the_rest_is_kept() {
        let store = DocStore::new(2);
        let doc = DocEntry {
            notes: Some("slow".to_owned()),
            ..DocEntry::default()
        };
        assert_eq!(
            store.register_doc(&key(), doc).unwrap(),
            Vec::<String>::new()
        );
        let three = vec![example("a"), example("b"), example("c")];
        assert_eq!(
            store.register_examples(&key(), three).unwrap(),
            ["3 examples cut to 2"]
        );
        assert_eq!(
            *store.get(&key()).unwrap(),
            DocEntry {
                notes: Some("slow".to_owned()),
                examples: vec![example("a"), example("b")],
                ..DocEntry::default()
            }
        );
        assert_eq!(store.examples(&key(), Some(1)), [example("a")]);
        assert!(store.remove(&key()));
        assert!(!store.remove(&key()));
        assert_eq!(store.get(&key()), None);
        assert_eq!(store.examples(&key(), None), []);
    }

    #[test]
    fn a_doc_that_is_refused_leaves_the_old_one() {
        let store = DocStore::default();
        store
            .register_examples(&key(), vec![example("old")])
            .unwrap();
        let args = json!({"list": (0..100).collect::<Vec<_>>()});
        let large = Example {
            args: serde_json::from_value(args).unwrap(),
            ..example("new")
        };
        let doc = DocEntry {
            examples: vec![large],
            ..DocEntry::default()
        };
        assert!(store.register_doc(&key(), doc).is_err());
        assert_eq!(store.examples(&key(), None), [example("old")]);
    }

    #[test]
    fn long_texts_are_cut_and_reported() {
        let doc = DocEntry {
            summary: Some("é".repeat(300)),
            notes: Some("é".repeat(2001)),
            external_refs: vec![String::new(); 21],
            ..DocEntry::default()
        };
        let store = DocStore::default();
        assert_eq!(
            store.register_doc(&key(), doc).unwrap(),
            [
                "summary of 300 characters cut to 200",
                "notes of 2001 characters cut to 2000",
                "21 references cut to 20",
            ]
        );
        let kept = store.get(&key()).unwrap();
        assert_eq!(
            kept.summary.as_deref().map(|text| text.chars().count()),
            Some(200)
        );
    }
}
