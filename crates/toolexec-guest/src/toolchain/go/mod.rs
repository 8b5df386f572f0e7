//! Go: a snippet is compiled to a program that runs.

mod build;
mod errors;
mod lexer;
mod packages;
mod snippet;
mod statements;

use serde_json::{Value, json};
use toolexec_wire::{Failure, FailureKind, Start};

pub(super) use build::Built;
pub(super) use errors::Wrong;

use super::bridge::{End, Exited};
use super::child::Recipe;
use super::ending;
use crate::host::{Host, failure};
use snippet::FILE;

/// Compiles a snippet, unless `before` is what it compiles to.
pub(super) fn build(start: &Start, host: &Host, before: Option<Built>) -> Result<Built, Wrong> {
    Built::of(start, host, before)
}

/// How a compiled snippet is started.
pub(super) fn recipe(built: &Built, start: &Start) -> Recipe {
    let memory = start.limits.memory_bytes;
    // The collector works harder near the limit, so that fewer programs reach it.
    let soft = memory.map(|bytes| ("GOMEMLIMIT", (bytes / 10 * 9).to_string().into()));
    Recipe {
        program: built.program.clone(),
        args: Vec::new(),
        env: soft.into_iter().collect(),
    }
}

/// What it is told at first.
pub(super) fn first(start: &Start) -> Value {
    json!({"inputs": start.inputs})
}

/// Why a program is not compiled, in one failure.
pub(super) fn failed(wrong: Wrong) -> Box<Failure> {
    match wrong {
        Wrong::Otherwise(failure) => failure,
        Wrong::Snippet(mut all) => {
            let more = all.len().saturating_sub(1);
            if all.is_empty() {
                return failure(FailureKind::Syntax, "the snippet does not compile");
            }
            let mut first = all.swap_remove(0);
            if more > 0 {
                first
                    .hints
                    .push(format!("{more} more problems follow in the text"));
            }
            Box::new(first)
        }
    }
}

/// The end of a program.
pub(super) fn ended(end: End) -> Result<Value, Box<Failure>> {
    match end {
        End::Exited(exited) => Err(panicked(&exited).unwrap_or_else(|| ending::exited(&exited))),
        End::Done(value) => Ok(value),
        End::Failed(failure) => Err(failure),
    }
}

/// A panic outside the snippet's own goroutine is told by the language itself.
fn panicked(exited: &Exited) -> Option<Box<Failure>> {
    let mut lines = exited.said.lines();
    let message = lines.find_map(|line| {
        line.strip_prefix("panic: ")
            .or_else(|| line.strip_prefix("fatal error: "))
    })?;
    let mut failure = failure(FailureKind::Exception, message);
    failure.name = Some("panic".into());
    if message.contains("out of memory") || message.contains("stack overflow") {
        failure.kind = FailureKind::Memory;
    }
    failure.line = lines.find_map(|line| {
        let (_, rest) = line.split_once(FILE)?;
        let digits = rest.strip_prefix(':')?.split(|c: char| !c.is_ascii_digit());
        digits.into_iter().next()?.parse().ok()
    });
    Some(failure)
}
