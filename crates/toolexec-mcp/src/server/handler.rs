//! What rmcp asks of a server.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use rmcp::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CancelTaskParams, ErrorData, GetTaskParams,
    GetTaskResult, ListToolsResult, LoggingLevel, PaginatedRequestParams, ProtocolVersion,
    ServerConfig, SetLevelRequestParams, SubscriptionFilter, Tool as McpTool, UpdateTaskParams,
};
#[cfg(feature = "client")]
use rmcp::model::{
    CompleteRequestParams, CompleteResult, GetPromptRequestParams, GetPromptResponse,
    ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ReadResourceRequestParams,
    ReadResourceResponse, SubscribeRequestParams, UnsubscribeRequestParams,
};
use rmcp::service::{NotificationContext, RequestContext, RoleServer, SubscriptionContext};

use super::changes::{Watched, tell_listener, tell_session};
use super::context::caller;
use super::kept::OfConnection;
#[cfg(feature = "client")]
use super::relay::List;
use super::{Server, call};

/// One client's view of the server: one session of the older revisions, or one request of
/// 2026-07-28.
#[derive(Debug, Clone)]
pub(super) struct Handler {
    pub(super) server: Server,
    /// The least severe log message that the client of a session wants.
    level: Arc<Mutex<LoggingLevel>>,
    /// The sessions of programs that it opened.
    pub(super) opened: Option<Arc<OfConnection>>,
    /// The resources that it watches.
    pub(super) watched: Arc<Watched>,
}

impl Handler {
    pub(super) fn new(server: Server) -> Self {
        let kept = server.kept().cloned();
        Self {
            server,
            opened: kept.map(|kept| Arc::new(OfConnection::new(kept))),
            level: Arc::new(Mutex::new(LoggingLevel::Info)),
            watched: Arc::default(),
        }
    }

    pub(super) fn log_level(&self) -> LoggingLevel {
        *self.level.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[expect(
    clippy::unused_async_trait_impl,
    reason = "what the trait has as futures reads best as async functions"
)]
impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        (*self.server.shared.info).clone()
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Cow::Borrowed(ProtocolVersion::KNOWN_VERSIONS)
    }

    fn get_tool(&self, name: &str) -> Option<McpTool> {
        self.server.known_tool(name)
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        if self.server.may_change() {
            let changes = self.server.watch_changes();
            tokio::spawn(tell_session(context.peer, changes, self.watched.clone()));
        }
    }

    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        Some(requested.supported_by(&self.server.shared.info.capabilities))
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let changes = self.server.watch_changes();
        #[cfg(feature = "client")]
        self.watch_accepted(&context).await;
        tell_listener(&context, changes).await;
        Ok(())
    }

    async fn set_level(
        &self,
        request: SetLevelRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        *self.level.lock().unwrap_or_else(PoisonError::into_inner) = request.level;
        Ok(())
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let cursor = request.and_then(|request| request.cursor);
        let runner = self.server.runner_for(caller(&context).as_ref());
        self.server.list_tools(&runner, cursor).await
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        call::call(self, request, context).await
    }

    async fn get_task(
        &self,
        request: GetTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        let task = self.server.shared.tasks.get(&request.task_id, &context)?;
        Ok(GetTaskResult::new(task))
    }

    async fn update_task(
        &self,
        request: UpdateTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let (id, answers) = (&request.task_id, request.input_responses);
        self.server.shared.tasks.update(id, answers, &context)
    }

    async fn cancel_task(
        &self,
        request: CancelTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let tasks = &self.server.shared.tasks;
        tasks.cancel(&request.task_id, &context)
    }

    #[cfg(feature = "client")]
    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        self.relay_list(List::Resources, request, &context).await
    }

    #[cfg(feature = "client")]
    async fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        self.relay_list(List::Templates, request, &context).await
    }

    #[cfg(feature = "client")]
    async fn list_prompts(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        self.relay_list(List::Prompts, request, &context).await
    }

    #[cfg(feature = "client")]
    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        self.read_relayed(request, context).await
    }

    #[cfg(feature = "client")]
    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        self.prompt_relayed(request, context).await
    }

    #[cfg(feature = "client")]
    async fn complete(
        &self,
        request: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        self.complete_relayed(&request, &context).await
    }

    #[cfg(feature = "client")]
    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.subscribe_relayed(request.uri, &context).await
    }

    #[cfg(feature = "client")]
    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.watched.remove(&request.uri);
        Ok(())
    }
}
