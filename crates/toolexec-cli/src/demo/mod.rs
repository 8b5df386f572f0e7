//! Peers for the quick start, served by this program: an MCP server and an HTTP API.

pub(crate) mod http_api;
pub(crate) mod mcp_server;
mod notes;
