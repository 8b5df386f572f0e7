//! Values that stand in the text of a program.

use oxc::ast::ast::{
    ArrayExpressionElement, Expression, ObjectExpression, ObjectProperty, ObjectPropertyKind,
    PropertyKey, PropertyKind, UnaryOperator,
};
use serde_json::{Map, Value};

use crate::text::{MAX_LITERAL_DEPTH, number};

/// The properties whose values stand in the text. What a spread or a computed name brings may
/// replace those before it, so these are left out.
pub(super) fn literals(object: &ObjectExpression<'_>) -> Map<String, Value> {
    let mut found = Map::new();
    for property in &object.properties {
        match property {
            ObjectPropertyKind::ObjectProperty(property) => match key(property) {
                Some(name) => match literal(&property.value, MAX_LITERAL_DEPTH) {
                    Some(value) => drop(found.insert(name, value)),
                    None => drop(found.remove(&name)),
                },
                None => found.clear(),
            },
            ObjectPropertyKind::SpreadProperty(_) => found.clear(),
        }
    }
    found
}

/// The name of a property, when it can be seen.
pub(super) fn key(property: &ObjectProperty<'_>) -> Option<String> {
    match &property.key {
        PropertyKey::StaticIdentifier(name) if !property.computed => {
            Some(name.name.as_str().to_owned())
        }
        PropertyKey::StringLiteral(name) => {
            Some(name.value.as_str().unwrap_or_default().to_owned())
        }
        _ => None,
    }
}

fn literal(expression: &Expression<'_>, depth: usize) -> Option<Value> {
    let depth = depth.checked_sub(1)?;
    match expression {
        Expression::NullLiteral(_) => Some(Value::Null),
        Expression::BooleanLiteral(one) => Some(one.value.into()),
        Expression::NumericLiteral(one) => number(one.value),
        Expression::StringLiteral(text) => Some(text.value.as_str()?.into()),
        Expression::TemplateLiteral(text) if text.expressions.is_empty() => {
            let text = text.quasis.first()?.value.cooked.as_ref()?;
            Some(text.as_str()?.into())
        }
        Expression::UnaryExpression(unary) if unary.operator == UnaryOperator::UnaryNegation => {
            match &unary.argument {
                Expression::NumericLiteral(one) => number(-one.value),
                _ => None,
            }
        }
        Expression::ParenthesizedExpression(inner) => literal(&inner.expression, depth),
        Expression::TSAsExpression(inner) => literal(&inner.expression, depth),
        Expression::TSSatisfiesExpression(inner) => literal(&inner.expression, depth),
        Expression::ArrayExpression(list) => {
            let item = |item: &ArrayExpressionElement<'_>| literal(item.as_expression()?, depth);
            list.elements.iter().map(item).collect()
        }
        Expression::ObjectExpression(object) => {
            let mut fields = Map::new();
            for property in &object.properties {
                match property {
                    ObjectPropertyKind::ObjectProperty(property)
                        if property.kind == PropertyKind::Init && !property.method =>
                    {
                        fields.insert(key(property)?, literal(&property.value, depth)?);
                    }
                    _ => return None,
                }
            }
            Some(fields.into())
        }
        _ => None,
    }
}
