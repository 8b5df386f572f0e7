//! Keeps one connection for all callers: started once, started again after it ended.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use tokio::sync::{broadcast, watch};
use tokio::task::AbortHandle;
use toolexec_core::{BackendRef, Error, ErrorKind, Result};
use toolexec_process::Tail;

use super::connect::{Connected, Plan};
use super::connection::{Connection, End};
use crate::client::config::{Protocol, ServerConfig};
use crate::client::error::Cause;
use crate::client::hub::Note;

/// How many changes a reader may be behind.
const NOTES: usize = 256;

/// Keeps one connection for all callers.
pub(crate) struct Supervisor {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    server: BackendRef,
    config: Arc<ServerConfig>,
    tools_changed: Arc<watch::Sender<u64>>,
    notes: broadcast::Sender<Note>,
    // The server answered `initialize` when asked with `server/discover`.
    is_legacy: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    phase: Phase,
    // In a row, without a stable run in between.
    pauses: u32,
    // An end since the last stable run was made good without a pause.
    is_forgiven: bool,
    starts: u32,
    // Of the last program, kept after its end.
    stderr: Option<Tail>,
    // Of the connections before the current one.
    notices: Vec<String>,
}

/// Where the connection is in its life.
#[derive(Default, Clone)]
pub(crate) enum Phase {
    /// Not started, or ended in good order.
    #[default]
    Idle,
    /// Being started, by a task of its own.
    Starting(Starting),
    /// Standing.
    Connected(Arc<Connection>),
    /// Ended badly; not started again before `until`.
    Resting {
        /// The earliest time of the next start.
        until: Instant,
        /// Why.
        failure: Arc<Failure>,
    },
}

/// A start under way, shared by all who wait for it.
#[derive(Clone)]
pub(crate) struct Starting {
    result: Shared<BoxFuture<'static, StartResult>>,
    task: AbortHandle,
    number: u32,
}

type StartResult = Result<Arc<Connection>, Arc<Failure>>;

/// A start that failed or an end that was not wanted, in a form that many callers can get.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: ErrorKind,
    message: String,
    hints: Vec<String>,
    cause: Option<Cause>,
    retryable: bool,
}

impl Supervisor {
    pub(crate) fn new(server: BackendRef, config: ServerConfig) -> Self {
        Self {
            inner: Arc::new(Inner {
                server,
                config: Arc::new(config),
                tools_changed: Arc::new(watch::Sender::new(0)),
                notes: broadcast::Sender::new(NOTES),
                is_legacy: AtomicBool::new(false),
                state: Mutex::default(),
            }),
        }
    }

    pub(crate) fn server(&self) -> &BackendRef {
        &self.inner.server
    }

    pub(crate) fn config(&self) -> &ServerConfig {
        &self.inner.config
    }

    pub(crate) fn tool_changes(&self) -> u64 {
        *self.inner.tools_changed.borrow()
    }

    pub(crate) fn watch_tools(&self) -> watch::Receiver<u64> {
        self.inner.tools_changed.subscribe()
    }

    /// What else of the server changes, from now on.
    #[cfg(feature = "server")]
    pub(crate) fn watch_notes(&self) -> broadcast::Receiver<Note> {
        self.inner.notes.subscribe()
    }

    /// The connection; starts it when there is none.
    pub(crate) async fn connection(&self) -> Result<Arc<Connection>> {
        loop {
            match self.inner.look() {
                Look::Connected(connection) => return Ok(connection),
                Look::Resting(error) => return Err(error),
                Look::Starting(starting) => {
                    let result = starting.result.clone().await;
                    return result.map_err(|failure| failure.error(&self.inner.server));
                }
                // Why it ends decides whether it rests: that is known in a moment.
                Look::Ending(connection) => drop(connection.ended().await),
            }
        }
    }

    /// Gives up a connection that is of no use any more, such as one whose token expired.
    pub(crate) fn discard(&self, connection: &Arc<Connection>) {
        let mut state = self.inner.lock();
        if matches!(&state.phase, Phase::Connected(current) if Arc::ptr_eq(current, connection)) {
            state.phase = Phase::Idle;
        }
        drop(state);
        connection.stop();
    }

    /// Ends the connection, or its start; it is started anew when used again.
    pub(crate) async fn shutdown(&self) {
        let phase = std::mem::take(&mut self.inner.lock().phase);
        match phase {
            Phase::Connected(connection) => {
                connection.stop();
                // The watcher bounds each of its steps.
                connection.ended().await;
            }
            Phase::Starting(starting) => {
                starting.task.abort();
                let _ = starting.result.await;
            }
            Phase::Idle | Phase::Resting { .. } => {}
        }
    }

    /// What there is to say about the state: phase, starts, standard error, notices.
    pub(crate) fn snapshot(&self) -> (Phase, u32, Option<Tail>, Vec<String>) {
        let state = self.inner.lock();
        let mut notices = state.notices.clone();
        if let Phase::Connected(connection) = &state.phase {
            notices.extend(connection.hub.notices());
        }
        (
            state.phase.clone(),
            state.starts,
            state.stderr.clone(),
            notices,
        )
    }
}

/// What a caller finds.
enum Look {
    Connected(Arc<Connection>),
    Ending(Arc<Connection>),
    Starting(Starting),
    Resting(Error),
}

impl Inner {
    fn look(self: &Arc<Self>) -> Look {
        let mut state = self.lock();
        match &state.phase {
            Phase::Connected(connection) if connection.is_open() => {
                Look::Connected(connection.clone())
            }
            Phase::Connected(connection) if !connection.has_ended() => {
                Look::Ending(connection.clone())
            }
            // Its runtime is gone and nobody is left to finish the start.
            Phase::Starting(starting) if !starting.is_orphaned() => {
                Look::Starting(starting.clone())
            }
            Phase::Resting { until, failure } if *until > Instant::now() => {
                let wait = until.saturating_duration_since(Instant::now());
                Look::Resting(failure.resting(&self.server, wait))
            }
            _ => {
                let starting = self.start(&mut state);
                state.phase = Phase::Starting(starting.clone());
                Look::Starting(starting)
            }
        }
    }

    /// Starts in a task of its own: a caller that gives up does not undo it for the others.
    fn start(self: &Arc<Self>, state: &mut State) -> Starting {
        state.starts += 1;
        let number = state.starts;
        let inner = self.clone();
        let task = tokio::spawn(async move { inner.run_start(number).await });
        let abort = task.abort_handle();
        let result = async move {
            task.await
                .unwrap_or_else(|_| Err(Arc::new(Failure::given_up())))
        };
        Starting {
            result: result.boxed().shared(),
            task: abort,
            number,
        }
    }

    async fn run_start(self: Arc<Self>, number: u32) -> StartResult {
        let protocol = match self.config.protocol {
            Protocol::Auto if self.is_legacy.load(Ordering::Relaxed) => Protocol::Initialize,
            protocol => protocol,
        };
        let plan = Plan {
            server: self.server.clone(),
            config: self.config.clone(),
            tools_changed: self.tools_changed.clone(),
            notes: self.notes.clone(),
        };
        let connected = plan.connect(protocol).await;
        let mut state = self.lock();
        // A shutdown in between has forgotten this start.
        let is_current =
            matches!(&state.phase, Phase::Starting(starting) if starting.number == number);
        match connected {
            Ok(connected) => {
                self.is_legacy.store(connected.is_legacy, Ordering::Relaxed);
                let connection = self.adopt(&mut state, connected);
                if is_current {
                    state.phase = Phase::Connected(connection.clone());
                }
                Ok(connection)
            }
            Err(error) => {
                let failure = Arc::new(Failure::from_error(&error));
                if is_current {
                    self.rest(&mut state, failure.clone());
                }
                Err(failure)
            }
        }
    }

    /// Takes a new connection over and has its end noticed.
    fn adopt(self: &Arc<Self>, state: &mut State, connected: Connected) -> Arc<Connection> {
        let Connected {
            connection,
            watched,
            ..
        } = connected;
        state.stderr.clone_from(&connection.stderr);
        let (since, hub) = (connection.since, connection.hub.clone());
        if state.starts > 1 {
            // What it offers now may differ from what it offered before.
            hub.bump();
        }
        // Neither keeps the other alive: dropping the supervisor ends the connection.
        let (inner, ended) = (Arc::downgrade(self), Arc::downgrade(&connection));
        let note = move |end: &End| {
            if let Some(inner) = inner.upgrade() {
                inner.ended(&ended, since, &hub.notices(), end);
            }
        };
        tokio::spawn(connection.watch(watched, note));
        connection
    }

    /// Notes the end of a connection.
    fn ended(&self, ended: &Weak<Connection>, since: Instant, notices: &[String], end: &End) {
        let mut state = self.lock();
        let is_current = match &state.phase {
            Phase::Connected(connection) => std::ptr::eq(Arc::as_ptr(connection), ended.as_ptr()),
            _ => false,
        };
        if !is_current {
            return;
        }
        state.notices = notices.to_vec();
        if end.is_wanted {
            state.phase = Phase::Idle;
            return;
        }
        if since.elapsed() >= self.config.restart.stable_after {
            state.pauses = 0;
            state.is_forgiven = false;
        }
        if state.is_forgiven {
            let failure = Failure::from_end(&self.server, end);
            self.rest(&mut state, Arc::new(failure));
        } else {
            // The first end in a while: started again by whoever comes next.
            state.is_forgiven = true;
            state.phase = Phase::Idle;
        }
    }

    fn rest(&self, state: &mut State, failure: Arc<Failure>) {
        state.pauses += 1;
        let pause = self.config.restart.pause(state.pauses);
        state.phase = Phase::Resting {
            until: Instant::now() + pause,
            failure,
        };
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is one assignment of a field; a panic elsewhere does not matter.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Starting {
    fn is_orphaned(&self) -> bool {
        self.task.is_finished() && self.result.peek().is_none_or(Result::is_err)
    }
}

impl Failure {
    fn from_error(error: &Error) -> Self {
        Self {
            kind: error.kind(),
            message: error.guest_message().to_owned(),
            hints: error.hints().to_vec(),
            cause: Cause::chain(error),
            retryable: error.is_retryable(),
        }
    }

    fn from_end(server: &BackendRef, end: &End) -> Self {
        Self {
            kind: ErrorKind::Unavailable,
            message: format!("MCP server {} {}", server.name, end.what),
            hints: vec!["`toolexec doctor` shows what the server wrote last".to_owned()],
            cause: end.stderr.clone().map(Cause::stderr),
            retryable: true,
        }
    }

    fn given_up() -> Self {
        Self {
            kind: ErrorKind::Unavailable,
            message: "the start of the MCP server was given up: it is being shut down".to_owned(),
            hints: Vec::new(),
            cause: None,
            retryable: true,
        }
    }

    /// Why it ended or did not start.
    pub(crate) fn reason(&self) -> &str {
        &self.message
    }

    fn error(&self, server: &BackendRef) -> Error {
        self.build(server, self.message.clone())
    }

    /// The error of a call that came too early.
    fn resting(&self, server: &BackendRef, wait: Duration) -> Error {
        let message = format!(
            "{}; it is started again in {:.1} s at the earliest",
            self.message,
            wait.as_secs_f64()
        );
        self.build(server, message).with_retry_after(wait)
    }

    fn build(&self, server: &BackendRef, message: String) -> Error {
        let mut error = Error::new(self.kind, message)
            .on_backend(server)
            .with_retryable(self.retryable);
        for hint in &self.hints {
            error = error.with_hint(hint);
        }
        match &self.cause {
            Some(cause) => error.with_source(cause.clone()),
            None => error,
        }
    }
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor")
            .field("server", &self.inner.server)
            .finish_non_exhaustive()
    }
}
