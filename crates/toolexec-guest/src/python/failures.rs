//! Failed calls as exceptions, and exceptions as failures of the program.

use std::collections::HashMap;

use monty_types::{ExcType, MontyException, MontyObject, StackFrame};
use serde_json::Value;
use toolexec_wire::{CallError, Failure, FailureKind};

use super::source::Written;
use super::unsupported;
use super::value::from_json;
use crate::host::failure;

/// Failed calls are of this type; programs may name it `ToolError`.
const TOOL_ERROR: ExcType = ExcType::RuntimeError;
/// How many failed calls are remembered: an exception of the engine holds only a text, and leads
/// to its call by that.
const REMEMBERED: usize = 1000;
/// How many frames of a trace are told.
const FRAMES: usize = 20;

/// How many characters of a line a frame tells.
const LINE: usize = 120;

/// The calls that failed in a session.
#[derive(Debug, Default)]
pub(super) struct FailedCalls {
    by_text: HashMap<String, CallError>,
}

impl FailedCalls {
    /// The exception of a failed call.
    pub(super) fn exception(&mut self, error: CallError) -> MontyException {
        let text = match &error.tool {
            Some(tool) if !error.message.contains(tool.as_str()) => {
                format!("{tool}: {}", error.message)
            }
            _ => error.message.clone(),
        };
        if self.by_text.len() >= REMEMBERED {
            self.by_text.clear();
        }
        self.by_text.insert(text.clone(), error);
        MontyException::new(TOOL_ERROR, Some(text))
    }

    /// The failed call of an exception.
    pub(super) fn of(&self, exc_type: ExcType, text: Option<&str>) -> Option<&CallError> {
        self.by_text.get(text?).filter(|_| exc_type == TOOL_ERROR)
    }

    /// What a program finds in the exception of a failed call.
    pub(super) fn fields(error: &CallError) -> Vec<(&'static str, MontyObject)> {
        let text = |text: &str| MontyObject::string(text);
        vec![
            (
                "tool",
                error.tool.as_deref().map_or(MontyObject::none(), text),
            ),
            ("code", text(&error.code)),
            ("message", text(&error.message)),
            (
                "violations",
                from_json(&Value::Array(error.violations.clone())),
            ),
            ("retryable", MontyObject::bool(error.retryable)),
            ("value", from_json(&error.value)),
            ("hints", from_json(&error.hints.clone().into())),
        ]
    }
}

/// The texts of a session, by the name under which the engine knows them.
#[derive(Debug, Default)]
pub(super) struct Texts {
    texts: HashMap<String, Written>,
}

impl Texts {
    pub(super) fn add(&mut self, name: String, written: Written) {
        self.texts.insert(name, written);
    }

    pub(super) fn get(&self, name: &str) -> Option<&Written> {
        self.texts.get(name)
    }
}

/// Why a program ended, from the exception that it did not catch.
pub(super) fn failed(
    exception: &MontyException,
    texts: &Texts,
    current: &str,
    calls: &FailedCalls,
) -> Box<Failure> {
    let mut failed = Box::new(described(exception, calls));
    // The prelude and what `eval` ran have no place in the text.
    let frames = || {
        exception
            .traceback()
            .iter()
            .rev()
            .filter_map(|frame| Some((frame, texts.get(&frame.filename)?)))
    };
    let here = frames().find(|(frame, _)| frame.filename == current);
    if let Some((frame, written)) = here {
        let place = written.place(frame.start.line, frame.start.column);
        (failed.line, failed.column) = (Some(place.line), Some(place.column));
    }
    failed.trace = frames()
        .take(FRAMES)
        .map(|(frame, written)| told(frame, written, current))
        .collect();
    let left = frames().count().saturating_sub(FRAMES);
    if left > 0 {
        failed.trace.push(format!("and {left} more"));
    }
    failed
}

/// A frame, as Python writes it.
fn told(frame: &StackFrame, written: &Written, current: &str) -> String {
    let line = written.place(frame.start.line, frame.start.column).line;
    let file = if frame.filename == current {
        "main.py"
    } else {
        "earlier input"
    };
    let function = frame.frame_name.as_deref().unwrap_or("<module>");
    let text: String = written
        .line(line)
        .map_or("", str::trim)
        .chars()
        .take(LINE)
        .collect();
    format!("File \"{file}\", line {line}, in {function}: {text}")
}

fn described(exception: &MontyException, calls: &FailedCalls) -> Failure {
    let kind = exception.exc_type();
    let text = exception.message().unwrap_or_default();
    if let Some(call) = calls.of(kind, Some(text)) {
        return Failure {
            name: Some("ToolError".into()),
            call: Some(Box::new(call.clone())),
            hints: call.hints.clone(),
            ..*failure(FailureKind::Exception, text.to_owned())
        };
    }
    if let Some((what, instead)) = unsupported::missing(exception) {
        return Failure {
            name: Some(kind.to_string()),
            hints: vec![instead],
            ..*failure(
                FailureKind::Unsupported,
                format!("Python here does not have {what}"),
            )
        };
    }
    let name = kind.to_string();
    let message = if text.is_empty() {
        name.clone()
    } else {
        text.to_owned()
    };
    let (kind, hints) = match kind {
        ExcType::SyntaxError if in_the_text(exception) => (FailureKind::Syntax, Vec::new()),
        ExcType::MemoryError => (
            FailureKind::Memory,
            vec!["hold less at once, or ask for more memory".to_owned()],
        ),
        ExcType::RecursionError => (
            FailureKind::Memory,
            vec!["write a loop instead of the recursion".to_owned()],
        ),
        ExcType::RuntimeError if text.starts_with("Internal error in monty") => {
            (FailureKind::Internal, Vec::new())
        }
        _ => (FailureKind::Exception, Vec::new()),
    };
    Failure {
        name: Some(name),
        hints,
        ..*failure(kind, message)
    }
}

/// Whether a syntax error is one of the program and not of what it handed to `eval`.
fn in_the_text(exception: &MontyException) -> bool {
    exception
        .traceback()
        .last()
        .is_none_or(|frame| frame.hide_frame_name)
}
