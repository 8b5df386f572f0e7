//! Why a program has no value.

use serde::Serialize;
use toolexec_wire::{CallError, Failure, FailureKind};

use crate::sandbox::{Ended, LimitName};

/// Why a program has no value. Fit for a model: no paths, addresses or secrets of the host.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CodeError {
    /// What kind of failure.
    pub kind: CodeErrorKind,
    /// What happened.
    pub message: String,
    /// The name of the exception, such as `TypeError`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The line in the program as written, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The column, in characters, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// The calls that led there, innermost first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trace: Vec<String>,
    /// The limit that was exceeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<Excess>,
    /// The error of the call that the program did not catch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<Box<CallError>>,
    /// What the check before the run found, in the order of the text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
    /// What to do next.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
}

/// What kind of failure ended a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CodeErrorKind {
    /// The text is not a program. Nothing ran.
    Syntax,
    /// The check before the run found problems. Nothing ran.
    Check,
    /// An exception was not caught.
    Exception,
    /// The program uses what the engine lacks.
    Unsupported,
    /// A limit was exceeded; the error says which.
    Limit,
    /// The caller cancelled.
    Cancelled,
    /// The guest broke the protocol and was hung up on.
    Protocol,
    /// The guest ended before the program did.
    SandboxLost,
    /// A broken invariant of ours.
    Internal,
}

/// A limit that was exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Excess {
    /// Which.
    pub name: LimitName,
    /// How large it was, in its unit; nothing when the engine's own limit was met.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<f64>,
    /// What was used or asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used: Option<f64>,
}

/// Something that the check before a run found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Problem {
    /// A stable name: `syntax`, `unsupported`, `unknown_tool`, `unknown_argument`,
    /// `missing_argument`, `wrong_argument`, `tool_unavailable`, `type`.
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// The line in the program as written, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The column, in characters, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// The tool it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// What to do next.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
}

impl CodeError {
    /// An error of this kind.
    pub fn new(kind: CodeErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            name: None,
            line: None,
            column: None,
            trace: Vec::new(),
            limit: None,
            call: None,
            problems: Vec::new(),
            hints: Vec::new(),
        }
    }

    /// Adds what to do next.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// A limit was exceeded.
    pub(super) fn limit(name: LimitName, limit: Option<f64>, used: Option<f64>) -> Self {
        let most = limit.map_or_else(String::new, |limit| {
            format!(" limit of {}", name.amount(limit))
        });
        let used_text =
            used.map_or_else(String::new, |used| format!(" ({} used)", name.amount(used)));
        let message = format!("the program exceeded its {name}{most}{used_text}");
        let mut error = Self::new(CodeErrorKind::Limit, message);
        error.limit = Some(Excess { name, limit, used });
        error.hints.extend(hint(name).map(str::to_owned));
        error
    }

    /// The check before the run found problems.
    pub(super) fn problems(problems: Vec<Problem>) -> Self {
        let first = problems.first();
        let kind = match first.map(|problem| problem.code.as_str()) {
            Some("syntax") => CodeErrorKind::Syntax,
            Some("unsupported") => CodeErrorKind::Unsupported,
            _ => CodeErrorKind::Check,
        };
        let mut message = first.map_or_else(String::new, |problem| problem.message.clone());
        if problems.len() > 1 {
            message = format!("{message} (and {} more)", problems.len() - 1);
        }
        let mut error = Self::new(kind, message);
        error.line = first.and_then(|problem| problem.line);
        error.column = first.and_then(|problem| problem.column);
        error.hints = first.map_or_else(Vec::new, |problem| problem.hints.clone());
        error.problems = problems;
        error
    }

    /// What the guest said, short enough to keep.
    pub(super) fn guest(failure: Failure) -> Self {
        let kind = match failure.kind {
            FailureKind::Syntax => CodeErrorKind::Syntax,
            FailureKind::Exception => CodeErrorKind::Exception,
            FailureKind::Unsupported => CodeErrorKind::Unsupported,
            FailureKind::Time | FailureKind::Memory | FailureKind::ResultSize => {
                CodeErrorKind::Limit
            }
            FailureKind::Cancelled => CodeErrorKind::Cancelled,
            FailureKind::Internal => CodeErrorKind::Internal,
        };
        let trace = failure.trace.into_iter().take(MAX_LINES);
        let hints = failure.hints.into_iter().take(MAX_LINES);
        Self {
            name: failure.name.map(cut),
            line: failure.line,
            column: failure.column,
            trace: trace.map(cut).collect(),
            call: failure.call,
            hints: hints.map(cut).collect(),
            ..Self::new(kind, cut(failure.message))
        }
    }

    /// Whether something ran before it came to this.
    pub(super) fn is_of_a_run(&self) -> bool {
        let nothing_ran = matches!(self.kind, CodeErrorKind::Syntax | CodeErrorKind::Check);
        !nothing_ran && self.problems.is_empty()
    }

    /// Whether the program was stopped somewhere, which would be elsewhere another time.
    pub(super) fn is_of_a_stop(&self) -> bool {
        match self.kind {
            CodeErrorKind::Cancelled => true,
            CodeErrorKind::Limit => {
                let limit = self.limit.as_ref().map(|excess| excess.name);
                limit != Some(LimitName::Result)
            }
            _ => false,
        }
    }

    /// The guest ended before the program did.
    pub(super) fn lost(ended: Option<&Ended>) -> Self {
        let how = match ended {
            Some(Ended::Crashed { how }) => format!("the sandbox was lost: it {how}"),
            Some(Ended::Exited) => "the sandbox ended before the program did".to_owned(),
            Some(Ended::Killed) => "the sandbox was killed".to_owned(),
            _ => "the sandbox was lost".to_owned(),
        };
        Self::new(CodeErrorKind::SandboxLost, how)
            .with_hint("run it again; tools that were called keep their effects")
    }
}

/// The longest text of a guest that is kept, and the most lines of a trace.
const MAX_TEXT: usize = 16 << 10;
const MAX_LINES: usize = 64;

fn cut(mut text: String) -> String {
    if text.len() > MAX_TEXT {
        text.truncate(text.floor_char_boundary(MAX_TEXT));
        text.push('…');
    }
    text
}

fn hint(name: LimitName) -> Option<&'static str> {
    Some(match name {
        LimitName::RunTime => "look for a loop that does not end; waiting for tools is not counted",
        LimitName::WaitTime => "call tools in parallel, or ask for less",
        LimitName::ToolCalls => "ask for more at once, or filter before calling",
        LimitName::Output => "print less; return the value instead",
        LimitName::FileBytes | LimitName::Files => "write less, or one file in place of many",
        LimitName::Result => "return only what matters",
        LimitName::Memory => "work in smaller pieces; a recursion that does not end also needs it",
        _ => return None,
    })
}
