//! What happens while a program runs.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use futures_util::stream::{FusedStream, Stream};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::mpsc;

use super::outcome::{LogLine, Outcome};
use super::record::{CallOp, CallRecord};
use crate::error::{ErrorReport, Result};
use crate::sandbox::{Language, Profile};

/// One event of a streamed program.
///
/// A stream ends with exactly one `done`, whose outcome may hold the program's error, or with one
/// `error` when nothing could be run.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum CodeEvent {
    /// A sandbox runs the program.
    Started {
        /// Its language.
        language: Language,
        /// Which sandbox.
        sandbox: String,
        /// The isolation that was asked for.
        profile: Profile,
    },
    /// The program printed.
    Print {
        /// Where to.
        stream: toolexec_wire::Stream,
        /// What.
        text: String,
    },
    /// The program made a call.
    CallStarted {
        /// Its number, from 1.
        number: u64,
        /// What was called for.
        op: CallOp,
        /// The tool as the program named it.
        #[serde(skip_serializing_if = "Option::is_none")]
        tool: Option<String>,
        /// The arguments, the chain or the query.
        args: Value,
        /// The lane it is drawn in.
        lane: usize,
    },
    /// A call was answered.
    CallEnded {
        /// What became of it.
        call: Box<CallRecord>,
    },
    /// The program logged.
    Log(LogLine),
    /// The program tells how far it is.
    Progress {
        /// How much is done.
        progress: f64,
        /// How much there is to do.
        #[serde(skip_serializing_if = "Option::is_none")]
        total: Option<f64>,
        /// What is being done.
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// The program ended.
    Done {
        /// What it answered.
        outcome: Box<Outcome>,
    },
    /// Nothing was run.
    Error {
        /// Why.
        error: Box<ErrorReport>,
    },
}

impl CodeEvent {
    /// Whether no event follows.
    pub fn is_last(&self) -> bool {
        matches!(self, Self::Done { .. } | Self::Error { .. })
    }

    pub(super) fn call_started(record: &CallRecord) -> Self {
        Self::CallStarted {
            number: record.number,
            op: record.op,
            tool: record.tool.clone(),
            args: record.args.clone(),
            lane: record.lane,
        }
    }
}

/// How many events may wait for their reader before the program has to.
const BUFFER: usize = 64;

/// Where a program's events go, when somebody reads them.
pub(super) type Sink = Option<mpsc::Sender<CodeEvent>>;

/// The events of one program. Dropping it ends the program.
#[must_use = "nothing runs until the stream is polled"]
pub struct CodeStream {
    // `None` once the program has ended.
    run: Option<BoxFuture<'static, Result<Outcome>>>,
    events: mpsc::Receiver<CodeEvent>,
    // The last event, while earlier ones still wait in `events`.
    last: Option<CodeEvent>,
}

impl CodeStream {
    pub(super) fn new<F, Fut>(run: F) -> Self
    where
        F: FnOnce(Sink) -> Fut,
        Fut: Future<Output = Result<Outcome>> + Send + 'static,
    {
        let (sender, events) = mpsc::channel(BUFFER);
        Self {
            run: Some(Box::pin(run(Some(sender)))),
            events,
            last: None,
        }
    }
}

impl Stream for CodeStream {
    type Item = CodeEvent;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<CodeEvent>> {
        let this = self.get_mut();
        loop {
            if let Some(run) = &mut this.run {
                // Events first: they happened before the end.
                if let Poll::Ready(Some(event)) = this.events.poll_recv(cx) {
                    return Poll::Ready(Some(event));
                }
                let outcome = std::task::ready!(run.as_mut().poll(cx));
                this.run = None;
                this.events.close();
                this.last = Some(match outcome {
                    Ok(outcome) => CodeEvent::Done {
                        outcome: Box::new(outcome),
                    },
                    Err(error) => CodeEvent::Error {
                        error: Box::new(error.report()),
                    },
                });
            } else if let Ok(event) = this.events.try_recv() {
                return Poll::Ready(Some(event));
            } else {
                return Poll::Ready(this.last.take());
            }
        }
    }
}

impl FusedStream for CodeStream {
    fn is_terminated(&self) -> bool {
        self.run.is_none() && self.last.is_none()
    }
}

impl fmt::Debug for CodeStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodeStream")
            .field("ended", &self.is_terminated())
            .finish_non_exhaustive()
    }
}
