//! What rmcp asks of a server.

use std::sync::{Arc, Mutex, PoisonError};

use rmcp::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, ErrorData, ListToolsResult, LoggingLevel,
    PaginatedRequestParams, ServerConfig, SetLevelRequestParams, Tool as McpTool,
};
use rmcp::service::{RequestContext, RoleServer};

use super::{Server, call};

/// One client's view of the server: one session of the older revisions, or one request of
/// 2026-07-28.
#[derive(Debug, Clone)]
pub(super) struct Handler {
    pub(super) server: Server,
    /// The least severe log message that the client of a session wants.
    level: Arc<Mutex<LoggingLevel>>,
}

impl Handler {
    pub(super) fn new(server: Server) -> Self {
        Self {
            server,
            level: Arc::new(Mutex::new(LoggingLevel::Info)),
        }
    }

    pub(super) fn log_level(&self) -> LoggingLevel {
        *self.level.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        (*self.server.shared.info).clone()
    }

    fn get_tool(&self, name: &str) -> Option<McpTool> {
        self.server.known_tool(name)
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
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let cursor = request.and_then(|request| request.cursor);
        self.server.list_tools(self.server.runner(), cursor).await
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        call::call(self, request, context).await
    }
}
