//! A connection that stands, and what happens when it ends.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use rmcp::model::ServerPeerInfo;
use rmcp::service::{Peer, RoleClient, RunningService};
use tokio_util::sync::{CancellationToken, DropGuard};
use toolexec_core::{BackendRef, Error, ErrorKind};
use toolexec_process::{Child, Exit, Tail};

use crate::client::error::StderrTail;
use crate::client::handler::Handler;
use crate::client::hub::Hub;

/// How long after a program's end its last words may take, and the other way round.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How many lines of standard error explain an end.
const STDERR_LINES: usize = 20;

/// A connection that stands, shared by all calls. Dropping the last one ends it.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) server: BackendRef,
    pub(crate) peer: Peer<RoleClient>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) handler: Handler,
    pub(crate) info: Arc<ServerPeerInfo>,
    pub(crate) pid: Option<u32>,
    pub(crate) stderr: Option<Tail>,
    pub(crate) since: Instant,
    ended: Ended,
    stop: CancellationToken,
    _stop_on_drop: DropGuard,
}

/// Set once the connection has ended and everything of it is gone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ended {
    token: CancellationToken,
    end: Arc<OnceLock<End>>,
}

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct End {
    /// What happened, as a predicate: "exited with status 1".
    pub(crate) what: String,
    /// Whether we wanted it.
    pub(crate) is_wanted: bool,
    /// The end of the program's standard error.
    pub(crate) stderr: Option<String>,
}

/// What is watched to notice the end.
pub(crate) struct Watched {
    pub(crate) service: RunningService<RoleClient, Handler>,
    pub(crate) child: Option<Child>,
    /// Cancelled when the transport was closed, by whomever.
    pub(crate) closed: CancellationToken,
    /// Why the transport gave up, if it did.
    pub(crate) verdict: Arc<OnceLock<String>>,
    pub(crate) grace: Duration,
}

impl Connection {
    /// A connection whose end `watch` will notice.
    pub(crate) fn new(
        server: BackendRef,
        hub: Arc<Hub>,
        handler: Handler,
        info: Arc<ServerPeerInfo>,
        watched: &Watched,
    ) -> Self {
        let stop = CancellationToken::new();
        Self {
            server,
            peer: watched.service.peer().clone(),
            hub,
            handler,
            info,
            pid: watched.child.as_ref().map(Child::pid),
            stderr: watched.child.as_ref().map(|child| child.stderr().clone()),
            since: Instant::now(),
            ended: Ended::default(),
            _stop_on_drop: stop.clone().drop_guard(),
            stop,
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        !self.ended.token.is_cancelled() && !self.peer.is_transport_closed()
    }

    /// Whether everything of it is gone.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.token.is_cancelled()
    }

    /// Whether every request stands alone (revision 2026-07-28).
    pub(crate) fn is_stateless(&self) -> bool {
        !self.info.protocol_version.has_initialize()
    }

    /// Asks it to end; see [`Connection::ended`].
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits until it has ended and says why.
    pub(crate) async fn ended(&self) -> End {
        self.ended.token.cancelled().await;
        // Set before the token.
        self.ended.end.get().cloned().unwrap_or_else(|| End {
            what: "ended".to_owned(),
            is_wanted: true,
            stderr: None,
        })
    }

    /// The error of a call that was under way when the connection ended.
    pub(crate) async fn lost_call(&self) -> Error {
        let waited = tokio::time::timeout(2 * LAST_WORDS, self.ended()).await;
        match waited {
            Ok(end) => end.while_calling(&self.server),
            Err(_) => Error::new(
                ErrorKind::Backend,
                format!("MCP server {} closed the connection", self.server.name),
            )
            .on_backend(&self.server),
        }
    }

    /// What notices the end; to be run until then. `first` hears of it before anybody else.
    pub(crate) fn watch(
        &self,
        watched: Watched,
        first: impl FnOnce(&End) + Send + 'static,
    ) -> impl Future<Output = ()> + Send + 'static {
        let (stop, end_of) = (self.stop.clone(), self.ended.end.clone());
        // Also when the runtime that watches is dropped.
        let ended = self.ended.token.clone().drop_guard();
        async move {
            let _ended = ended;
            let end = watched.until_end(stop).await;
            tracing::debug!(what = end.what, "the connection to an MCP server ended");
            first(&end);
            // Set by this task alone.
            let _ = end_of.set(end);
        }
    }
}

impl Watched {
    async fn until_end(self, stop: CancellationToken) -> End {
        let Self {
            mut service,
            child,
            closed,
            verdict,
            grace,
        } = self;
        let Some(mut child) = child else {
            let is_wanted = tokio::select! {
                () = stop.cancelled() => true,
                () = closed.cancelled() => false,
            };
            let _ = service.close_with_timeout(grace).await;
            return End::new("closed the connection".to_owned(), is_wanted, None);
        };
        tokio::select! {
            () = stop.cancelled() => {
                // Closes the program's input, which most take as their end.
                let _ = service.close_with_timeout(grace).await;
                let exit = child.shutdown(grace).await.ok();
                let what = exit.map_or_else(|| "ended".to_owned(), |exit| exit.to_string());
                End::new(what, true, None)
            }
            exit = child.wait() => {
                // Its last answers may still be in the pipe.
                let _ = tokio::time::timeout(LAST_WORDS, closed.cancelled()).await;
                let _ = service.close_with_timeout(grace).await;
                let what = exit_text(exit.ok(), &child);
                End::new(what, false, last_words(&mut child).await)
            }
            () = closed.cancelled() => {
                let exit = tokio::time::timeout(LAST_WORDS, child.wait()).await;
                let what = match (verdict.get(), exit) {
                    (Some(verdict), _) => verdict.clone(),
                    (None, Ok(exit)) => exit_text(exit.ok(), &child),
                    (None, Err(_)) => "closed its standard output and went on running".to_owned(),
                };
                let _ = service.close_with_timeout(grace).await;
                let stderr = last_words(&mut child).await;
                let _ = child.shutdown(grace).await;
                End::new(what, false, stderr)
            }
        }
    }
}

impl End {
    fn new(what: String, is_wanted: bool, stderr: Option<String>) -> Self {
        Self {
            what,
            is_wanted,
            stderr,
        }
    }

    /// The error of a call that was under way.
    fn while_calling(&self, server: &BackendRef) -> Error {
        let name = &server.name;
        let error = Error::new(
            ErrorKind::Backend,
            format!("MCP server {name} {} while it had the call", self.what),
        )
        .on_backend(server);
        let error = if self.is_wanted {
            error
        } else {
            error
                .with_hint("the call was not repeated: it may have had effects")
                .with_hint("`toolexec doctor` shows what the server wrote last")
        };
        match &self.stderr {
            Some(stderr) => error.with_source(StderrTail(stderr.clone())),
            None => error,
        }
    }
}

/// How a program ended, as a predicate.
pub(crate) fn exit_text(exit: Option<Exit>, child: &Child) -> String {
    let Some(exit) = exit else {
        return "ended".to_owned();
    };
    child.exceeded(exit).unwrap_or_else(|| exit.to_string())
}

/// The end of a program's standard error.
pub(crate) async fn last_words(child: &mut Child) -> Option<String> {
    child.stderr_to_end().await.last(STDERR_LINES)
}
