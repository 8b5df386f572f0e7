//! The text of a program: what is wrong with it, which tools it calls, and the form in which the
//! engine runs it.

mod depth;
mod edits;
mod flow;
mod literal;
mod modules;
mod rewrite;
mod scopes;
mod seen;

use std::collections::HashSet;

use monty::source_within_nesting_bound;
use monty_types::SOURCE_SCAN_THRESHOLD;
use ruff_python_ast::ModModule;
use ruff_python_parser::{Parsed, parse_module};
use toolexec_wire::{Failure, FailureKind, SeenCall};

pub(super) use modules::MODULES;
pub(super) use rewrite::LAST;

use crate::host::failure;
use crate::text::{Lines, Place};
use edits::Map;
use scopes::Scopes;

/// A program in the form in which it runs.
#[derive(Debug)]
pub(super) struct Prepared {
    /// What the engine gets.
    pub(super) code: String,
    /// Whether it needs the functions of the prelude.
    pub(super) prelude: bool,
    /// The modules it needs that the engine lacks.
    pub(super) modules: Vec<&'static str>,
    /// The variables that have its value when it ends, the first that is bound.
    pub(super) value_in: Vec<&'static str>,
    /// How its places lead back to the text as written.
    pub(super) written: Written,
}

/// The text as written, and the way back to it.
#[derive(Debug, Clone)]
pub(super) struct Written {
    text: String,
    lines: Lines,
    code: String,
    code_lines: Lines,
    map: Map,
    deferred: HashSet<(usize, usize)>,
}

impl Written {
    /// Whether the call at a span of the code is awaited later.
    pub(super) fn is_deferred(&self, start: u32, end: u32) -> bool {
        let start = self.map.written(start as usize);
        let end = self.map.written_end(end as usize);
        self.deferred.contains(&(start, end))
    }

    /// Line and column, in the text as written, of a line and column of the code.
    pub(super) fn place(&self, line: u32, column: u32) -> Place {
        let offset = self.code_lines.offset(&self.code, Place { line, column });
        self.lines.place(&self.text, self.map.written(offset))
    }

    /// A line of the text as written.
    pub(super) fn line(&self, line: u32) -> Option<&str> {
        self.text.lines().nth(line.checked_sub(1)? as usize)
    }
}

/// Makes a program ready to run.
pub(super) fn prepare(source: &str) -> Result<Prepared, Box<Failure>> {
    let parsed = parse(source)?;
    let body = &parsed.syntax().body;
    let scopes = Scopes::of(body);
    let deferred = flow::deferred(&scopes);
    let rewritten = rewrite::rewrite(source, body, &scopes);
    let (code, map) = rewritten.edits.apply(source);
    Ok(Prepared {
        prelude: rewritten.prelude,
        modules: rewritten.modules,
        value_in: rewritten.value_in,
        written: Written {
            lines: Lines::new(source),
            text: source.to_owned(),
            code_lines: Lines::new(&code),
            code: code.clone(),
            map,
            deferred,
        },
        code,
    })
}

/// The tool calls that stand in a program.
pub(crate) fn seen_calls(source: &str) -> Result<Vec<SeenCall>, Box<Failure>> {
    let parsed = parse(source)?;
    Ok(seen::calls(source, &parsed.syntax().body))
}

/// Where the calls of a program are that it awaits later: line and byte of their begin and end, as
/// CPython counts. None, of a text that this parser cannot read.
#[cfg(all(feature = "toolchain", unix))]
pub(crate) fn deferred(source: &str) -> Vec<[usize; 4]> {
    let Ok(parsed) = parse(source) else {
        return Vec::new();
    };
    let place = |offset: usize| {
        let before = source.get(..offset).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        [line, offset - before.rfind('\n').map_or(0, |at| at + 1)]
    };
    let found = flow::deferred(&Scopes::of(&parsed.syntax().body));
    let mut spans: Vec<[usize; 4]> = found
        .into_iter()
        .map(|(start, end)| {
            let ([line, column], [end_line, end_column]) = (place(start), place(end));
            [line, column, end_line, end_column]
        })
        .collect();
    spans.sort_unstable();
    spans
}

fn parse(source: &str) -> Result<Parsed<ModModule>, Box<Failure>> {
    // The parser recurses as deep as the text nests.
    if !source_within_nesting_bound(source, SOURCE_SCAN_THRESHOLD) {
        return Err(too_deep());
    }
    let parsed = parse_module(source).map_err(|error| {
        let lines = Lines::new(source);
        let place = lines.place(source, error.location.start().to_usize());
        Box::new(Failure {
            name: Some("SyntaxError".into()),
            line: Some(place.line),
            column: Some(place.column),
            hints: hints(source),
            ..*failure(FailureKind::Syntax, lower_first(&error.error.to_string()))
        })
    })?;
    if depth::is_too_deep(&parsed.syntax().body) {
        // Freeing it would recurse as deep as it nests.
        std::mem::forget(parsed);
        return Err(too_deep());
    }
    Ok(parsed)
}

fn too_deep() -> Box<Failure> {
    let mut failure = failure(FailureKind::Syntax, "the program nests too deep");
    failure.hints = vec!["put parts of long expressions into variables or lists".into()];
    failure
}

/// Messages start in lower case, as all errors do.
fn lower_first(message: &str) -> String {
    let mut chars = message.chars();
    match (chars.next(), chars.next()) {
        (Some(first), Some(second)) if !second.is_uppercase() => {
            first.to_lowercase().chain([second]).chain(chars).collect()
        }
        _ => message.to_owned(),
    }
}

/// What to do about a text that is no Python at all.
fn hints(source: &str) -> Vec<String> {
    let looks_like_js = ["const ", "let ", "function ", "=> ", "===", "console.log"]
        .iter()
        .any(|word| source.contains(word));
    if looks_like_js {
        return vec!["this looks like JavaScript: run it as language `javascript`".into()];
    }
    Vec::new()
}
