//! What rmcp asks of a server.

use std::sync::Arc;

use rmcp::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, ErrorData, Implementation, ListToolsResult,
    PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool as McpTool,
};
use rmcp::service::{RequestContext, RoleServer};

use super::{Server, call};

/// One client's view of the server: one session of the older revisions, or one request of
/// 2026-07-28.
#[derive(Debug, Clone)]
pub(super) struct Handler {
    pub(super) server: Server,
    info: Arc<ServerConfig>,
}

impl Handler {
    pub(super) fn new(server: Server) -> Self {
        let capabilities = ServerCapabilities::builder().enable_tools().build();
        let us = Implementation::new("toolexec", env!("CARGO_PKG_VERSION"));
        let mut info = ServerConfig::new(capabilities).with_server_info(us);
        info.instructions.clone_from(&server.shared.instructions);
        Self {
            info: Arc::new(info),
            server,
        }
    }
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        (*self.info).clone()
    }

    fn get_tool(&self, _name: &str) -> Option<McpTool> {
        None
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.server.meta().list()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        call::call(self, request, context).await
    }
}
