//! Types between a JSON Schema and a language.

use serde_json::Value;

/// The place of a named type in the list it belongs to.
pub(crate) type NamedId = usize;

/// The values that a schema allows, as far as types can say.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Type {
    /// Any value, and why no more is known where that should be said.
    Any(Option<&'static str>),
    /// No value.
    Never,
    Null,
    Boolean,
    Integer,
    Number,
    String,
    /// One string, number or boolean.
    Literal(Value),
    List(Box<Type>),
    Tuple(Tuple),
    Object(Object),
    /// One of at least two.
    Union(Vec<Type>),
    Named(NamedId),
}

/// A list whose first items have types of their own.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tuple {
    pub(crate) items: Vec<Type>,
    /// How many of the items must be there.
    pub(crate) required: usize,
    /// The items after them, if there may be any.
    pub(crate) rest: Option<Box<Type>>,
}

/// An object.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Object {
    pub(crate) fields: Vec<Field>,
    pub(crate) rest: Rest,
}

/// The fields of an object that have no names of their own.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Rest {
    /// There are none.
    Closed,
    /// The schema does not say, which allows them without meaning it.
    Unsaid,
    /// There are, of this type.
    Open(Box<Type>),
}

/// A field of an object.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) required: bool,
    pub(crate) ty: Type,
    /// What its schema says in words.
    pub(crate) doc: Doc,
}

/// What a schema says in words.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Doc {
    /// Its description, as it stands.
    pub(crate) text: String,
    /// What types do not express: the default, bounds, formats.
    pub(crate) facts: Vec<String>,
}

/// A type that is used by its name.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Named {
    /// What its schema calls it.
    pub(crate) hint: String,
    pub(crate) ty: Type,
    pub(crate) doc: Doc,
    /// Equal for equal schemas, with all they refer to.
    pub(crate) fingerprint: u64,
}

impl Type {
    /// The union of `types`: flat, without repeats.
    pub(crate) fn union(types: impl IntoIterator<Item = Self>) -> Self {
        let mut members: Vec<Self> = Vec::new();
        for ty in types {
            match ty {
                Self::Any(why) => return Self::Any(why),
                Self::Never => {}
                Self::Union(inner) => inner.into_iter().for_each(|ty| add(&mut members, ty)),
                other => add(&mut members, other),
            }
        }
        match members.len() {
            0 => Self::Never,
            1 => members.swap_remove(0),
            _ => Self::Union(members),
        }
    }

    /// Shows every number of a named type to `see`, which may change it.
    pub(crate) fn each_named(&mut self, see: &mut impl FnMut(&mut NamedId)) {
        match self {
            Self::Named(id) => see(id),
            Self::List(item) => item.each_named(see),
            Self::Union(members) => members.iter_mut().for_each(|member| member.each_named(see)),
            Self::Tuple(Tuple { items, rest, .. }) => {
                for item in items {
                    item.each_named(see);
                }
                if let Some(rest) = rest {
                    rest.each_named(see);
                }
            }
            Self::Object(Object { fields, rest }) => {
                for field in fields {
                    field.ty.each_named(see);
                }
                if let Rest::Open(rest) = rest {
                    rest.each_named(see);
                }
            }
            Self::Any(_)
            | Self::Never
            | Self::Null
            | Self::Boolean
            | Self::Integer
            | Self::Number
            | Self::String
            | Self::Literal(_) => {}
        }
    }

    /// The type of exactly this value.
    pub(crate) fn of_value(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) | Value::Number(_) | Value::String(_) => Self::Literal(value.clone()),
            Value::Array(items) => Self::Tuple(Tuple {
                items: items.iter().map(Self::of_value).collect(),
                required: items.len(),
                rest: None,
            }),
            Value::Object(fields) => {
                let fields = fields.iter().map(|(name, value)| Field {
                    name: name.clone(),
                    required: true,
                    ty: Self::of_value(value),
                    doc: Doc::default(),
                });
                Self::Object(Object {
                    fields: fields.collect(),
                    rest: Rest::Closed,
                })
            }
        }
    }
}

impl Doc {
    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty() && self.facts.is_empty()
    }
}

fn add(members: &mut Vec<Type>, ty: Type) {
    let swallowed = |wide: &Type| match (wide, &ty) {
        (wide, ty) if wide == ty => true,
        (Type::Number, Type::Integer) => true,
        (wide, Type::Literal(value)) => wide.takes_literal(value),
        _ => false,
    };
    if members.iter().any(swallowed) {
        return;
    }
    if !matches!(ty, Type::Literal(_)) {
        members.retain(|old| !matches!(old, Type::Literal(value) if ty.takes_literal(value)));
    }
    if ty == Type::Number {
        members.retain(|old| *old != Type::Integer);
    }
    members.push(ty);
}

impl Type {
    /// Whether no class can be needed for it.
    pub(crate) fn is_plain(&self) -> bool {
        !matches!(
            self,
            Self::List(_) | Self::Tuple(_) | Self::Object(_) | Self::Union(_)
        )
    }

    /// Whether this plain type holds a string, number or boolean.
    pub(crate) fn takes_literal(&self, value: &Value) -> bool {
        match self {
            Self::String => value.is_string(),
            Self::Boolean => value.is_boolean(),
            Self::Number => value.is_number(),
            Self::Integer => value.is_i64() || value.is_u64(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn unions_are_flat_and_say_nothing_twice() {
        let literal = |value: Value| Type::Literal(value);
        let cases = [
            (vec![], Type::Never),
            (vec![Type::String, Type::Never], Type::String),
            (vec![Type::String, Type::Any(None)], Type::Any(None)),
            (vec![Type::Integer, Type::Number], Type::Number),
            (vec![literal(json!("a")), Type::String], Type::String),
            (vec![Type::Integer, literal(json!(1))], Type::Integer),
            (
                vec![
                    Type::Union(vec![Type::Null, Type::String]),
                    Type::String,
                    literal(json!(1.5)),
                ],
                Type::Union(vec![Type::Null, Type::String, literal(json!(1.5))]),
            ),
        ];
        for (members, expected) in cases {
            assert_eq!(Type::union(members), expected);
        }
    }
}
