//! The sessions of clients of the older revisions: bounded in number, each its caller's own.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::Stream;
use rmcp::model::{
    CancelledNotification, CancelledNotificationParam, ClientJsonRpcMessage, ClientNotification,
    RequestId, ServerJsonRpcMessage,
};
use rmcp::transport::streamable_http_server::session::local::{
    LocalSessionManager, LocalSessionManagerError, SessionConfig,
};
use rmcp::transport::streamable_http_server::session::{
    ServerSseMessage, SessionId, SessionManager,
};
use tokio::time::Instant;

use crate::server::metrics::Metrics;

/// The sessions of a server.
pub(super) struct Sessions {
    inner: Arc<LocalSessionManager>,
    uses: Arc<Mutex<HashMap<SessionId, Use>>>,
    most: usize,
    resume_timeout: Duration,
    metrics: Arc<Metrics>,
}

/// How a session is used.
struct Use {
    last: Instant,
    /// Answers that are being sent.
    streams: usize,
    /// How often a broken stream was taken up again.
    resumed: u64,
    owner: Owner,
}

/// Whose session it is.
#[derive(Debug, PartialEq, Eq)]
enum Owner {
    /// Not known yet: it is being opened.
    Unknown,
    /// This caller's; that of all who need not say who they are, where there is no name.
    Known(Option<String>),
}

impl Sessions {
    pub(super) fn new(
        most: usize,
        timeout: Duration,
        resume_timeout: Duration,
        metrics: Arc<Metrics>,
    ) -> Self {
        let mut config = SessionConfig::default();
        config.keep_alive = Some(timeout);
        let mut inner = LocalSessionManager::default();
        inner.session_config = config;
        Self {
            inner: Arc::new(inner),
            uses: Arc::default(),
            most: most.max(1),
            resume_timeout,
            metrics,
        }
    }

    /// Notes whose session it is.
    pub(super) fn opened(&self, session: &str, caller: Option<String>) {
        if let Some(use_) = self.uses().get_mut(session)
            && use_.owner == Owner::Unknown
        {
            use_.owner = Owner::Known(caller);
        }
    }

    /// Whether a session may be used by this caller. One that is not known is nobody's.
    pub(super) fn is_of(&self, session: &str, caller: Option<&str>) -> bool {
        let uses = self.uses();
        match uses.get(session).map(|use_| &use_.owner) {
            Some(Owner::Known(owner)) => owner.as_deref() == caller,
            Some(Owner::Unknown) | None => true,
        }
    }

    fn uses(&self) -> MutexGuard<'_, HashMap<SessionId, Use>> {
        // Every change is whole before anything can panic.
        self.uses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn touch(&self, session: &SessionId) {
        if let Some(use_) = self.uses().get_mut(session) {
            use_.last = Instant::now();
        }
    }

    /// The session that makes room for one more: the one that was used longest ago, an idle one
    /// first.
    fn surplus(&self) -> Option<SessionId> {
        let uses = self.uses();
        if uses.len() < self.most {
            return None;
        }
        let oldest = uses.iter().min_by_key(|(_, it)| (it.streams > 0, it.last));
        oldest.map(|(session, _)| session.clone())
    }

    /// Forgets sessions that ended by themselves.
    async fn prune(&self) {
        let alive = self.inner.sessions.read().await;
        let mut uses = self.uses();
        uses.retain(|session, _| alive.contains_key(session));
        self.metrics.sessions(uses.len());
    }
}

impl SessionManager for Sessions {
    type Error = LocalSessionManagerError;
    type Transport = <LocalSessionManager as SessionManager>::Transport;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), Self::Error> {
        self.prune().await;
        while let Some(surplus) = self.surplus() {
            tracing::info!("a session is ended to make room for a new one");
            self.close_session(&surplus).await?;
        }
        let (session, transport) = self.inner.create_session().await?;
        let fresh = Use {
            last: Instant::now(),
            streams: 0,
            resumed: 0,
            owner: Owner::Unknown,
        };
        let mut uses = self.uses();
        uses.insert(session.clone(), fresh);
        self.metrics.sessions(uses.len());
        drop(uses);
        Ok((session, transport))
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, Self::Error> {
        self.inner.initialize_session(id, message).await
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, Self::Error> {
        self.touch(id);
        self.inner.has_session(id).await
    }

    async fn close_session(&self, id: &SessionId) -> Result<(), Self::Error> {
        {
            let mut uses = self.uses();
            uses.remove(id);
            self.metrics.sessions(uses.len());
        }
        self.inner.close_session(id).await
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        let request = match &message {
            ClientJsonRpcMessage::Request(request) => Some(request.id.clone()),
            _ => None,
        };
        let stream = self.inner.create_stream(id, message).await?;
        let mut resumed = 0;
        if let Some(use_) = self.uses().get_mut(id) {
            use_.streams += 1;
            resumed = use_.resumed;
        }
        Ok(Answer {
            stream: Box::pin(stream),
            open: Open {
                session: id.clone(),
                request,
                resumed,
                resume_timeout: self.resume_timeout,
                uses: self.uses.clone(),
                inner: self.inner.clone(),
                is_complete: false,
            },
        })
    }

    async fn accept_message(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<(), Self::Error> {
        self.inner.accept_message(id, message).await
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        self.inner.create_standalone_stream(id).await
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        if let Some(use_) = self.uses().get_mut(id) {
            use_.resumed += 1;
        }
        self.inner.resume(id, last_event_id).await
    }
}

/// The answer to a request. When the client hangs up before its end and does not come back for
/// it, the request is cancelled.
struct Answer {
    stream: Pin<Box<dyn Stream<Item = ServerSseMessage> + Send + Sync>>,
    open: Open,
}

struct Open {
    session: SessionId,
    request: Option<RequestId>,
    resumed: u64,
    resume_timeout: Duration,
    uses: Arc<Mutex<HashMap<SessionId, Use>>>,
    inner: Arc<LocalSessionManager>,
    is_complete: bool,
}

impl Stream for Answer {
    type Item = ServerSseMessage;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.stream.as_mut().poll_next(cx);
        let is_last = match &next {
            Poll::Ready(None) => true,
            Poll::Ready(Some(sent)) => sent.message.as_deref().is_some_and(|message| {
                matches!(
                    message,
                    ServerJsonRpcMessage::Response(_) | ServerJsonRpcMessage::Error(_)
                )
            }),
            Poll::Pending => false,
        };
        self.open.is_complete |= is_last;
        next
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(use_) = uses.get_mut(&self.session) {
            use_.streams = use_.streams.saturating_sub(1);
            use_.last = Instant::now();
        }
        drop(uses);
        let Some(request) = self.request.take().filter(|_| !self.is_complete) else {
            return;
        };
        // Without a runtime everything ends anyway.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let (session, uses, inner) = (self.session.clone(), self.uses.clone(), self.inner.clone());
        let (resumed, patience) = (self.resumed, self.resume_timeout);
        runtime.spawn(async move {
            tokio::time::sleep(patience).await;
            let came_back = uses
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get(&session)
                .is_some_and(|use_| use_.resumed > resumed);
            if came_back {
                return;
            }
            let reason = Some("the client hung up".to_owned());
            let params = CancelledNotificationParam::new(Some(request), reason);
            let cancelled = CancelledNotification::new(params);
            let message = ClientJsonRpcMessage::notification(
                ClientNotification::CancelledNotification(cancelled),
            );
            // A session that ended needs no telling.
            let _ = inner.accept_message(&session, message).await;
        });
    }
}
