//! The Model Context Protocol, both ways: MCP servers as tool backends, and an MCP server in front
//! of tools.
//!
//! - `client` (default): an [`McpServer`] is a [`Source`](toolexec_core::Source) of tools and the
//!   [`Backend`](toolexec_core::Backend) they run on.
//! - `server`: a [`server::Server`] offers tools to MCP clients.
//! - [`interaction`]: what a server may ask back while a tool runs.
//!
//! The only crate that names rmcp; none of its types is public here.

#[cfg(feature = "client")]
mod client;
pub mod interaction;
#[cfg(feature = "server")]
pub mod server;
#[cfg(any(feature = "client", feature = "server"))]
mod tls;

#[cfg(feature = "client")]
pub use client::{
    Diagnostics, HttpConfig, McpServer, ServerConfig, ServerState, StdioConfig, Transport, auth,
    config,
};
pub use interaction::Interaction;
#[cfg(feature = "server")]
pub use server::{Server, serve};
