//! Script, the little language: its text becomes JavaScript for the same engine.
//!
//! `docs/script.md` has the grammar. The lexer and the parser say what is wrong and where; lowering
//! keeps, for every piece of JavaScript, the place in the script it stands for.

mod ast;
mod lexer;
mod literal;
mod lower;
mod parser;

use toolexec_wire::{Failure, FailureKind, SeenCall};

use crate::host::failure;
use crate::text::{Derived, Lines};

/// What a script became.
#[derive(Debug)]
pub struct Compiled {
    /// The JavaScript.
    pub code: Derived,
    /// The tool calls that stand in the script, in its order.
    pub calls: Vec<SeenCall>,
}

/// What is known about a script from outside.
#[derive(Debug, Default, Clone, Copy)]
pub struct Known<'a> {
    /// Variables that are there before it runs.
    pub names: &'a [String],
    /// Whether earlier scripts may have left variables.
    pub keep: bool,
}

/// Compiles a script.
///
/// # Errors
/// When it is no script, with the place and what was expected there.
pub fn compile(source: &str, known: Known<'_>) -> Result<Compiled, Box<Failure>> {
    let at_place = |problem: Problem| {
        let place = Lines::new(source).place(source, problem.at);
        let mut failure = failure(FailureKind::Syntax, problem.message);
        failure.name = Some("SyntaxError".into());
        failure.line = Some(place.line);
        failure.column = Some(place.column);
        failure.hints = problem.hint.into_iter().collect();
        failure
    };
    let tokens = lexer::tokens(source).map_err(at_place)?;
    let program = parser::parse(&tokens, source.len()).map_err(at_place)?;
    let (code, calls) = lower::lower(&program, known).map_err(at_place)?;
    let lines = Lines::new(source);
    let place = |(at, mut call): (usize, SeenCall)| {
        let place = lines.place(source, at);
        call.line = place.line;
        call.column = place.column;
        call
    };
    Ok(Compiled {
        code,
        calls: calls.into_iter().map(place).collect(),
    })
}

/// What is wrong at a byte of the script.
#[derive(Debug)]
struct Problem {
    at: usize,
    message: String,
    hint: Option<String>,
}

impl Problem {
    fn new(at: usize, message: impl Into<String>) -> Self {
        Self {
            at,
            message: message.into(),
            hint: None,
        }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
