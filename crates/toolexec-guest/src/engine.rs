//! The contract of a language engine.

use serde_json::Value;
use toolexec_wire::{Failure, Language, SeenCall, Start};

use crate::host::Host;

/// Runs programs of one or more languages. Variables live as long as the engine: a session that
/// keeps its state keeps the engine.
pub trait Engine {
    /// Runs a program to its end. Every kind of end comes back: what the program throws, a limit,
    /// a cancelled run. After one that it says it does not survive, the engine is not used again.
    fn run(&mut self, start: &Start, host: &Host) -> Result<Value, Box<Failure>>;

    /// Looks at a program without running it: what is wrong with its text, and the tool calls that
    /// stand in it.
    fn check(&mut self, start: &Start, host: &Host) -> (Vec<Failure>, Vec<SeenCall>);

    /// Whether variables and functions are there for another program, now that one was stopped
    /// before its end.
    fn is_whole(&self) -> bool {
        true
    }

    /// The most memory it had so far, in bytes, when it can tell.
    fn memory(&self) -> Option<u64> {
        None
    }
}

/// The engines of this build, by language.
pub fn languages() -> Vec<Language> {
    let mut languages = Vec::new();
    if cfg!(feature = "javascript") {
        languages.extend([Language::JavaScript, Language::TypeScript, Language::Script]);
    }
    if cfg!(feature = "python") {
        languages.push(Language::Python);
    }
    #[cfg(all(feature = "toolchain", unix))]
    languages.extend(crate::toolchain::LANGUAGES);
    languages
}

/// A new engine for a language, if this build has one.
pub fn create(language: Language) -> Option<Box<dyn Engine>> {
    match language {
        #[cfg(feature = "javascript")]
        Language::JavaScript | Language::TypeScript | Language::Script => {
            Some(Box::new(crate::javascript::JavaScript::new()))
        }
        #[cfg(feature = "python")]
        Language::Python => Some(Box::new(crate::python::Python::new())),
        #[cfg(all(feature = "toolchain", unix))]
        Language::Go | Language::Bash | Language::CPython | Language::Node => {
            Some(Box::new(crate::toolchain::Toolchain::new(language)))
        }
        _ => None,
    }
}

/// A started engine of a language, if this build has it.
pub fn warm(language: Language) -> Option<(Language, Box<dyn Engine>)> {
    match language {
        #[cfg(feature = "javascript")]
        Language::JavaScript | Language::TypeScript | Language::Script => {
            let mut engine = crate::javascript::JavaScript::new();
            engine.warm().ok()?;
            Some((language, Box::new(engine)))
        }
        #[cfg(feature = "python")]
        Language::Python => {
            let mut engine = crate::python::Python::new();
            engine.warm().ok()?;
            Some((language, Box::new(engine)))
        }
        // A toolchain is started for its program.
        _ => None,
    }
}
