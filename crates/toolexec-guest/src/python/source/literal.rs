//! Values that stand in the text of a program.

use ruff_python_ast::{self as ast, Expr, Keyword, Number, UnaryOp};
use serde_json::{Map, Value};

use crate::text::MAX_LITERAL_DEPTH;

/// The arguments whose values stand in the text: of keywords, and of the keys of a dict before
/// them. What `**` brings may replace any of them, so then there are none.
pub(super) fn literals(keywords: &[Keyword], object: Option<&Expr>) -> Map<String, Value> {
    let mut found = Map::new();
    if let Some(Expr::Dict(dict)) = object {
        for item in &dict.items {
            let Some(Expr::StringLiteral(key)) = &item.key else {
                return Map::new();
            };
            note(&mut found, key.value.to_str(), &item.value);
        }
    }
    for keyword in keywords {
        match &keyword.arg {
            Some(name) => note(&mut found, name, &keyword.value),
            None => return Map::new(),
        }
    }
    found
}

fn note(found: &mut Map<String, Value>, name: &str, value: &Expr) {
    match literal(value, MAX_LITERAL_DEPTH) {
        Some(value) => found.insert(name.to_owned(), value),
        None => found.remove(name),
    };
}

fn literal(expr: &Expr, depth: usize) -> Option<Value> {
    let depth = depth.checked_sub(1)?;
    match expr {
        Expr::NoneLiteral(_) => Some(Value::Null),
        Expr::BooleanLiteral(one) => Some(one.value.into()),
        Expr::StringLiteral(text) => Some(text.value.to_str().into()),
        Expr::NumberLiteral(number) => self::number(&number.value, 1),
        Expr::UnaryOp(unary) if unary.op == UnaryOp::USub => match &*unary.operand {
            Expr::NumberLiteral(number) => self::number(&number.value, -1),
            _ => None,
        },
        Expr::List(list) => items(&list.elts, depth),
        Expr::Tuple(tuple) => items(&tuple.elts, depth),
        Expr::Dict(dict) => fields(dict, depth),
        _ => None,
    }
}

fn items(items: &[Expr], depth: usize) -> Option<Value> {
    items.iter().map(|item| literal(item, depth)).collect()
}

fn fields(dict: &ast::ExprDict, depth: usize) -> Option<Value> {
    let mut fields = Map::new();
    for item in &dict.items {
        let Some(Expr::StringLiteral(key)) = &item.key else {
            return None;
        };
        fields.insert(key.value.to_str().to_owned(), literal(&item.value, depth)?);
    }
    Some(fields.into())
}

fn number(number: &Number, sign: i8) -> Option<Value> {
    match number {
        Number::Int(int) => Some((int.as_i64()? * i64::from(sign)).into()),
        Number::Float(float) => {
            serde_json::Number::from_f64(float * f64::from(sign)).map(Into::into)
        }
        Number::Complex { .. } => None,
    }
}
