//! The languages of programs: those that every guest has, and those that need a toolchain.

use super::Language;
use crate::error::{Error, ErrorKind, Result};

/// The languages whose engines are in the guest itself.
pub const ENGINES: [Language; 4] = [
    Language::JavaScript,
    Language::TypeScript,
    Language::Python,
    Language::Script,
];

/// The languages that the guest runs with a toolchain of the image it is in. Which of them an
/// image has shows when a program starts: a sandbox with an image offers all.
pub const TOOLCHAINS: [Language; 4] = [
    Language::Go,
    Language::Bash,
    Language::CPython,
    Language::Node,
];

/// Every language that a program can have.
pub fn all_languages() -> Vec<Language> {
    let mut all = with_toolchains();
    all.push(Language::Wasm);
    all
}

/// The languages of a sandbox whose guest finds the toolchains of an image beside itself.
pub fn with_toolchains() -> Vec<Language> {
    [ENGINES, TOOLCHAINS].concat()
}

/// Whether a language needs a toolchain beside the guest.
pub fn needs_toolchain(language: Language) -> bool {
    TOOLCHAINS.contains(&language)
}

/// The name of a language, as submissions write it.
pub fn language_name(language: Language) -> &'static str {
    match language {
        Language::JavaScript => "javascript",
        Language::TypeScript => "typescript",
        Language::Python => "python",
        Language::Script => "script",
        Language::Wasm => "wasm",
        Language::Go => "go",
        Language::Bash => "bash",
        Language::CPython => "cpython",
        Language::Node => "node",
    }
}

/// The language that runs programs of `language` on an engine: `python` on `cpython`, `javascript`
/// on `node`. Without one, the language itself.
///
/// # Errors
/// [`ErrorKind::InvalidInput`] when the engine does not run the language.
pub fn on_engine(language: Language, engine: Option<&str>) -> Result<Language> {
    let Some(engine) = engine else {
        return Ok(language);
    };
    match (language, engine) {
        (Language::Python | Language::CPython, "cpython") => Ok(Language::CPython),
        (Language::JavaScript | Language::Node, "node") => Ok(Language::Node),
        (Language::Python, "monty")
        | (Language::JavaScript | Language::TypeScript | Language::Script, "quickjs") => {
            Ok(language)
        }
        _ => {
            let name = language_name(language);
            let message = format!("there is no engine `{engine}` for {name}");
            Err(
                Error::new(ErrorKind::InvalidInput, message).with_hint(match language {
                    Language::Python | Language::CPython => "python runs on monty or cpython",
                    Language::JavaScript | Language::Node => "javascript runs on quickjs or node",
                    _ => "leave the engine out",
                }),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_runs_its_own_language() {
        let on = |language, engine| on_engine(language, Some(engine)).ok();
        assert_eq!(on(Language::Python, "cpython"), Some(Language::CPython));
        assert_eq!(on(Language::JavaScript, "node"), Some(Language::Node));
        assert_eq!(on(Language::Script, "quickjs"), Some(Language::Script));
        assert_eq!(on_engine(Language::Go, None).ok(), Some(Language::Go));
        let error = on_engine(Language::Go, Some("node")).unwrap_err();
        assert_eq!(error.guest_message(), "there is no engine `node` for go");
    }

    #[test]
    fn names_are_those_of_the_wire() {
        for language in all_languages() {
            let name = serde_json::to_value(language).unwrap();
            assert_eq!(name, language_name(language));
        }
    }
}
