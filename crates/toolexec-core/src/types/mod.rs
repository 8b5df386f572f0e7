//! Tools as typed functions of a programming language, made of their schemas.
//!
//! [`declarations`] writes a whole file for many tools: a `.d.ts` for TypeScript, a `.pyi` for
//! Python. [`signature`] writes one tool in a few lines, for a model that wants to call it.
//!
//! Types say less than schemas. What they leave out (defaults, bounds, formats, conditions) stands
//! beside them as comments. A schema that cannot be read allows any value, and says why in a
//! comment; it never fails and never affects another tool. All texts are taken to be hostile:
//! nothing in a description, a name or a constant can end its comment or its string.

mod catalog;
mod lower;
mod model;
mod names;
mod parameters;
mod python;
mod shape;
mod signature;
mod text;
mod typescript;

use std::fmt;
use std::str::FromStr;

use crate::tool::Tool;

pub use parameters::{Others, Parameter, Parameters};
pub use signature::signature;

/// A language that tools can be declared in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum TypeLanguage {
    /// TypeScript; JavaScript programs have the same declarations.
    #[default]
    TypeScript,
    /// Python.
    Python,
}

/// Why a text is no language that tools can be declared in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there are no declarations in {0:?}; there are typescript and python")]
pub struct ParseTypeLanguageError(String);

/// Declares tools in a language: the text of a `.d.ts` or `.pyi` file. Of each tool the highest
/// version is taken; equal tools make equal text, in whatever order they come.
pub fn declarations<'t>(
    tools: impl IntoIterator<Item = &'t Tool>,
    language: TypeLanguage,
) -> String {
    match language {
        TypeLanguage::TypeScript => {
            typescript::declarations(&catalog::Catalog::of(tools, typescript::RESERVED))
        }
        TypeLanguage::Python => {
            let catalog = catalog::Catalog::of(tools, python::RESERVED);
            python::declarations(catalog, python::Purpose::Reading)
        }
    }
}

/// Declares tools for a checker of Python programs. Its types are wider than those of
/// [`declarations`]: a checker must not refuse what may be right, such as a `dict` that was put
/// together step by step, or a result that is used without `await`.
pub fn declarations_for_check<'t>(tools: impl IntoIterator<Item = &'t Tool>) -> String {
    let catalog = catalog::Catalog::of(tools, python::RESERVED);
    python::declarations(catalog, python::Purpose::Check)
}

impl TypeLanguage {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TypeScript => "typescript",
            Self::Python => "python",
        }
    }
}

impl fmt::Display for TypeLanguage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for TypeLanguage {
    type Err = ParseTypeLanguageError;

    fn from_str(text: &str) -> Result<Self, ParseTypeLanguageError> {
        match text {
            "typescript" | "ts" | "javascript" | "js" => Ok(Self::TypeScript),
            "python" | "py" => Ok(Self::Python),
            _ => Err(ParseTypeLanguageError(text.to_owned())),
        }
    }
}
