//! Values that stand in the text of a script.

use serde_json::{Map, Value};

use super::ast::{Expression, ExpressionKind as E};
use crate::text::{MAX_LITERAL_DEPTH, number};

/// The entries whose values stand in the text.
pub(super) fn literals(entries: &[(String, Expression)]) -> Map<String, Value> {
    let mut found = Map::new();
    for (key, expression) in entries {
        match literal(expression, MAX_LITERAL_DEPTH) {
            Some(value) => found.insert(key.clone(), value),
            None => found.remove(key),
        };
    }
    found
}

fn literal(expression: &Expression, depth: usize) -> Option<Value> {
    let depth = depth.checked_sub(1)?;
    match &expression.kind {
        E::Null => Some(Value::Null),
        E::Bool(one) => Some((*one).into()),
        E::Number(digits) => number(digits.parse().ok()?),
        E::Negate(inner) => match &inner.kind {
            E::Number(digits) => number(-digits.parse::<f64>().ok()?),
            _ => None,
        },
        E::Text(text) => Some(text.as_str().into()),
        E::List(items) => items.iter().map(|item| literal(item, depth)).collect(),
        E::Object(entries) => {
            let entries = entries.iter();
            let fields: Option<Map<String, Value>> = entries
                .map(|(key, value)| Some((key.clone(), literal(value, depth)?)))
                .collect();
            fields.map(Value::Object)
        }
        _ => None,
    }
}
