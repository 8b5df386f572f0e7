//! The one error type of the run path.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::backend::BackendRef;
use crate::schema::Violation;

/// The result of anything that can fail with an [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, where, and what to do next.
///
/// One word wide. Its message is fit for a model or a guest: it holds no host path, address,
/// secret or internal type name. What only an operator may read is in the source chain.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    stage: Option<Stage>,
    tool: Option<String>,
    backend: Option<BackendRef>,
    message: String,
    violations: Vec<Violation>,
    hints: Vec<String>,
    retryable: Option<bool>,
    retry_after: Option<Duration>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The kinds of failure. Unless a variant says otherwise, the executor stays usable and nothing
/// ran twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A tool id or reference is malformed. Nothing ran.
    InvalidId,
    /// No such tool, namespace or document. Nothing ran.
    NotFound,
    /// The name fits several tools. Nothing ran.
    Ambiguous,
    /// A policy refused the call. Nothing ran.
    Denied,
    /// The arguments do not fit the input schema, or are too large or too deep. Nothing ran.
    InvalidInput,
    /// The value does not fit the output schema. The tool ran, its effects stand.
    InvalidOutput,
    /// The tool is there but cannot be used: one of its schemas is broken. Nothing ran.
    Disabled,
    /// The tool has no backend that the caller's selection allows. Nothing ran.
    NoBackend,
    /// The backend could not be reached; the call was not sent. Nothing ran.
    Unavailable,
    /// The backend failed while it had the call. The tool may have run.
    Backend,
    /// A handler panicked. The tool may have run in part.
    Panicked,
    /// A deadline passed. The tool may have run; it was told to stop.
    Timeout,
    /// The caller cancelled. The tool may have run; it was told to stop.
    Cancelled,
    /// A limit was exceeded, such as the size of a result. The tool may have run.
    LimitExceeded,
    /// The peer broke its protocol. The tool may have run.
    Protocol,
    /// What was asked for is not built in or not supported by the peer. Nothing ran.
    Unsupported,
    /// No sandbox that the profile allows can run the program here. Nothing ran.
    SandboxUnavailable,
    /// The configuration is wrong. Nothing ran.
    Config,
    /// A broken invariant of ours.
    Internal,
}

impl ErrorKind {
    /// The stable name used in JSON and over MCP.
    pub fn code(self) -> &'static str {
        match self {
            Self::InvalidId => "invalid_id",
            Self::NotFound => "not_found",
            Self::Ambiguous => "ambiguous",
            Self::Denied => "denied",
            Self::InvalidInput => "invalid_input",
            Self::InvalidOutput => "invalid_output",
            Self::Disabled => "tool_disabled",
            Self::NoBackend => "no_backend",
            Self::Unavailable => "backend_unavailable",
            Self::Backend => "backend_failed",
            Self::Panicked => "handler_panicked",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
            Self::LimitExceeded => "limit_exceeded",
            Self::Protocol => "protocol_error",
            Self::Unsupported => "unsupported",
            Self::SandboxUnavailable => "sandbox_unavailable",
            Self::Config => "config",
            Self::Internal => "internal",
        }
    }
}

/// The stage of the run path in which an error arose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Stage {
    /// Reading the tool id.
    ParseId,
    /// Finding the tool and its backend.
    Resolve,
    /// Asking the policy.
    Authorize,
    /// Checking the arguments.
    ValidateInput,
    /// Calling the backend.
    Dispatch,
    /// Bringing the answer into one shape.
    Normalize,
    /// Checking the value.
    ValidateOutput,
    /// Filling in the templates of a chain step.
    Template,
}

impl Stage {
    /// The stable name used in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ParseId => "parse_id",
            Self::Resolve => "resolve",
            Self::Authorize => "authorize",
            Self::ValidateInput => "validate_input",
            Self::Dispatch => "dispatch",
            Self::Normalize => "normalize",
            Self::ValidateOutput => "validate_output",
            Self::Template => "template",
        }
    }
}

impl Error {
    /// Makes an error; `message` is a lower-case sentence that a model may read.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            stage: None,
            tool: None,
            backend: None,
            message: message.into(),
            violations: Vec::new(),
            hints: Vec::new(),
            retryable: None,
            retry_after: None,
            source: None,
        }))
    }

    /// Adds the cause, for operators.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Adds what to do next.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hints.push(hint.into());
        self
    }

    /// Adds what is wrong with the arguments or the value.
    #[must_use]
    pub fn with_violations(mut self, violations: Vec<Violation>) -> Self {
        self.0.violations = violations;
        self
    }

    /// Overrides whether repeating the same call can help.
    #[must_use]
    pub fn with_retryable(mut self, retryable: bool) -> Self {
        self.0.retryable = Some(retryable);
        self
    }

    /// Says how long to wait before trying again.
    #[must_use]
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        self.0.retry_after = Some(after);
        self
    }

    /// Says where it happened, unless that is known already.
    #[must_use]
    pub fn at(mut self, stage: Stage) -> Self {
        self.0.stage.get_or_insert(stage);
        self
    }

    /// Says which tool it was about, unless that is known already.
    #[must_use]
    pub fn for_tool(mut self, tool: impl fmt::Display) -> Self {
        self.0.tool.get_or_insert_with(|| tool.to_string());
        self
    }

    /// Says which backend had the call, unless that is known already.
    #[must_use]
    pub fn on_backend(mut self, backend: &BackendRef) -> Self {
        self.0.backend.get_or_insert_with(|| backend.clone());
        self
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The stable name of the kind.
    pub fn code(&self) -> &'static str {
        self.0.kind.code()
    }

    /// The stage in which it arose.
    pub fn stage(&self) -> Option<Stage> {
        self.0.stage
    }

    /// The tool as the caller named it.
    pub fn tool(&self) -> Option<&str> {
        self.0.tool.as_deref()
    }

    /// The backend that had the call.
    pub fn backend(&self) -> Option<&BackendRef> {
        self.0.backend.as_ref()
    }

    /// What a model or a guest may read of it.
    pub fn guest_message(&self) -> &str {
        &self.0.message
    }

    /// What is wrong with the arguments or the value, all of it.
    pub fn violations(&self) -> &[Violation] {
        &self.0.violations
    }

    /// What to do next.
    pub fn hints(&self) -> &[String] {
        &self.0.hints
    }

    /// How long to wait before trying again, when the peer said so.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Whether repeating the same call can help. It says nothing about whether that is safe; see
    /// [`Annotations::is_repeatable`](crate::tool::Annotations::is_repeatable).
    pub fn is_retryable(&self) -> bool {
        self.0.retryable.unwrap_or(matches!(
            self.0.kind,
            ErrorKind::Unavailable | ErrorKind::Timeout
        ))
    }

    /// The form for machines. `causes` is for operators and left out of what a guest sees.
    pub fn report(&self) -> ErrorReport {
        let mut causes = Vec::new();
        let mut next = self.source();
        while let Some(cause) = next {
            causes.push(cause.to_string());
            next = cause.source();
        }
        ErrorReport {
            causes,
            ..self.guest_report()
        }
    }

    /// The form for a model or a guest: without the causes.
    pub fn guest_report(&self) -> ErrorReport {
        ErrorReport {
            code: self.code(),
            message: self.0.message.clone(),
            stage: self.0.stage,
            tool: self.0.tool.clone(),
            backend: self.0.backend.clone(),
            retryable: self.is_retryable(),
            retry_after_ms: self
                .0
                .retry_after
                .map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX)),
            violations: self.0.violations.clone(),
            hints: self.0.hints.clone(),
            causes: Vec::new(),
        }
    }
}

/// An [`Error`] as JSON.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ErrorReport {
    /// The stable name of the kind.
    pub code: &'static str,
    /// What happened.
    pub message: String,
    /// Where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// The tool as the caller named it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// The backend that had the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend: Option<BackendRef>,
    /// Whether repeating the same call can help.
    pub retryable: bool,
    /// How long to wait first, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// What is wrong with the arguments or the value.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub violations: Vec<Violation>,
    /// What to do next.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
    /// The chain of causes, outermost first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        for violation in &self.0.violations {
            write!(f, "\n  {violation}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &self.0;
        let mut debug = f.debug_struct("Error");
        debug
            .field("kind", &inner.kind)
            .field("message", &inner.message);
        if let Some(stage) = &inner.stage {
            debug.field("stage", stage);
        }
        if let Some(tool) = &inner.tool {
            debug.field("tool", tool);
        }
        if let Some(backend) = &inner.backend {
            debug.field("backend", backend);
        }
        if !inner.violations.is_empty() {
            debug.field("violations", &inner.violations);
        }
        if !inner.hints.is_empty() {
            debug.field("hints", &inner.hints);
        }
        if let Some(source) = &inner.source {
            debug.field("source", source);
        }
        debug.finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0
            .source
            .as_deref()
            .map(|source| source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::BackendKind;

    #[test]
    fn is_one_word() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }

    #[test]
    fn the_first_place_named_is_kept() {
        let near = BackendRef::new(BackendKind::Mcp, "near");
        let error = Error::new(ErrorKind::Backend, "it broke")
            .at(Stage::Dispatch)
            .for_tool("a:b")
            .on_backend(&near)
            .at(Stage::Resolve)
            .for_tool("c:d")
            .on_backend(&BackendRef::new(BackendKind::Local, "far"));
        assert_eq!(error.stage(), Some(Stage::Dispatch));
        assert_eq!(error.tool(), Some("a:b"));
        assert_eq!(error.backend(), Some(&near));
    }

    #[test]
    fn causes_reach_the_operator_and_not_the_guest() {
        let cause = std::io::Error::other("/home/me/secret: permission denied");
        let error = Error::new(ErrorKind::Backend, "the server failed").with_source(cause);
        assert_eq!(
            error.report().causes,
            ["/home/me/secret: permission denied"]
        );
        let guest = serde_json::to_string(&error.guest_report()).unwrap();
        assert!(!guest.contains("secret"), "{guest}");
    }
}
