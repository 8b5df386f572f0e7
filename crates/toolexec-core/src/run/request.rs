//! What a caller asks for.

use std::sync::Arc;

use serde_json::Value;

use crate::backend::{BackendKind, BackendRef};
use crate::context::CallContext;
use crate::tool::Args;

/// A call of one tool, as its caller puts it.
#[derive(Debug, Clone)]
pub struct Request {
    pub(super) tool: String,
    pub(super) args: Value,
    pub(super) backend: BackendChoice,
    pub(super) cx: CallContext,
}

/// Which of a tool's backends may run it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum BackendChoice {
    /// Any, in the order of preference.
    #[default]
    Any,
    /// Only backends of this kind.
    Kind(BackendKind),
    /// Only the backend of this name, of whatever kind.
    Named(Arc<str>),
}

impl Request {
    /// Calls `tool` (`namespace:name[:version]`) with `args`, which must be an object; `null`
    /// means no arguments.
    pub fn new(tool: impl Into<String>, args: impl Into<Value>) -> Self {
        Self {
            tool: tool.into(),
            args: args.into(),
            backend: BackendChoice::Any,
            cx: CallContext::new(),
        }
    }

    /// Says which backends may run it.
    #[must_use]
    pub fn on(mut self, backend: BackendChoice) -> Self {
        self.backend = backend;
        self
    }

    /// Sets what travels with the call.
    #[must_use]
    pub fn with_context(mut self, cx: CallContext) -> Self {
        self.cx = cx;
        self
    }

    /// The tool as the caller named it.
    pub fn tool(&self) -> &str {
        &self.tool
    }
}

impl<T: Into<String>> From<(T, Args)> for Request {
    fn from((tool, args): (T, Args)) -> Self {
        Self::new(tool, args)
    }
}

impl<T: Into<String>> From<(T, Value)> for Request {
    fn from((tool, args): (T, Value)) -> Self {
        Self::new(tool, args)
    }
}

impl BackendChoice {
    pub(super) fn allows(&self, backend: &BackendRef) -> bool {
        match self {
            Self::Any => true,
            Self::Kind(kind) => backend.kind == *kind,
            Self::Named(name) => backend.name == *name,
        }
    }
}

impl std::fmt::Display for BackendChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Any => f.write_str("any backend"),
            Self::Kind(kind) => write!(f, "a {kind} backend"),
            Self::Named(name) => write!(f, "the backend {name:?}"),
        }
    }
}

impl std::str::FromStr for BackendChoice {
    type Err = std::convert::Infallible;

    /// `local`, `provider` and `mcp` mean the kind; any other text is a name.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "local" => Self::Kind(BackendKind::Local),
            "provider" => Self::Kind(BackendKind::Provider),
            "mcp" => Self::Kind(BackendKind::Mcp),
            name => Self::Named(Arc::from(name)),
        })
    }
}
