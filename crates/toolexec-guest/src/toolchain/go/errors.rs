//! What the Go compiler says, as failures of the snippet.

use toolexec_wire::{Failure, FailureKind};

use super::snippet::FILE;
use crate::host::failure;
use crate::text::{Lines, Place};

/// Why there is no compiled program.
#[derive(Debug)]
pub(in crate::toolchain) enum Wrong {
    /// The snippet is wrong: at least one thing.
    Snippet(Vec<Failure>),
    /// It was not the snippet.
    Otherwise(Box<Failure>),
}

/// The most errors that are told.
const MOST: usize = 20;

/// What is wrong with a snippet.
pub(super) fn of(source: &str, said: &str) -> Wrong {
    let lines = Lines::new(source);
    let mut all: Vec<Failure> = said
        .lines()
        .filter_map(|line| one(source, &lines, line))
        .take(MOST)
        .collect();
    if all.is_empty() {
        return Wrong::Otherwise(broken(said));
    }
    all.sort_by_key(|problem| (problem.line, problem.column));
    all.dedup();
    Wrong::Snippet(all)
}

/// Go cannot do its work.
pub(super) fn broken(said: &str) -> Box<Failure> {
    let reason = if said.contains("no space left") || said.contains("disk quota") {
        "there is no room for what it writes"
    } else if ["cannot allocate memory", "out of memory", "signal: killed"]
        .iter()
        .any(|words| said.contains(words))
    {
        "there is not enough memory for it"
    } else {
        "it does not say why"
    };
    let last = said.lines().rev().find(|line| !line.trim().is_empty());
    let mut failure = failure(
        FailureKind::Unsupported,
        format!("the Go toolchain of this sandbox fails: {reason}"),
    );
    failure.trace.extend(last.map(str::to_owned));
    failure.hints = vec![
        "compiling needs about 300 MB below /tmp and 512 MB of memory; a cache of compiled \
         packages makes that less"
            .into(),
    ];
    failure
}

/// Reads `./program.go:3:5: undefined: x`.
fn one(source: &str, lines: &Lines, line: &str) -> Option<Failure> {
    let (_, rest) = line.split_once(FILE)?;
    let mut parts = rest.strip_prefix(':')?.splitn(3, ':');
    let number: u32 = parts.next()?.parse().ok()?;
    let column: usize = parts.next()?.parse().ok()?;
    let message = parts.next()?.trim();
    // The compiler counts bytes.
    let start = lines.offset(
        source,
        Place {
            line: number,
            column: 1,
        },
    );
    let place = if source.lines().count() < number as usize {
        // What is missing at the end is missed after it.
        lines.place(source, source.trim_end().len())
    } else {
        let place = lines.place(source, start + column.saturating_sub(1));
        let column = if place.line == number {
            place.column
        } else {
            1
        };
        Place {
            line: number,
            column,
        }
    };
    let syntax = message.strip_prefix("syntax error: ");
    let kind = FailureKind::Syntax;
    let mut failure = *failure(kind, syntax.unwrap_or(message));
    failure.name = Some(
        if syntax.is_some() {
            "SyntaxError"
        } else {
            "CompileError"
        }
        .into(),
    );
    failure.line = Some(place.line);
    failure.column = Some(place.column);
    failure.hints.extend(hint(message).map(str::to_owned));
    Some(failure)
}

fn hint(message: &str) -> Option<&'static str> {
    if message.starts_with("declared and not used") {
        Some("remove it, or assign it to _")
    } else if message.contains("is not in std") || message.contains("no required module") {
        Some("a snippet has the standard library and `tools`; there are no other packages")
    } else if message.contains("imported and not used") {
        Some("packages of the standard library are imported by themselves where they are used")
    } else {
        None
    }
}
