//! One call of a tool.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rmcp::model::{
    CallToolRequest, CallToolRequestParams, CancelledNotification, CancelledNotificationParam,
    ClientNotification, ClientRequest, GetExtensions, RequestId, ServerResult,
};
use rmcp::service::{Peer, PeerRequestOptions, RequestHandle, RoleClient, ServiceError};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::Instant;
use toolexec_core::event::LogLevel;
use toolexec_core::{BackendCall, CallContext, Error, ErrorKind, Event, RawOutput, Result};

use super::connection::Connection;
use super::supervisor::Supervisor;
use crate::client::auth::HttpAuth;
use crate::client::config::{ServerConfig, Transport};
use crate::client::convert;
use crate::client::error;
use crate::client::hub::Slot;
use crate::interaction::{self, Question};

/// How often a tool may answer that it needs more input.
pub(crate) const MAX_ROUNDS: usize = 10;

/// Runs one call, within the deadline and until it is cancelled.
pub(crate) async fn call(
    supervisor: &Supervisor,
    call: BackendCall,
    cx: &CallContext,
) -> Result<RawOutput> {
    let server = supervisor.server();
    let deadline = deadline(cx, supervisor.config().timeouts.call);
    let run = run(supervisor, call, cx);
    let ended = async {
        match deadline {
            Some(deadline) => tokio::time::sleep_until(deadline).await,
            None => std::future::pending().await,
        }
    };
    // What loses is dropped, which tells the server to stop.
    tokio::select! {
        biased;
        result = run => result,
        () = cx.cancelled() => Err(Error::new(ErrorKind::Cancelled, "the call was cancelled")
            .on_backend(server)),
        () = ended => Err(Error::new(
            ErrorKind::Timeout,
            format!("MCP server {} did not answer before the deadline", server.name),
        )
        .on_backend(server)
        .with_hint("the server was told to stop; it may have had effects already")),
    }
}

fn deadline(cx: &CallContext, limit: Option<Duration>) -> Option<Instant> {
    let own = limit.and_then(|limit| Instant::now().checked_add(limit));
    match (cx.deadline(), own) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

async fn run(supervisor: &Supervisor, call: BackendCall, cx: &CallContext) -> Result<RawOutput> {
    let params = convert::call_params(&call);
    let connection = supervisor.connection().await?;
    let result = match rounds(&connection, params.clone(), cx).await {
        // The token expired and cannot be refreshed, but a new one can be had. A refused request
        // had no effects.
        Err(error)
            if error.kind() == ErrorKind::Denied && has_own_credentials(supervisor.config()) =>
        {
            supervisor.discard(&connection);
            let connection = supervisor.connection().await?;
            rounds(&connection, params, cx).await?
        }
        result => result?,
    };
    let on = |error: Error| error.on_backend(supervisor.server());
    convert::call_result(result)
        .map(RawOutput::Content)
        .map_err(on)
}

fn has_own_credentials(config: &ServerConfig) -> bool {
    matches!(
        &config.transport,
        Transport::Http(http) if matches!(http.auth, HttpAuth::ClientCredentials { .. })
    )
}

/// Asks until the tool needs no more input (revision 2026-07-28: a tool answers with questions
/// and is called again with the answers).
async fn rounds(
    connection: &Arc<Connection>,
    mut params: CallToolRequestParams,
    cx: &CallContext,
) -> Result<Value> {
    for _ in 0..MAX_ROUNDS {
        let result = request(connection, params.clone(), cx).await?;
        let result = convert::result_json(result)?;
        if result.get("resultType").and_then(Value::as_str) != Some("input_required") {
            return Ok(result);
        }
        let (answers, state) = answer_questions(connection, &result, cx).await?;
        params = params.with_input_responses(answers);
        params.request_state = state;
    }
    let name = &connection.server.name;
    Err(Error::new(
        ErrorKind::LimitExceeded,
        format!("the tool of MCP server {name} asked for input {MAX_ROUNDS} times in a row"),
    )
    .on_backend(&connection.server))
}

/// Answers what a tool asks for; the state is handed back as it came.
pub(crate) async fn answer_questions(
    connection: &Connection,
    result: &Value,
    cx: &CallContext,
) -> Result<(BTreeMap<String, Value>, Option<String>)> {
    let asked = result.get("inputRequests").and_then(Value::as_object);
    let questions: Vec<Question> = asked
        .into_iter()
        .flatten()
        .map(|(key, question)| {
            let method = question.get("method").and_then(Value::as_str);
            Question {
                key: key.clone(),
                method: method.unwrap_or("nothing known").to_owned(),
                params: question.get("params").cloned().unwrap_or(json!({})),
            }
        })
        .collect();
    let keys: Vec<String> = questions.iter().map(|one| one.key.clone()).collect();
    let answers = if questions.is_empty() {
        Ok(Vec::new())
    } else {
        let of_call = interaction::of_call(cx);
        connection.handler.ask_all(of_call, questions).await
    };
    let answers = answers.map_err(|reason| {
        Error::new(
            ErrorKind::Unsupported,
            format!(
                "the tool of MCP server {} asks for input: {reason}",
                connection.server.name
            ),
        )
        .on_backend(&connection.server)
    })?;
    let state = result.get("requestState").and_then(Value::as_str);
    let answers = keys.into_iter().zip(answers).collect();
    Ok((answers, state.map(str::to_owned)))
}

/// Sends one request and waits for its answer; passes its events on meanwhile.
async fn request(
    connection: &Arc<Connection>,
    params: CallToolRequestParams,
    cx: &CallContext,
) -> Result<ServerResult> {
    let mut request = CallToolRequest::new(params);
    let events = cx.events().map(|_| {
        let (slot, events) = Slot::new();
        request.extensions_mut().insert(slot.clone());
        (slot, events)
    });
    let mut options = PeerRequestOptions::no_options();
    options.meta = convert::call_meta(cx, connection.is_stateless());
    let of_call = interaction::of_call(cx);
    let _asker = of_call.map(|asker| connection.hub.answered_by(asker));
    let request = ClientRequest::CallToolRequest(request);
    let sent = connection
        .peer
        .send_request_with_option(request, options)
        .await;
    let mut handle = match sent {
        Ok(handle) => handle,
        Err(error) => return Err(failed(connection, error).await),
    };
    let mut guard = CancelOnDrop::new(connection.peer.clone(), &handle);
    let answer = match events {
        Some((slot, events)) => with_events(&mut handle, &slot, events, cx).await,
        None => (&mut handle.rx).await,
    };
    guard.disarm();
    match answer {
        Ok(Ok(result)) => Ok(result),
        Ok(Err(error)) => Err(failed(connection, error).await),
        Err(_) => Err(failed(connection, ServiceError::TransportClosed).await),
    }
}

type Answer = Result<Result<ServerResult, ServiceError>, tokio::sync::oneshot::error::RecvError>;

/// Waits for the answer and passes events on in their order, all of them before the answer.
async fn with_events(
    handle: &mut RequestHandle<RoleClient>,
    slot: &Slot,
    mut events: mpsc::Receiver<Event>,
    cx: &CallContext,
) -> Answer {
    let Some(sink) = cx.events() else {
        return (&mut handle.rx).await;
    };
    let answer = loop {
        tokio::select! {
            biased;
            Some(event) = events.recv() => sink.send(event).await,
            answer = &mut handle.rx => break answer,
        }
    };
    // The transport put them there before it passed the answer on.
    while let Ok(event) = events.try_recv() {
        sink.send(event).await;
    }
    let lost = slot.take_lost();
    if lost > 0 {
        let text = format!("{lost} events came faster than they were read and were left out");
        sink.send(Event::Log {
            level: LogLevel::Warning,
            data: json!(text),
        })
        .await;
    }
    answer
}

/// Why a request failed.
pub(crate) async fn failed(connection: &Connection, error: ServiceError) -> Error {
    match error {
        // The pipe or the task that serves it is gone: the reason is the end of the program.
        ServiceError::TransportClosed => connection.lost_call().await,
        ServiceError::TransportSend(_) if connection.pid.is_some() => connection.lost_call().await,
        error => error::request(&connection.server, error),
    }
}

/// Sends a request and waits for its answer; dropping the future tells the server to stop.
pub(crate) async fn ask(
    connection: &Connection,
    request: ClientRequest,
    options: PeerRequestOptions,
) -> Result<ServerResult, ServiceError> {
    let peer = &connection.peer;
    let handle = peer.send_request_with_option(request, options).await?;
    let mut guard = CancelOnDrop::new(peer.clone(), &handle);
    let answer = handle.await_response().await;
    guard.disarm();
    answer
}

/// Tells the server to stop when a request is given up.
struct CancelOnDrop {
    armed: Option<(Peer<RoleClient>, RequestId)>,
}

impl CancelOnDrop {
    pub(crate) fn new(peer: Peer<RoleClient>, handle: &RequestHandle<RoleClient>) -> Self {
        Self {
            armed: Some((peer, handle.id.clone())),
        }
    }

    pub(crate) fn disarm(&mut self) {
        self.armed = None;
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        let Some((peer, id)) = self.armed.take() else {
            return;
        };
        // Without a runtime the connection is gone as well.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        runtime.spawn(async move {
            let reason = Some("the caller gave the request up".to_owned());
            let params = CancelledNotificationParam::new(Some(id), reason);
            let cancelled = CancelledNotification::new(params);
            let notification = ClientNotification::CancelledNotification(cancelled);
            // A connection that ended needs no telling.
            let _ = peer.send_notification(notification).await;
        });
    }
}
