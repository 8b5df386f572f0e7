//! The arguments of a tool as named parameters.

use super::model::{Field, Named, Object, Rest, Type};

/// What may be passed beside the named parameters.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Others {
    /// Nothing.
    None,
    /// The schema does not say, which allows them without meaning it.
    Unsaid,
    /// Values of this type.
    Some(Type),
}

/// The arguments of a tool as named parameters.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shape {
    pub(crate) fields: Vec<Field>,
    pub(crate) others: Others,
}

/// How deep alternatives nest.
const MAX_DEPTH: usize = 4;

impl Shape {
    /// The parameters of a type. Of alternatives every parameter is taken; those that all of them
    /// need are required.
    pub(crate) fn of(ty: &Type, named: &[Named]) -> Self {
        Self::read(ty, named, MAX_DEPTH).unwrap_or(Self {
            fields: Vec::new(),
            others: Others::Some(Type::Any(None)),
        })
    }

    fn read(ty: &Type, named: &[Named], depth: usize) -> Option<Self> {
        let depth = depth.checked_sub(1)?;
        match ty {
            Type::Object(object) => Some(Self::of_object(object)),
            Type::Named(id) => Self::read(&named.get(*id)?.ty, named, depth),
            Type::Union(members) => {
                let mut shapes = members.iter().filter(|ty| **ty != Type::Null);
                let first = Self::read(shapes.next()?, named, depth)?;
                shapes.try_fold(first, |all, ty| Some(all.or(Self::read(ty, named, depth)?)))
            }
            _ => None,
        }
    }

    fn of_object(object: &Object) -> Self {
        Self {
            fields: object.fields.clone(),
            others: match &object.rest {
                Rest::Closed => Others::None,
                Rest::Unsaid if object.fields.is_empty() => Others::Some(Type::Any(None)),
                Rest::Unsaid => Others::Unsaid,
                Rest::Open(ty) => Others::Some((**ty).clone()),
            },
        }
    }

    fn or(mut self, other: Self) -> Self {
        for field in &mut self.fields {
            let same = other.fields.iter().find(|same| same.name == field.name);
            field.required &= same.is_some_and(|same| same.required);
            if let Some(same) = same {
                let ty = std::mem::replace(&mut field.ty, Type::Never);
                field.ty = Type::union([ty, same.ty.clone()]);
            }
        }
        for mut field in other.fields {
            if !self.fields.iter().any(|known| known.name == field.name) {
                field.required = false;
                self.fields.push(field);
            }
        }
        self.others = match (self.others, other.others) {
            (Others::Some(a), Others::Some(b)) => Others::Some(Type::union([a, b])),
            (some @ Others::Some(_), _) | (_, some @ Others::Some(_)) => some,
            (Others::None, Others::None) => Others::None,
            _ => Others::Unsaid,
        };
        self
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::types::lower::lower;

    fn shape(schema: &Value) -> Shape {
        let lowered = lower(schema);
        Shape::of(&lowered.ty, &lowered.named)
    }

    #[test]
    fn alternatives_require_what_all_of_them_require() {
        let shape = shape(&json!({
            "oneOf": [
                {
                    "properties": {"kind": {"const": "a"}, "x": {"type": "integer"}},
                    "required": ["kind", "x"],
                    "additionalProperties": false,
                },
                {"properties": {"kind": {"const": "b"}, "y": {}}, "required": ["kind", "y"]},
            ],
        }));
        let fields: Vec<(&str, bool)> = shape
            .fields
            .iter()
            .map(|field| (&*field.name, field.required))
            .collect();
        assert_eq!(fields, [("kind", true), ("x", false), ("y", false)]);
        let kinds = ["a", "b"].map(|kind| Type::Literal(json!(kind)));
        assert_eq!(shape.fields[0].ty, Type::Union(kinds.to_vec()));
        assert_eq!(shape.others, Others::Unsaid);
    }

    #[test]
    fn arguments_that_are_no_object_take_anything() {
        let any = Shape {
            fields: Vec::new(),
            others: Others::Some(Type::Any(None)),
        };
        for schema in [json!(true), json!({}), json!({"type": "object"}), json!([])] {
            assert_eq!(shape(&schema), any);
        }
    }
}
