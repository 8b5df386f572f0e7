//! The parameters of a tool by name, for checks.

use serde_json::Value;

use super::lower::lower;
use super::model::Type;
use super::shape::{self, Shape};

/// The parameters of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameters {
    /// Those that have names, in the order of the schema.
    pub named: Vec<Parameter>,
    /// Whether others may be passed.
    pub others: Others,
}

/// A parameter that has a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Whether a call must set it.
    pub required: bool,
}

/// Whether arguments may be passed that have no parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// The schema forbids them.
    Forbidden,
    /// The schema does not say, which allows them without meaning it.
    Unsaid,
    /// The schema allows them.
    Allowed,
}

impl Parameters {
    /// Reads an input schema. Of alternatives, every parameter is taken; those that all of them
    /// require are required.
    pub fn of(schema: &Value) -> Self {
        let lowered = lower(schema);
        let shape = Shape::of(&lowered.ty, &lowered.named);
        let named = shape
            .fields
            .into_iter()
            .filter(|field| field.ty != Type::Never);
        Self {
            named: named
                .map(|field| Parameter {
                    name: field.name,
                    required: field.required,
                })
                .collect(),
            others: match shape.others {
                shape::Others::None => Others::Forbidden,
                shape::Others::Unsaid => Others::Unsaid,
                shape::Others::Some(_) => Others::Allowed,
            },
        }
    }
}
