//! Parses programs, and tells what is wrong with those that are none.

use oxc::allocator::Allocator;
use oxc::ast::ast::Program;
use oxc::diagnostics::OxcDiagnostic;
use oxc::parser::{ParseOptions, Parser};
use oxc::span::SourceType;
use toolexec_wire::{Failure, FailureKind};

use crate::host::failure;
use crate::text::{Lines, Place};

/// How deep brackets may nest: parsers recurse.
const MAX_NESTING: usize = 300;

/// Parses a module (with `return` at its top) and hands over its syntax tree.
///
/// # Errors
/// All that is wrong with its syntax.
pub(super) fn with_program<T>(
    source: &str,
    typescript: bool,
    look: impl FnOnce(&Program<'_>) -> T,
) -> Result<T, Vec<Failure>> {
    check_text(source).map_err(|failure| vec![*failure])?;
    let allocator = Allocator::default();
    let kind = if typescript {
        SourceType::ts()
    } else {
        SourceType::mjs()
    };
    let options = ParseOptions {
        allow_return_outside_function: true,
        ..ParseOptions::default()
    };
    let parsed = Parser::new(&allocator, source, kind)
        .with_options(options)
        .parse();
    let lines = Lines::new(source);
    let problems: Vec<Failure> = parsed
        .diagnostics
        .errors()
        .map(|error| problem(source, &lines, error))
        .collect();
    if !problems.is_empty() || parsed.fatal_error {
        return Err(with_guess(source, problems));
    }
    Ok(look(&parsed.program))
}

/// A failure at a byte of the source.
pub(super) fn failure_at(
    source: &str,
    offset: usize,
    kind: FailureKind,
    message: impl Into<String>,
) -> Box<Failure> {
    at(
        failure(kind, message),
        Lines::new(source).place(source, offset),
    )
}

fn at(mut failure: Box<Failure>, place: Place) -> Box<Failure> {
    failure.line = Some(place.line);
    failure.column = Some(place.column);
    failure
}

fn problem(source: &str, lines: &Lines, error: &OxcDiagnostic) -> Failure {
    let offset = error.labels.first().map(|label| label.offset() as usize);
    let mut failure = failure(FailureKind::Syntax, error.message.to_string());
    failure.name = Some("SyntaxError".into());
    failure
        .hints
        .extend(error.help.as_ref().map(ToString::to_string));
    match offset {
        Some(offset) => *at(failure, lines.place(source, offset)),
        None => *failure,
    }
}

fn check_text(source: &str) -> Result<(), Box<Failure>> {
    if let Some(zero) = source.find('\0') {
        let message = "the program holds a zero byte";
        return Err(failure_at(source, zero, FailureKind::Syntax, message));
    }
    let mut depth = 0_usize;
    for (offset, byte) in source.bytes().enumerate() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_NESTING {
            let message = format!("brackets nest deeper than {MAX_NESTING} levels");
            return Err(failure_at(source, offset, FailureKind::Syntax, message));
        }
    }
    Ok(())
}

/// A program in another language is told so, beside what the parser says.
fn with_guess(source: &str, mut problems: Vec<Failure>) -> Vec<Failure> {
    let starts = |words: &[&str]| {
        source
            .lines()
            .any(|line| words.iter().any(|word| line.trim_start().starts_with(word)))
    };
    let guess = if starts(&["def ", "elif ", "print(f\"", "from ", "async def "]) {
        Some("this reads like Python; say so with the language of the program")
    } else if source.contains(":= ") {
        Some("this reads like script; say so with the language of the program")
    } else if starts(&["package ", "func "]) {
        Some("this reads like Go, which runs where a sandbox has its toolchain")
    } else {
        None
    };
    if problems.is_empty() {
        problems.push(*failure(
            FailureKind::Syntax,
            "the program cannot be parsed",
        ));
    }
    if let (Some(guess), Some(first)) = (guess, problems.first_mut()) {
        first.hints.push(guess.into());
    }
    problems
}
