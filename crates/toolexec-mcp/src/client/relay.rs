//! Requests that are passed on to a server as they are: its resources, prompts and completions.

use rmcp::model::{ClientRequest, ErrorCode, ErrorData, SubscriptionFilter};
use rmcp::service::{PeerRequestOptions, ServiceError};
use serde_json::{Value, json};
use tokio::sync::broadcast;
use toolexec_core::{CallContext, Error, ErrorKind};

use super::McpServer;
use super::call::{MAX_ROUNDS, answer_questions, ask};
use super::connect::listen;
use super::connection::Connection;
use super::hub::Note;
use crate::client::{convert, error};

/// What of a server is passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Resources,
    Prompts,
    Completions,
}

impl McpServer {
    /// Whether the server has this part; starts or connects it, if that has not happened.
    pub(crate) async fn has(&self, part: Part) -> Result<bool, ErrorData> {
        let connection = self.connection().await?;
        let capabilities = &connection.info.capabilities;
        Ok(match part {
            Part::Resources => capabilities.resources.is_some(),
            Part::Prompts => capabilities.prompts.is_some(),
            Part::Completions => capabilities.completions.is_some(),
        })
    }

    /// Passes a request on and answers its result as JSON. Questions of the server go to whoever
    /// `cx` says.
    pub(crate) async fn relay(
        &self,
        method: &str,
        mut params: Value,
        cx: &CallContext,
    ) -> Result<Value, ErrorData> {
        let connection = self.connection().await?;
        for _ in 0..MAX_ROUNDS {
            let result = relay_once(&connection, method, params.clone(), cx).await?;
            if result.get("resultType").and_then(Value::as_str) != Some("input_required") {
                return Ok(result);
            }
            let asked = answer_questions(&connection, &result, cx).await;
            let (answers, state) = asked.map_err(|error| data(&error))?;
            params["inputResponses"] = json!(answers);
            match state {
                Some(state) => params["requestState"] = json!(state),
                None => drop(params.as_object_mut().map(|it| it.remove("requestState"))),
            }
        }
        let message = format!("the server asked for input {MAX_ROUNDS} times in a row");
        Err(ErrorData::internal_error(message, None))
    }

    /// Says from now on what else of the server changes.
    pub(crate) fn watch_notes(&self) -> broadcast::Receiver<Note> {
        self.supervisor.watch_notes()
    }

    /// Asks the server to say when a resource changes.
    pub(crate) async fn watch_resource(
        &self,
        uri: &str,
        cx: &CallContext,
    ) -> Result<(), ErrorData> {
        let connection = self.connection().await?;
        if !connection.is_stateless() {
            let params = json!({"uri": uri});
            return self
                .relay("resources/subscribe", params, cx)
                .await
                .map(drop);
        }
        let filter = SubscriptionFilter::builder()
            .resource_subscription(uri)
            .build();
        let (peer, hub) = (connection.peer.clone(), connection.hub.clone());
        tokio::spawn(listen(peer, filter, hub));
        Ok(())
    }

    async fn connection(&self) -> Result<std::sync::Arc<Connection>, ErrorData> {
        let connection = self.supervisor.connection().await;
        connection.map_err(|error| data(&error))
    }
}

async fn relay_once(
    connection: &Connection,
    method: &str,
    params: Value,
    cx: &CallContext,
) -> Result<Value, ErrorData> {
    let request = json!({"method": method, "params": params});
    let request: ClientRequest = serde_json::from_value(request)
        .map_err(|error| ErrorData::invalid_params(format!("{method}: {error}"), None))?;
    let mut options = PeerRequestOptions::no_options();
    options.meta = convert::call_meta(cx, connection.is_stateless());
    let answer = tokio::select! {
        answer = ask(connection, request, options) => answer,
        () = cx.cancelled() => {
            return Err(ErrorData::internal_error("the request was cancelled", None));
        }
    };
    match answer {
        Ok(result) => convert::result_json(result).map_err(|error| data(&error)),
        // The server's own words, with its own code.
        Err(ServiceError::McpError(error)) => Err(error),
        Err(other) => Err(data(&error::request(&connection.server, other))),
    }
}

fn data(error: &Error) -> ErrorData {
    let code = match error.kind() {
        ErrorKind::InvalidInput | ErrorKind::NotFound => ErrorCode::INVALID_PARAMS,
        _ => ErrorCode::INTERNAL_ERROR,
    };
    let report = serde_json::to_value(error.guest_report()).ok();
    ErrorData::new(code, error.guest_message().to_owned(), report)
}
