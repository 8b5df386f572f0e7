//! Telling clients what changed.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;

use rmcp::model::{ResourceUpdatedNotificationParam, SubscriptionFilter};
use rmcp::service::{Peer, RoleServer, SubscriptionContext};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{Receiver, Sender};
use tokio_util::sync::{CancellationToken, DropGuard};
use toolexec_core::index::Index;

/// How long to wait for more: a source that is listed anew changes many tools at once.
const DEBOUNCE: Duration = Duration::from_millis(200);
/// How often it is looked whether a session has ended.
const LOOK: Duration = Duration::from_secs(30);
/// How many changes a reader may be behind.
const QUEUE: usize = 256;
/// How many resources one client may watch.
pub(super) const MAX_WATCHED: usize = 1_000;

/// Something that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    Tools,
    Prompts,
    Resources,
    Resource(String),
}

/// Tells clients what changed. Nothing is watched before somebody wants to know.
pub(super) struct Changes {
    sender: Sender<Change>,
    started: Once,
    stop: CancellationToken,
    _stop_on_drop: DropGuard,
}

/// The resources that the client of a session watches.
#[derive(Debug, Default)]
pub(super) struct Watched(Mutex<HashSet<String>>);

impl Default for Changes {
    fn default() -> Self {
        let stop = CancellationToken::new();
        Self {
            sender: Sender::new(QUEUE),
            started: Once::new(),
            _stop_on_drop: stop.clone().drop_guard(),
            stop,
        }
    }
}

impl Changes {
    /// What changes from now on.
    pub(super) fn subscribe(&self) -> Receiver<Change> {
        self.sender.subscribe()
    }

    /// Starts to watch the index, the first time; `others` are started besides.
    pub(super) fn start(
        &self,
        index: &Index,
        others: impl FnOnce(&Sender<Change>, &CancellationToken),
    ) {
        self.started.call_once(|| {
            let (changes, sender) = (index.subscribe(), self.sender.clone());
            let stop = self.stop.clone();
            tokio::spawn(async move {
                stop.run_until_cancelled(watch_index(changes, sender)).await;
            });
            others(&self.sender, &self.stop);
        });
    }
}

impl Watched {
    /// Watches one more; false when there are too many.
    pub(super) fn add(&self, uri: String) -> bool {
        let mut uris = self.lock();
        if uris.len() >= MAX_WATCHED && !uris.contains(&uri) {
            return false;
        }
        uris.insert(uri);
        true
    }

    pub(super) fn remove(&self, uri: &str) {
        self.lock().remove(uri);
    }

    fn has(&self, uri: &str) -> bool {
        self.lock().contains(uri)
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn watch_index(mut changes: Receiver<toolexec_core::index::Change>, sender: Sender<Change>) {
    loop {
        if matches!(changes.recv().await, Err(RecvError::Closed)) {
            return;
        }
        let quiet = async { while !matches!(changes.recv().await, Err(RecvError::Closed)) {} };
        // Changes that follow each other without a pause must not hold the news back for ever.
        let _ = tokio::time::timeout(DEBOUNCE, quiet).await;
        // Nobody listens: nothing to tell.
        let _ = sender.send(Change::Tools);
    }
}

/// The next change; a reader that fell behind is told of all lists.
async fn next(changes: &mut Receiver<Change>) -> Option<Vec<Change>> {
    match changes.recv().await {
        Ok(change) => Some(vec![change]),
        Err(RecvError::Lagged(_)) => Some(vec![Change::Tools, Change::Prompts, Change::Resources]),
        Err(RecvError::Closed) => None,
    }
}

/// Tells the client of a session, until it is gone.
pub(super) async fn tell_session(
    peer: Peer<RoleServer>,
    mut changes: Receiver<Change>,
    watched: std::sync::Arc<Watched>,
) {
    while !peer.is_transport_closed() {
        let Ok(news) = tokio::time::timeout(LOOK, next(&mut changes)).await else {
            continue;
        };
        for change in news.into_iter().flatten() {
            let told = match change {
                Change::Tools => peer.notify_tool_list_changed().await,
                Change::Prompts => peer.notify_prompt_list_changed().await,
                Change::Resources => peer.notify_resource_list_changed().await,
                Change::Resource(uri) if watched.has(&uri) => {
                    let params = ResourceUpdatedNotificationParam::new(uri);
                    peer.notify_resource_updated(params).await
                }
                Change::Resource(_) => Ok(()),
            };
            if told.is_err() {
                return;
            }
        }
    }
}

/// Tells a client that listens (revision 2026-07-28), until it stops.
pub(super) async fn tell_listener(context: &SubscriptionContext, mut changes: Receiver<Change>) {
    let accepted: &SubscriptionFilter = context.accepted();
    let sink = context.sink();
    let wants = |flag: Option<bool>| flag == Some(true);
    loop {
        let news = tokio::select! {
            () = context.cancelled() => return,
            news = next(&mut changes) => news,
        };
        for change in news.into_iter().flatten() {
            let told = match change {
                Change::Tools if wants(accepted.tools_list_changed) => {
                    sink.notify_tool_list_changed().await
                }
                Change::Prompts if wants(accepted.prompts_list_changed) => {
                    sink.notify_prompt_list_changed().await
                }
                Change::Resources if wants(accepted.resources_list_changed) => {
                    sink.notify_resource_list_changed().await
                }
                Change::Resource(uri)
                    if accepted
                        .resource_subscriptions
                        .as_ref()
                        .is_some_and(|uris| uris.contains(&uri)) =>
                {
                    sink.notify_resource_updated(uri).await
                }
                _ => Ok(()),
            };
            if told.is_err() {
                return;
            }
        }
    }
}
