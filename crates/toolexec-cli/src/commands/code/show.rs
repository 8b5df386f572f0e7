//! What a program answered, for people.

use toolexec::core::code::{CodeError, CodeErrorKind, Outcome, Problem};

use super::timeline;
use crate::diagnostics::Failure;
use crate::exit::Exit;
use crate::printer::{Printer, Tone};

/// Shows what was printed, the value or the error, and the calls.
pub(super) fn outcome(
    outcome: &Outcome,
    source: &str,
    printer: &mut Printer,
) -> Result<Exit, Failure> {
    if !outcome.stdout.is_empty() {
        printer.line(outcome.stdout.trim_end_matches('\n'))?;
    }
    if !outcome.stderr.is_empty() {
        printer.talk_line(outcome.stderr.trim_end_matches('\n'))?;
    }
    for log in &outcome.logs {
        printer.say(&format!("{}: {}", log.level, text(&log.data)))?;
    }
    ending(outcome, source, printer)
}

/// Shows how it ended, without what was seen before.
pub(super) fn ending(
    outcome: &Outcome,
    source: &str,
    printer: &mut Printer,
) -> Result<Exit, Failure> {
    for warning in &outcome.warnings {
        printer.warn(warning)?;
    }
    match &outcome.error {
        None if outcome.value.is_null() => {}
        None => printer.value(&outcome.value)?,
        Some(error) => self::error(error, source, printer)?,
    }
    calls(outcome, printer)?;
    Ok(outcome.error.as_ref().map_or(Exit::Ok, exit))
}

/// Problems that a check found.
pub(super) fn problems(
    problems: &[Problem],
    source: &str,
    printer: &mut Printer,
) -> Result<(), Failure> {
    for problem in problems {
        let label = printer.paint(Tone::Error, "error:").into_owned();
        printer.talk_line(&format!("{label} {}", problem.message))?;
        place(problem.line, problem.column, source, printer)?;
        hints(&problem.hints, printer)?;
    }
    Ok(())
}

/// The exit code for a program that failed.
pub(super) fn exit(error: &CodeError) -> Exit {
    match error.kind {
        CodeErrorKind::Syntax | CodeErrorKind::Check | CodeErrorKind::Unsupported => {
            Exit::InvalidInput
        }
        CodeErrorKind::Exception => Exit::ToolError,
        CodeErrorKind::Limit => Exit::Limit,
        CodeErrorKind::Cancelled => Exit::Interrupted,
        CodeErrorKind::Internal => Exit::Internal,
        // Protocol, SandboxLost, and kinds to come.
        _ => Exit::Failed,
    }
}

/// A value in a line.
pub(super) fn text(value: &serde_json::Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn error(error: &CodeError, source: &str, printer: &mut Printer) -> Result<(), Failure> {
    if !error.problems.is_empty() {
        return problems(&error.problems, source, printer);
    }
    let label = printer.paint(Tone::Error, "error:").into_owned();
    let name = error
        .name
        .as_ref()
        .map(|name| format!("{name}: "))
        .unwrap_or_default();
    printer.talk_line(&format!("{label} {name}{}", error.message))?;
    place(error.line, error.column, source, printer)?;
    for line in error
        .trace
        .iter()
        .take(if printer.is_verbose() { usize::MAX } else { 5 })
    {
        printer.talk_line(&format!("  {line}"))?;
    }
    let mut all = error.hints.clone();
    if let Some(call) = &error.call {
        for violation in &call.violations {
            printer.talk_line(&format!("  {}", text(violation)))?;
        }
        all.extend(
            call.hints
                .iter()
                .filter(|hint| !error.hints.contains(hint))
                .cloned(),
        );
    }
    hints(&all, printer)
}

/// The line of the program, with a caret below the place.
fn place(
    line: Option<u32>,
    column: Option<u32>,
    source: &str,
    printer: &mut Printer,
) -> Result<(), Failure> {
    let Some(number) = line else { return Ok(()) };
    let index = (number as usize).saturating_sub(1);
    let Some(text) = source.lines().nth(index) else {
        return Ok(());
    };
    let shown = text.replace('\t', " ");
    printer.talk_line(&format!("  {number} | {shown}"))?;
    if let Some(column) = column {
        let gutter = " ".repeat(number.to_string().len());
        let before = " ".repeat(
            (column as usize)
                .saturating_sub(1)
                .min(shown.chars().count()),
        );
        let caret = printer.paint(Tone::Error, "^").into_owned();
        printer.talk_line(&format!("  {gutter} | {before}{caret}"))?;
    }
    Ok(())
}

fn hints(hints: &[String], printer: &mut Printer) -> Result<(), Failure> {
    for hint in hints {
        let label = printer.paint(Tone::Hint, "hint:").into_owned();
        printer.talk_line(&format!("{label} {hint}"))?;
    }
    Ok(())
}

fn calls(outcome: &Outcome, printer: &mut Printer) -> Result<(), Failure> {
    let whole = outcome.usage.wall_time;
    for line in timeline::lines(&outcome.calls, whole) {
        let line = printer.paint(Tone::Dim, &line).into_owned();
        printer.say(&line)?;
    }
    if !outcome.calls.is_empty() || printer.is_verbose() {
        let usage = &outcome.usage;
        let summary = format!(
            "{} tool calls, up to {} at once, in {}; the program itself ran {} in {}",
            usage.tool_calls,
            usage.parallel_calls,
            timeline::millis(whole),
            timeline::millis(usage.run_time),
            outcome.sandbox,
        );
        let summary = printer.paint(Tone::Dim, &summary).into_owned();
        printer.say(&summary)?;
    }
    Ok(())
}
