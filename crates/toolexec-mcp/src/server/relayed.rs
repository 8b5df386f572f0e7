//! Requests about resources, prompts and completions, as clients make them.

use rmcp::model::{
    CompleteRequestParams, CompleteResult, ErrorData, GetPromptRequestParams, GetPromptResponse,
    PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse,
};
use rmcp::service::{RequestContext, RoleServer, SubscriptionContext};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use toolexec_core::Args;

use super::call::{Purpose, Round, Step, Subject, unknown_state};
use super::changes::MAX_WATCHED;
use super::context::call_context;
use super::flow::Reply;
use super::handler::Handler;
use super::relay::{List, typed};

impl Handler {
    pub(super) async fn relay_list<T: DeserializeOwned>(
        &self,
        list: List,
        request: Option<PaginatedRequestParams>,
        context: &RequestContext<RoleServer>,
    ) -> Result<T, ErrorData> {
        let cursor = request.and_then(|request| request.cursor);
        let cx = call_context(context);
        self.server.relay_list(list, cursor, &cx).await
    }

    pub(super) async fn read_relayed(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let round = Round {
            key: request.request_state,
            answers: request.input_responses.unwrap_or_default(),
        };
        let (server, params) = (self.server.clone(), json!({ "uri": request.uri }));
        let subject = Subject {
            method: "resources/read",
            name: &request.uri,
            args: Args::new(),
        };
        let work = |_, cx| async move {
            let answer = server.relay_resource("resources/read", &params, &cx).await;
            Reply::Relayed(answer)
        };
        let purpose = Purpose::Relay;
        match self.flow(&context, round, subject, purpose, work).await? {
            Step::NeedsInput(result) => Ok(result.into()),
            Step::Task(_) => Err(unknown_state()),
            Step::Replied(reply) => Ok(ReadResourceResponse::Complete(typed(relayed(reply)?)?)),
        }
    }

    pub(super) async fn prompt_relayed(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let round = Round {
            key: request.request_state,
            answers: request.input_responses.unwrap_or_default(),
        };
        let (server, name) = (self.server.clone(), request.name.clone());
        let subject = Subject {
            method: "prompts/get",
            name: &request.name,
            args: request.arguments.unwrap_or_default(),
        };
        let work = |args: Args, cx| async move {
            let args = (!args.is_empty()).then_some(&args);
            Reply::Relayed(server.relay_prompt(&name, args, &cx).await)
        };
        let purpose = Purpose::Relay;
        match self.flow(&context, round, subject, purpose, work).await? {
            Step::NeedsInput(result) => Ok(result.into()),
            Step::Task(_) => Err(unknown_state()),
            Step::Replied(reply) => Ok(GetPromptResponse::Complete(typed(relayed(reply)?)?)),
        }
    }

    pub(super) async fn complete_relayed(
        &self,
        request: &CompleteRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let params = serde_json::to_value(request)
            .map_err(|error| ErrorData::invalid_params(error.to_string(), None))?;
        let cx = call_context(context);
        typed(self.server.relay_completion(params, &cx).await?)
    }

    pub(super) async fn subscribe_relayed(
        &self,
        uri: String,
        context: &RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let cx = call_context(context);
        let params = json!({ "uri": uri });
        self.server
            .relay_resource("resources/subscribe", &params, &cx)
            .await?;
        if !self.watched.add(uri) {
            let message = format!("a client may watch {MAX_WATCHED} resources");
            return Err(ErrorData::invalid_request(message, None));
        }
        Ok(())
    }

    /// Has the servers say when the resources change that a client listens for.
    pub(super) async fn watch_accepted(&self, context: &SubscriptionContext) {
        let uris = context.accepted().resource_subscriptions.iter().flatten();
        let cx = call_context(context.request_context());
        for uri in uris.take(MAX_WATCHED) {
            let params = json!({ "uri": uri });
            let watched = self
                .server
                .relay_resource("resources/subscribe", &params, &cx)
                .await;
            if let Err(error) = watched {
                tracing::info!(uri, error = %error.message, "a resource is not watched");
            }
        }
    }
}

fn relayed(reply: Reply) -> Result<Value, ErrorData> {
    match reply {
        Reply::Relayed(answer) => answer,
        Reply::Refused(error) => Err(error),
        Reply::Tool(_) => Err(unknown_state()),
    }
}
