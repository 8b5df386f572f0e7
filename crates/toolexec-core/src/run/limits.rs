//! Caps on the size and depth of JSON.

use serde_json::{Map, Value};

/// Caps on the size and depth of a JSON value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValueLimits {
    /// The most bytes, counted as compact JSON would need them without escapes.
    pub max_bytes: usize,
    /// The deepest nesting; a scalar has depth 0, `[1]` has depth 1.
    pub max_depth: usize,
}

/// A cap that a value exceeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exceeded {
    Bytes(usize),
    Depth(usize),
}

impl ValueLimits {
    pub(super) fn check_object(&self, object: &Map<String, Value>) -> Result<(), Exceeded> {
        let mut left = self.max_bytes;
        self.object(object, 1, &mut left)
    }

    pub(super) fn check(&self, value: &Value) -> Result<(), Exceeded> {
        let mut left = self.max_bytes;
        self.value(value, 0, &mut left)
    }

    // Recursion ends at `max_depth`, so a hostile value cannot exhaust the stack.
    fn value(&self, value: &Value, depth: usize, left: &mut usize) -> Result<(), Exceeded> {
        match value {
            Value::Null | Value::Bool(_) => self.take(4, left),
            Value::Number(_) => self.take(8, left),
            Value::String(text) => self.take(text.len() + 2, left),
            Value::Array(items) => {
                self.enter(depth + 1)?;
                self.take(items.len() + 2, left)?;
                items
                    .iter()
                    .try_for_each(|item| self.value(item, depth + 1, left))
            }
            Value::Object(fields) => self.object(fields, depth + 1, left),
        }
    }

    fn object(
        &self,
        fields: &Map<String, Value>,
        depth: usize,
        left: &mut usize,
    ) -> Result<(), Exceeded> {
        self.enter(depth)?;
        self.take(2, left)?;
        fields.iter().try_for_each(|(key, value)| {
            self.take(key.len() + 4, left)?;
            self.value(value, depth, left)
        })
    }

    fn enter(&self, depth: usize) -> Result<(), Exceeded> {
        if depth > self.max_depth {
            Err(Exceeded::Depth(self.max_depth))
        } else {
            Ok(())
        }
    }

    fn take(&self, bytes: usize, left: &mut usize) -> Result<(), Exceeded> {
        *left = left
            .checked_sub(bytes)
            .ok_or(Exceeded::Bytes(self.max_bytes))?;
        Ok(())
    }
}

impl std::fmt::Display for Exceeded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bytes(limit) => write!(f, "larger than {limit} bytes"),
            Self::Depth(limit) => write!(f, "nested deeper than {limit} levels"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn depth_and_size_are_capped() {
        let limits = ValueLimits {
            max_bytes: 100,
            max_depth: 2,
        };
        assert_eq!(limits.check(&json!([[1]])), Ok(()));
        assert_eq!(limits.check(&json!([[[1]]])), Err(Exceeded::Depth(2)));
        assert_eq!(limits.check(&json!("x".repeat(98))), Ok(()));
        assert_eq!(
            limits.check(&json!("x".repeat(99))),
            Err(Exceeded::Bytes(100))
        );
    }

    #[test]
    fn a_very_deep_value_is_refused_without_exhausting_the_stack() {
        let mut value = json!(1);
        for _ in 0..50_000 {
            value = Value::Array(vec![value]);
        }
        let limits = ValueLimits {
            max_bytes: usize::MAX,
            max_depth: 64,
        };
        assert_eq!(limits.check(&value), Err(Exceeded::Depth(64)));
        // Dropping it would recurse.
        std::mem::forget(value);
    }
}
