//! A call while it runs: its events go to the client, its questions too.

use std::collections::{BTreeMap, HashSet};
use std::future::pending;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use rmcp::model::{ErrorData, InputRequests, InputResponses};
use rmcp::service::{RequestContext, RoleServer};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use toolexec_core::Event;

use super::answer::Answer;
use super::ask::{Batch, ask_peer, input_request};
use super::events::Notifier;

/// A call while it runs. Dropping it ends the call.
pub(super) struct Flow {
    pub(super) work: BoxFuture<'static, Reply>,
    pub(super) events: Option<mpsc::Receiver<Event>>,
    pub(super) questions: Option<mpsc::Receiver<Batch>>,
    /// Cancels the work.
    pub(super) cancel: CancellationToken,
    /// What the client was asked and has not answered.
    open: Vec<Open>,
}

/// What a request is answered.
#[derive(Debug)]
pub(super) enum Reply {
    /// The answer of a tool.
    Tool(Answer),
    /// The request cannot be served for this client.
    Refused(ErrorData),
    /// What a server answered that the request was passed on to.
    #[cfg(feature = "client")]
    Relayed(Result<Value, ErrorData>),
}

/// How the client is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asking {
    /// By requests, while the call runs.
    Requests,
    /// By an answer that asks for input; the client then calls again.
    Rounds,
}

/// How far a call came.
pub(super) enum Progress {
    Answered(Reply),
    NeedsInput(Flow),
    /// It takes longer than the client wants to wait for it.
    Slow(Flow),
}

/// Questions that were asked at once, under keys that are unique in the call.
struct Open {
    batch: Batch,
    keys: Vec<String>,
    answers: BTreeMap<String, Value>,
}

impl Flow {
    pub(super) fn new(work: BoxFuture<'static, Reply>, cancel: CancellationToken) -> Self {
        Self {
            work,
            events: None,
            questions: None,
            cancel,
            open: Vec::new(),
        }
    }

    /// Goes on until there is an answer, or the client must be asked by one.
    pub(super) async fn drive(
        mut self,
        context: &RequestContext<RoleServer>,
        asking: Asking,
        mut notifier: Notifier,
        patience: Option<Duration>,
    ) -> Progress {
        if !self.open.is_empty() {
            // Not all that was asked for came: it is asked for again.
            return Progress::NeedsInput(self);
        }
        let mut asked = FuturesUnordered::new();
        let mut is_cancelled = false;
        let slow = async {
            match patience {
                Some(patience) => tokio::time::sleep(patience).await,
                None => pending().await,
            }
        };
        tokio::pin!(slow);
        loop {
            tokio::select! {
                biased;
                () = context.ct.cancelled(), if !is_cancelled => {
                    is_cancelled = true;
                    self.cancel.cancel();
                }
                Some(event) = next(&mut self.events) => notifier.notify(event).await,
                Some(batch) = next(&mut self.questions) => match asking {
                    Asking::Requests => asked.push(ask_peer(context.peer.clone(), batch)),
                    Asking::Rounds => {
                        self.opened(batch);
                        if !self.open.is_empty() {
                            return Progress::NeedsInput(self);
                        }
                    }
                },
                Some(()) = asked.next(), if !asked.is_empty() => {}
                () = &mut slow => return Progress::Slow(self),
                answer = &mut self.work => {
                    // What happened before the answer is told before it.
                    while let Some(Ok(event)) = self.events.as_mut().map(mpsc::Receiver::try_recv) {
                        notifier.notify(event).await;
                    }
                    return Progress::Answered(answer);
                }
            }
        }
    }

    /// The questions that wait for an answer.
    pub(super) fn input_requests(&self) -> InputRequests {
        let mut requests = InputRequests::new();
        for open in &self.open {
            for (key, question) in open.keys.iter().zip(&open.batch.questions) {
                if !open.answers.contains_key(key)
                    && let Ok(request) = input_request(question)
                {
                    requests.insert(key.clone(), request);
                }
            }
        }
        requests
    }

    /// Takes the client's answers; what is no object counts as missing.
    pub(super) fn answered(&mut self, responses: &InputResponses) {
        for open in std::mem::take(&mut self.open) {
            self.open.extend(open.take(responses));
        }
    }

    fn opened(&mut self, batch: Batch) {
        if let Some(reason) = batch
            .questions
            .iter()
            .find_map(|one| input_request(one).err())
        {
            let _ = batch.reply.send(Err(reason));
            return;
        }
        let taken: HashSet<&String> = self.open.iter().flat_map(|open| &open.keys).collect();
        let keys = batch.questions.iter().map(|question| {
            let numbered = (2..).map(|number| format!("{}-{number}", question.key));
            let mut keys = std::iter::once(question.key.clone()).chain(numbered);
            keys.find(|key| !taken.contains(key)).unwrap_or_default()
        });
        let keys = keys.collect();
        self.open.push(Open {
            batch,
            keys,
            answers: BTreeMap::new(),
        });
    }
}

impl Open {
    /// Takes answers; nothing is left when they are complete.
    fn take(mut self, responses: &InputResponses) -> Option<Self> {
        for key in &self.keys {
            if let Some(answer @ Value::Object(_)) = responses.get(key) {
                self.answers.insert(key.clone(), answer.clone());
            }
        }
        if self.answers.len() < self.keys.len() {
            return Some(self);
        }
        let answers = &mut self.answers;
        let in_order = self.keys.iter().filter_map(|key| answers.remove(key));
        let _ = self.batch.reply.send(Ok(in_order.collect()));
        None
    }
}

/// The next item of a queue; never, where there is none.
pub(super) async fn next<T>(queue: &mut Option<mpsc::Receiver<T>>) -> Option<T> {
    let Some(receiver) = queue else {
        return pending().await;
    };
    let item = receiver.recv().await;
    if item.is_none() {
        *queue = None;
        return pending().await;
    }
    item
}
