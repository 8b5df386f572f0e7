//! What happens while a tool runs.

use serde::Serialize;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::backend::BackendRef;
use crate::chain::StepReport;
use crate::error::ErrorReport;
use crate::id::ToolId;
use crate::run::RunResult;

/// One event of a streamed call.
///
/// A stream starts with `started` once the call was resolved, authorized and validated, and ends
/// with exactly one `done` or `error`.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// The call goes to its backend.
    Started {
        /// The tool.
        tool: ToolId,
        /// Where it runs.
        backend: BackendRef,
    },
    /// How far it is.
    Progress {
        /// How much is done; grows.
        progress: f64,
        /// How much there is to do, when known.
        #[serde(skip_serializing_if = "Option::is_none")]
        total: Option<f64>,
        /// What is being done.
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// A part of the answer, as the tool produced it.
    Chunk {
        /// The part.
        data: Value,
    },
    /// Something the tool or its server logged.
    Log {
        /// The severity.
        level: LogLevel,
        /// What was logged.
        data: Value,
    },
    /// A step of a chain ended.
    Step {
        /// What became of it.
        step: Box<StepReport>,
    },
    /// The call ended with a result, which may be the tool's own failure.
    Done {
        /// The result.
        result: Box<RunResult>,
    },
    /// The call failed.
    Error {
        /// Why.
        error: Box<ErrorReport>,
    },
}

/// The severity of a log event (RFC 5424, as MCP uses it).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "RFC 5424 defines them")]
pub enum LogLevel {
    Debug,
    Info,
    Notice,
    Warning,
    Error,
    Critical,
    Alert,
    Emergency,
}

impl Event {
    /// Whether no event follows.
    pub fn is_last(&self) -> bool {
        matches!(self, Self::Done { .. } | Self::Error { .. })
    }
}

/// Where a backend sends `progress`, `chunk` and `log`.
///
/// Bounded: sending waits while the reader is behind. Sending after the reader is gone does
/// nothing; the call is being cancelled then.
#[derive(Debug, Clone)]
pub struct EventSink(mpsc::Sender<Event>);

impl EventSink {
    /// A sink and its reader, holding at most `capacity` events (at least one).
    pub fn channel(capacity: usize) -> (Self, mpsc::Receiver<Event>) {
        let (sender, receiver) = mpsc::channel(capacity.max(1));
        (Self(sender), receiver)
    }

    /// Sends one event.
    ///
    /// # Cancel safety
    /// When the future is dropped before it completes, the event was not sent.
    pub async fn send(&self, event: Event) {
        // The reader is gone: nobody wants the event.
        let _ = self.0.send(event).await;
    }

    /// Completes when the reader is gone.
    pub async fn closed(&self) {
        self.0.closed().await;
    }
}
