//! MCP servers as tool backends.
//!
//! An [`McpServer`] is lazy: the process is started, or the connection made, when the tools are
//! first listed or called; then it is shared by all callers. A server that dies is started again,
//! with growing pauses while it keeps dying.
//!
//! Both lifecycles of the protocol are spoken: revision 2026-07-28 (stateless, `server/discover`)
//! and the older ones (`initialize`); which one is found out when connecting, unless the
//! configuration says.
//!
//! - [`config`]: how a server is reached and what it may cost.
//! - [`auth`]: OAuth for servers over HTTP.
#![expect(
    deprecated,
    reason = "logging, sampling and roots are deprecated in 2026-07-28, and older servers use them"
)]

pub mod auth;
mod call;
pub mod config;
mod connect;
mod connection;
mod convert;
mod diagnostics;
mod error;
mod handler;
mod hub;
mod list;
#[cfg(feature = "server")]
mod relay;
mod supervisor;
mod transport;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use toolexec_core::{
    Backend, BackendCall, BackendKind, BackendRef, CallContext, Listing, RawOutput, Result, Source,
};

use supervisor::Supervisor;

pub use config::{HttpConfig, ServerConfig, StdioConfig, Transport};
pub use diagnostics::{Diagnostics, ServerState};
#[cfg(feature = "server")]
pub(crate) use hub::Note;
#[cfg(feature = "server")]
pub(crate) use relay::Part;

/// How long to wait for more after a change of the list of tools: servers that add several tools
/// say so once for each.
const DEBOUNCE: Duration = Duration::from_millis(150);

/// One MCP server: a source of tools and the backend they run on.
///
/// Nothing is started before its tools are listed or called. Dropping it ends its process.
pub struct McpServer {
    namespace: String,
    supervisor: Supervisor,
    // The count of changes when the tools were last listed.
    listed_at: AtomicU64,
}

impl McpServer {
    /// A server named `name` in the configuration, whose tools get the namespace `namespace`.
    pub fn new(
        name: impl Into<Arc<str>>,
        namespace: impl Into<String>,
        config: ServerConfig,
    ) -> Arc<Self> {
        let server = BackendRef::new(BackendKind::Mcp, name);
        Arc::new(Self {
            namespace: namespace.into(),
            supervisor: Supervisor::new(server, config),
            listed_at: AtomicU64::new(0),
        })
    }

    /// Starts or connects now, if that has not happened.
    ///
    /// # Cancel safety
    /// Safe: starting goes on, for whoever asks next.
    pub async fn connect(&self) -> Result<()> {
        self.supervisor.connection().await.map(drop)
    }

    /// How the server is and what it said last.
    pub fn diagnostics(&self) -> Diagnostics {
        self.supervisor.diagnostics()
    }
}

impl Source for McpServer {
    fn backend_ref(&self) -> &BackendRef {
        self.supervisor.server()
    }

    fn namespace(&self) -> &str {
        &self.namespace
    }

    fn list(self: Arc<Self>) -> BoxFuture<'static, Result<Listing>> {
        Box::pin(async move {
            let connection = self.supervisor.connection().await?;
            // Taken before asking: a change while the list is read counts as one after it.
            let seen = self.supervisor.tool_changes();
            let listing = list::list(&self, &connection, self.supervisor.config()).await?;
            self.listed_at.store(seen, Ordering::Release);
            Ok(listing)
        })
    }

    fn changed(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let mut changes = self.supervisor.watch_tools();
            let is_new = |count: &u64| *count != self.listed_at.load(Ordering::Acquire);
            if changes.wait_for(is_new).await.is_err() {
                // The sender lives in the supervisor, and so as long as this borrow.
                std::future::pending::<()>().await;
            }
            while let Ok(Ok(())) = tokio::time::timeout(DEBOUNCE, changes.changed()).await {}
        })
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.supervisor.shutdown())
    }
}

impl Backend for McpServer {
    fn backend_ref(&self) -> &BackendRef {
        self.supervisor.server()
    }

    fn call<'a>(
        &'a self,
        call: BackendCall,
        cx: &'a CallContext,
    ) -> BoxFuture<'a, Result<RawOutput>> {
        Box::pin(call::call(&self.supervisor, call, cx))
    }
}

impl fmt::Debug for McpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("McpServer")
            .field("server", self.supervisor.server())
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}
