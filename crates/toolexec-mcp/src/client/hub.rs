//! What passes between a connection's transport and the calls that use it.
//!
//! rmcp hands each notification to a task of its own, so progress could overtake progress or
//! come after the answer. Therefore progress and log messages are taken off the wire here, in the
//! order in which they came, and put into the queue of their call before its answer is passed on.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rmcp::model::{
    ClientJsonRpcMessage, ClientNotification, ClientRequest, GetExtensions, GetMeta,
    NumberOrString, ProgressToken, RequestId, ServerJsonRpcMessage, ServerNotification,
};
use tokio::sync::{broadcast, mpsc, watch};
use toolexec_core::Event;

use crate::client::convert;
use crate::interaction::Interaction;

/// How many events of one call may wait for its reader.
const QUEUE: usize = 256;
/// How many notices are kept.
const MAX_NOTICES: usize = 50;

/// What passes between a connection's transport and its calls.
#[derive(Debug)]
pub(crate) struct Hub {
    /// The server's name, for logs.
    pub(crate) server: Arc<str>,
    /// Counts the times that the list of tools may have changed; outlives connections.
    pub(crate) tools_changed: Arc<watch::Sender<u64>>,
    /// Who wants to know what else changed; outlives connections.
    pub(crate) notes: broadcast::Sender<Note>,
    state: Mutex<State>,
}

/// Something of a server that changed, besides its tools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Note {
    /// The list of prompts.
    Prompts,
    /// The list of resources.
    Resources,
    /// The resource with this address.
    Resource(String),
}

#[derive(Debug, Default)]
struct State {
    pending: HashMap<RequestId, Pending>,
    tokens: HashMap<ProgressToken, Arc<Slot>>,
    notices: VecDeque<String>,
    askers: Vec<Arc<dyn Interaction>>,
}

/// Somebody who answers questions while a call runs.
pub(crate) struct Asker<'a> {
    hub: &'a Hub,
    interaction: Arc<dyn Interaction>,
}

#[derive(Debug)]
struct Pending {
    kind: Kind,
    token: Option<ProgressToken>,
}

/// What becomes of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Passed on as JSON, so that nothing is lost and one bad part does not spoil the rest.
    Raw,
    /// Part of the handshake.
    Handshake,
    /// Left to rmcp.
    Typed,
}

/// Where the events of one call wait for it.
#[derive(Debug)]
pub(crate) struct Slot {
    sender: mpsc::Sender<Event>,
    lost: AtomicU64,
}

impl Slot {
    pub(crate) fn new() -> (Arc<Self>, mpsc::Receiver<Event>) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let slot = Self {
            sender,
            lost: AtomicU64::new(0),
        };
        (Arc::new(slot), receiver)
    }

    /// How many events found the queue full since the last look.
    pub(crate) fn take_lost(&self) -> u64 {
        self.lost.swap(0, Ordering::Relaxed)
    }

    fn push(&self, event: Event) {
        // Waiting here would stop every other call of the server; the call reports the loss.
        if self.sender.try_send(event).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Hub {
    pub(crate) fn new(
        server: Arc<str>,
        tools_changed: Arc<watch::Sender<u64>>,
        notes: broadcast::Sender<Note>,
    ) -> Self {
        Self {
            server,
            tools_changed,
            notes,
            state: Mutex::default(),
        }
    }

    /// Notes a message on its way to the server.
    pub(crate) fn sent(&self, message: &ClientJsonRpcMessage) {
        match message {
            ClientJsonRpcMessage::Request(request) => self.requested(&request.id, &request.request),
            ClientJsonRpcMessage::Notification(notification) => {
                if let ClientNotification::CancelledNotification(cancelled) =
                    &notification.notification
                    && let Some(id) = &cancelled.params.request_id
                {
                    self.state().remove(id);
                }
            }
            _ => {}
        }
    }

    fn requested(&self, id: &RequestId, request: &ClientRequest) {
        let kind = match request {
            ClientRequest::CallToolRequest(_) | ClientRequest::ListToolsRequest(_) => Kind::Raw,
            ClientRequest::InitializeRequest(_) | ClientRequest::DiscoverRequest(_) => {
                Kind::Handshake
            }
            _ => Kind::Typed,
        };
        let slot = request.extensions().get::<Arc<Slot>>().cloned();
        let token = slot
            .as_ref()
            .and_then(|_| request.get_meta().get_progress_token());
        let mut state = self.state();
        if kind == Kind::Handshake {
            // A handshake that was given up for this one: its answer must not be taken for ours.
            state
                .pending
                .retain(|_, pending| pending.kind != Kind::Handshake);
        }
        if let (Some(token), Some(slot)) = (&token, slot) {
            state.tokens.insert(token.clone(), slot);
        }
        state.pending.insert(id.clone(), Pending { kind, token });
    }

    /// Takes what is ours from a message of the server; returns what rmcp should see.
    pub(crate) fn received(&self, message: ServerJsonRpcMessage) -> Option<ServerJsonRpcMessage> {
        match message {
            ServerJsonRpcMessage::Response(response) => {
                let expected = self.state().remove(&response.id);
                if !expected {
                    self.notice(format!(
                        "an answer to {} was ignored: nothing was asked with that id, or it was \
                         answered or cancelled before",
                        response.id
                    ));
                    return None;
                }
                Some(ServerJsonRpcMessage::Response(response))
            }
            ServerJsonRpcMessage::Error(mut error) => {
                // A server that cannot read a request answers without its id.
                if error.id.is_none() {
                    error.id = self.sole_pending();
                }
                match &error.id {
                    Some(id) if !self.state().remove(id) => {
                        self.notice(format!(
                            "an error for {id} was ignored: nothing waits for it"
                        ));
                        None
                    }
                    _ => Some(ServerJsonRpcMessage::Error(error)),
                }
            }
            ServerJsonRpcMessage::Notification(notification) => {
                match &notification.notification {
                    ServerNotification::ProgressNotification(progress) => {
                        let slot = self.state().slot(&progress.params.progress_token);
                        if let Some(slot) = slot {
                            slot.push(convert::progress(&progress.params));
                        }
                        return None;
                    }
                    ServerNotification::LoggingMessageNotification(log) => {
                        self.log(&log.params);
                        return None;
                    }
                    ServerNotification::ToolListChangedNotification(_) => self.bump(),
                    ServerNotification::PromptListChangedNotification(_) => {
                        self.note(Note::Prompts);
                    }
                    ServerNotification::ResourceListChangedNotification(_) => {
                        self.note(Note::Resources);
                    }
                    ServerNotification::ResourceUpdatedNotification(updated) => {
                        self.note(Note::Resource(updated.params.uri.clone()));
                    }
                    _ => {}
                }
                Some(ServerJsonRpcMessage::Notification(notification))
            }
            request @ ServerJsonRpcMessage::Request(_) => Some(request),
        }
    }

    /// Says that the list of tools may have changed.
    pub(crate) fn bump(&self) {
        self.tools_changed.send_modify(|count| *count += 1);
    }

    fn note(&self, note: Note) {
        // Nobody listens: nothing to tell.
        let _ = self.notes.send(note);
    }

    /// Whether the answer to `id` is to be passed on as JSON.
    pub(crate) fn is_raw(&self, id: &RequestId) -> bool {
        let state = self.state();
        state
            .find(id)
            .is_some_and(|(_, pending)| pending.kind == Kind::Raw)
    }

    /// Whether something waits for the answer to `id`.
    pub(crate) fn is_pending(&self, id: &RequestId) -> bool {
        self.state().find(id).is_some()
    }

    /// The id of the one request that waits, if there is just one.
    pub(crate) fn sole_pending(&self) -> Option<RequestId> {
        let state = self.state();
        let mut ids = state.pending.keys();
        match (ids.next(), ids.next()) {
            (Some(id), None) => Some(id.clone()),
            _ => None,
        }
    }

    /// Says who answers questions, until what it returns is dropped.
    pub(crate) fn answered_by(&self, interaction: Arc<dyn Interaction>) -> Asker<'_> {
        self.state().askers.push(interaction.clone());
        Asker {
            hub: self,
            interaction,
        }
    }

    /// Who answers a question that names no call: whoever made the calls there are. With several
    /// callers nobody can tell whom it is for, and none may see another's.
    pub(crate) fn sole_asker(&self) -> Option<Arc<dyn Interaction>> {
        let state = self.state();
        let (first, others) = state.askers.split_first()?;
        let is_same = |other: &Arc<dyn Interaction>| Arc::ptr_eq(first, other);
        let is_sole = others.iter().all(is_same) && state.calls() <= state.askers.len();
        is_sole.then(|| first.clone())
    }

    /// Keeps something a person should know.
    pub(crate) fn notice(&self, text: String) {
        tracing::warn!(server = %self.server, "{text}");
        let mut state = self.state();
        if state.notices.len() == MAX_NOTICES {
            state.notices.pop_front();
        }
        state.notices.push_back(text);
    }

    /// What a person should know, oldest first.
    pub(crate) fn notices(&self) -> Vec<String> {
        self.state().notices.iter().cloned().collect()
    }

    /// Log messages name no request. With one call that listens it gets them; with several
    /// nobody can tell whose they are, and none may read another's.
    fn log(&self, params: &rmcp::model::LoggingMessageNotificationParam) {
        let state = self.state();
        let mut slots = state.tokens.values();
        match (slots.next(), slots.next()) {
            (Some(slot), None) if state.calls() == 1 => slot.push(convert::log(params)),
            _ => tracing::info!(
                server = %self.server,
                level = ?params.level,
                logger = params.logger.as_deref(),
                data = %params.data,
                "log message of an MCP server"
            ),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change leaves the maps consistent; a panic elsewhere does not matter.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Asker<'_> {
    fn drop(&mut self) {
        let mut state = self.hub.state();
        let place = state
            .askers
            .iter()
            .position(|asker| Arc::ptr_eq(asker, &self.interaction));
        if let Some(place) = place {
            state.askers.remove(place);
        }
    }
}

impl State {
    /// The request with this id; some servers answer `"7"` to 7.
    fn find(&self, id: &RequestId) -> Option<(RequestId, &Pending)> {
        if let Some(pending) = self.pending.get(id) {
            return Some((id.clone(), pending));
        }
        let NumberOrString::String(text) = id else {
            return None;
        };
        let number = NumberOrString::Number(text.parse().ok()?);
        let pending = self.pending.get(&number)?;
        Some((number, pending))
    }

    /// Forgets a request; returns whether it was there.
    fn remove(&mut self, id: &RequestId) -> bool {
        let Some((id, _)) = self.find(id) else {
            return false;
        };
        if let Some(token) = self.pending.remove(&id).and_then(|pending| pending.token) {
            self.tokens.remove(&token);
        }
        true
    }

    fn slot(&self, token: &ProgressToken) -> Option<Arc<Slot>> {
        self.tokens.get(token).cloned()
    }

    fn calls(&self) -> usize {
        self.pending
            .values()
            .filter(|pending| pending.kind == Kind::Raw)
            .count()
    }
}
