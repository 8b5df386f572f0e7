//! What travels with a call: deadline, cancellation, events, caller.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, EventSink, LogLevel};

/// What travels with a call from its caller to its backend. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct CallContext {
    deadline: Option<Instant>,
    cancel: Option<CancellationToken>,
    events: Option<EventSink>,
    caller: Option<Arc<Caller>>,
    trace: Option<Arc<TraceContext>>,
    budget: Option<Arc<CallBudget>>,
    extension: Option<Arc<dyn Any + Send + Sync>>,
}

/// How many tools may run in a context, steps of chains included. Counted when a call starts,
/// whatever becomes of it.
#[derive(Debug)]
pub struct CallBudget {
    limit: Option<u64>,
    used: AtomicU64,
    refused: AtomicU64,
}

/// The name that stands for a caller who is not known. Nobody who is known has it.
pub const ANONYMOUS: &str = "anonymous";

/// Who makes a call, as far as policies care.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Caller {
    /// A name that policies match, such as a user or client id.
    pub name: String,
    /// Roles or groups.
    pub roles: Vec<String>,
}

/// W3C trace context, passed on to backends that can carry it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    /// The `traceparent` header.
    pub traceparent: String,
    /// The `tracestate` header.
    pub tracestate: Option<String>,
}

impl CallBudget {
    /// A budget of `limit` calls; `None` only counts.
    pub fn new(limit: Option<u64>) -> Self {
        Self {
            limit,
            used: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// How many calls there may be.
    pub fn limit(&self) -> Option<u64> {
        self.limit
    }

    /// How many calls started.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// How many calls were refused because the budget was spent.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// How many calls are left.
    pub fn left(&self) -> Option<u64> {
        self.limit.map(|limit| limit.saturating_sub(self.used()))
    }

    fn spend(&self) -> Result<()> {
        let limit = self.limit.unwrap_or(u64::MAX);
        let spent = self
            .used
            .try_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                (used < limit).then_some(used + 1)
            });
        if spent.is_ok() {
            return Ok(());
        }
        self.refused.fetch_add(1, Ordering::Relaxed);
        Err(Error::new(
            ErrorKind::LimitExceeded,
            format!("the budget of {limit} tool calls is spent"),
        )
        .with_retryable(false))
    }
}

impl CallContext {
    /// A context without deadline, cancellation, reader or caller.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the deadline, unless an earlier one is set.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Instant) -> Self {
        self.deadline = Some(self.deadline.map_or(deadline, |own| own.min(deadline)));
        self
    }

    /// Sets the deadline `timeout` from now, unless an earlier one is set.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        match Instant::now().checked_add(timeout) {
            Some(deadline) => self.with_deadline(deadline),
            None => self,
        }
    }

    /// Cancels the call when `token` is cancelled.
    #[must_use]
    pub fn with_cancel(mut self, token: CancellationToken) -> Self {
        self.cancel = Some(token);
        self
    }

    /// Sends events to `sink`.
    #[must_use]
    pub fn with_events(mut self, sink: EventSink) -> Self {
        self.events = Some(sink);
        self
    }

    /// Says who calls.
    #[must_use]
    pub fn with_caller(mut self, caller: Arc<Caller>) -> Self {
        self.caller = Some(caller);
        self
    }

    /// Sets the trace context.
    #[must_use]
    pub fn with_trace(mut self, trace: Arc<TraceContext>) -> Self {
        self.trace = Some(trace);
        self
    }

    /// Counts every call against `budget`.
    #[must_use]
    pub fn with_budget(mut self, budget: Arc<CallBudget>) -> Self {
        self.budget = Some(budget);
        self
    }

    /// Sends something along for backends that know its type, in place of what was sent before.
    #[must_use]
    pub fn with_extension<T: Any + Send + Sync>(mut self, extension: Arc<T>) -> Self {
        self.extension = Some(extension);
        self
    }

    /// Counts one call.
    ///
    /// # Errors
    /// [`ErrorKind::LimitExceeded`] when the budget is spent.
    pub(crate) fn spend_call(&self) -> Result<()> {
        self.budget.as_ref().map_or(Ok(()), |budget| budget.spend())
    }

    /// When the call must have ended.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// How long it may still take; zero once the deadline passed.
    pub fn remaining(&self) -> Option<Duration> {
        self.deadline
            .map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// The token that cancels the call, if any.
    pub fn cancel_token(&self) -> Option<&CancellationToken> {
        self.cancel.as_ref()
    }

    /// Whether the call was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.cancel
            .as_ref()
            .is_some_and(CancellationToken::is_cancelled)
    }

    /// Completes when the call is cancelled; never, when it cannot be.
    ///
    /// # Cancel safety
    /// Safe: nothing is lost when the future is dropped.
    pub async fn cancelled(&self) {
        match &self.cancel {
            Some(token) => token.cancelled().await,
            None => std::future::pending().await,
        }
    }

    /// Where events go, when somebody reads them.
    pub fn events(&self) -> Option<&EventSink> {
        self.events.as_ref()
    }

    /// Who calls.
    pub fn caller(&self) -> Option<&Arc<Caller>> {
        self.caller.as_ref()
    }

    /// What was sent along, where it is of this type.
    pub fn extension<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        self.extension.clone()?.downcast().ok()
    }

    /// The trace context.
    pub fn trace(&self) -> Option<&Arc<TraceContext>> {
        self.trace.as_ref()
    }

    /// Reports progress; does nothing when nobody reads. Waits while the reader is behind.
    pub async fn progress(&self, progress: f64, total: Option<f64>, message: Option<String>) {
        if let Some(events) = &self.events {
            events
                .send(Event::Progress {
                    progress,
                    total,
                    message,
                })
                .await;
        }
    }

    /// Sends a part of the answer; does nothing when nobody reads. Waits while the reader is
    /// behind.
    pub async fn chunk(&self, data: impl Into<Value>) {
        if let Some(events) = &self.events {
            events.send(Event::Chunk { data: data.into() }).await;
        }
    }

    /// Logs; does nothing when nobody reads. Waits while the reader is behind.
    pub async fn log(&self, level: LogLevel, data: impl Into<Value>) {
        if let Some(events) = &self.events {
            events
                .send(Event::Log {
                    level,
                    data: data.into(),
                })
                .await;
        }
    }
}
