//! Where tools run.

pub mod local;

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::content::Content;
use crate::context::CallContext;
use crate::error::Result;
use crate::tool::{Args, Tool};

/// The kind of a backend, in the default order of preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackendKind {
    /// A function of this process.
    Local,
    /// An HTTP API or a command-line program.
    Provider,
    /// An MCP server.
    Mcp,
}

/// Names a backend: its kind and its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct BackendRef {
    /// The kind.
    pub kind: BackendKind,
    /// Its name in the configuration: the server, the API, the namespace of local functions.
    pub name: Arc<str>,
}

impl BackendRef {
    /// Names a backend.
    pub fn new(kind: BackendKind, name: impl Into<Arc<str>>) -> Self {
        Self {
            kind,
            name: name.into(),
        }
    }
}

impl fmt::Display for BackendKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Local => "local",
            Self::Provider => "provider",
            Self::Mcp => "mcp",
        })
    }
}

impl fmt::Display for BackendRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

/// Somewhere tools run.
///
/// An implementation must
///
/// 1. be callable from many tasks at once;
/// 2. answer a tool's own failure as `Ok` (an error value or error content), and use `Err` only
///    when the execution failed;
/// 3. use [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) only when nothing was sent,
///    because the run path then may try another backend;
/// 4. stop the work it started when the returned future is dropped, and tell a remote peer so
///    where its protocol allows: the run path drops the future on deadline and cancellation;
/// 5. send events through the context and wait for the sink (back-pressure), and send none after
///    it has answered;
/// 6. cap what it reads from its peer;
/// 7. go on serving after a call failed, whatever the peer did;
/// 8. put nothing into an error's message that a model must not read (see [`crate::Error`]).
pub trait Backend: Send + Sync + 'static {
    /// Its kind and name; the same for its whole life.
    fn backend_ref(&self) -> &BackendRef;

    /// Runs one tool. The arguments have been validated.
    fn call<'a>(
        &'a self,
        call: BackendCall,
        cx: &'a CallContext,
    ) -> BoxFuture<'a, Result<RawOutput>>;
}

/// One call, as a backend gets it.
#[derive(Debug, Clone)]
pub struct BackendCall {
    /// The tool.
    pub tool: Arc<Tool>,
    /// What the backend itself calls the tool.
    pub remote_name: Arc<str>,
    /// The arguments.
    pub args: Args,
}

/// What a backend answers, before it is brought into one shape.
#[derive(Debug, Clone, PartialEq)]
pub enum RawOutput {
    /// The value.
    Value(Value),
    /// The tool failed by its own word.
    Failure(ToolFailure),
    /// Blocks of content, as MCP answers them.
    Content(RawContent),
}

/// A tool's own failure.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolFailure {
    /// What a person reads.
    pub message: String,
    /// What the tool said in detail, such as a problem document (RFC 9457).
    pub value: Option<Value>,
}

/// Blocks of content, as MCP answers them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RawContent {
    /// The blocks.
    pub content: Vec<Content>,
    /// The value, when the tool gave one.
    pub structured: Option<Value>,
    /// Whether the tool failed.
    pub is_error: bool,
    /// MCP's `_meta`.
    pub meta: Map<String, Value>,
}
