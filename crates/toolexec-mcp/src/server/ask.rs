//! Passing the questions of servers on to the client that made the call.

use std::fmt;

use futures_util::future::BoxFuture;
use rmcp::model::{ClientCapabilities, InputRequest, ServerRequest};
use rmcp::service::{Peer, RoleServer};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use toolexec_core::BackendRef;

use crate::interaction::{ELICIT, Interaction, Question, ROOTS, SAMPLE};

/// How many questions may wait to be seen.
const QUEUE: usize = 16;

/// Questions that are asked at once, and where their answers go.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) questions: Vec<Question>,
    pub(super) reply: oneshot::Sender<Result<Vec<Value>, String>>,
}

/// Asks the client of one call, as far as it said that it can answer.
pub(super) struct Asker {
    capabilities: ClientCapabilities,
    sender: mpsc::Sender<Batch>,
}

impl Asker {
    /// An asker and where its questions arrive; they arrive nowhere for a client that can answer
    /// nothing.
    pub(super) fn new(capabilities: ClientCapabilities) -> (Self, Option<mpsc::Receiver<Batch>>) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let asker = Self {
            capabilities,
            sender,
        };
        let mut methods = [ELICIT, SAMPLE, ROOTS].into_iter();
        let can_answer = methods.any(|method| asker.supports(method));
        (asker, can_answer.then_some(receiver))
    }
}

impl Interaction for Asker {
    fn supports(&self, method: &str) -> bool {
        match method {
            ELICIT => self.capabilities.elicitation.is_some(),
            SAMPLE => self.capabilities.sampling.is_some(),
            ROOTS => self.capabilities.roots.is_some(),
            _ => false,
        }
    }

    fn ask<'a>(
        &'a self,
        server: &'a BackendRef,
        method: &'a str,
        params: Value,
    ) -> BoxFuture<'a, Result<Value, String>> {
        let question = Question {
            key: "question".to_owned(),
            method: method.to_owned(),
            params,
        };
        Box::pin(async move {
            let mut answers = self.ask_all(server, vec![question]).await?;
            answers.pop().ok_or_else(gone)
        })
    }

    fn ask_all<'a>(
        &'a self,
        _: &'a BackendRef,
        questions: Vec<Question>,
    ) -> BoxFuture<'a, Result<Vec<Value>, String>> {
        Box::pin(async move {
            let (reply, answers) = oneshot::channel();
            let batch = Batch { questions, reply };
            self.sender.send(batch).await.map_err(|_| gone())?;
            answers.await.map_err(|_| gone())?
        })
    }
}

impl fmt::Debug for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asker").finish_non_exhaustive()
    }
}

/// Asks a client that takes requests (revisions up to 2025-11-25), all questions at once.
pub(super) async fn ask_peer(peer: Peer<RoleServer>, batch: Batch) {
    let Batch {
        questions,
        mut reply,
    } = batch;
    let asked = questions.into_iter().map(|question| one(&peer, question));
    let answers = futures_util::future::try_join_all(asked);
    tokio::select! {
        answers = answers => drop(reply.send(answers)),
        // The call ended meanwhile.
        () = reply.closed() => {}
    }
}

async fn one(peer: &Peer<RoleServer>, question: Question) -> Result<Value, String> {
    let method = question.method.clone();
    let unreadable = |error: serde_json::Error| format!("{method} cannot be passed on: {error}");
    let request = json!({"method": question.method, "params": question.params});
    let request: ServerRequest = serde_json::from_value(request).map_err(unreadable)?;
    let answer = peer
        .send_request(request)
        .await
        .map_err(|error| match error {
            rmcp::ServiceError::McpError(data) => data.message.into_owned(),
            _ => format!("the client did not answer {method}"),
        })?;
    serde_json::to_value(answer).map_err(unreadable)
}

/// A question as an answer that asks for input has it (revision 2026-07-28).
pub(super) fn input_request(question: &Question) -> Result<InputRequest, String> {
    let request = json!({"method": question.method, "params": question.params});
    serde_json::from_value(request)
        .map_err(|error| format!("{} cannot be passed on: {error}", question.method))
}

fn gone() -> String {
    "the client that made the call can no longer be asked".to_owned()
}
