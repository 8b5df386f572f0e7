//! MCP servers as tool backends.
//!
//! An [`McpServer`] is a [`Source`](toolexec_core::Source) of tools and the
//! [`Backend`](toolexec_core::Backend) they run on. It is lazy: the process is started, or the
//! connection made, when the tools are first listed or called; then it is shared by all callers.
//! A server that dies is started again, with growing pauses while it keeps dying.
//!
//! Both lifecycles of the protocol are spoken: revision 2026-07-28 (stateless, `server/discover`)
//! and the older ones (`initialize`); which one is found out when connecting, unless the
//! configuration says.
//!
//! - [`config`]: how a server is reached and what it may cost.
//! - [`auth`]: OAuth for servers over HTTP.
//! - [`interaction`]: what a server may ask back while a tool runs.
//!
//! The only crate that names rmcp; none of its types is public here.
#![expect(
    deprecated,
    reason = "logging, sampling and roots are deprecated in 2026-07-28, and older servers use them"
)]

pub mod auth;
pub mod config;
mod convert;
mod error;
mod handler;
mod hub;
pub mod interaction;
mod server;
mod transport;

pub use config::{HttpConfig, ServerConfig, StdioConfig, Transport};
pub use interaction::Interaction;
pub use server::{Diagnostics, McpServer, ServerState};
