//! Tools that are not Rust functions and not MCP servers: HTTP APIs and command-line programs.
//!
//! - [`openapi`]: the operations of an `OpenAPI` 3.0/3.1 or Swagger 2.0 document as tools.
//! - [`web`]: the addresses that a configuration allows, as one tool that fetches.
//! - [`proxy`]: the same addresses for any program that speaks HTTP, through a proxy.
//! - [`command`]: programs as tools, their arguments filled in by templates.
//!
//! Everything offered here implements [`Source`](toolexec_core::Source) (which tools are there)
//! and [`Backend`](toolexec_core::Backend) (run one). This crate reads no file: documents, secrets and
//! settings are handed to it.

mod clients;
pub mod command;
mod egress;
mod exchange;
mod hidden;
pub mod openapi;
pub mod proxy;
pub mod secret;
pub mod web;

pub use command::{CommandTool, Commands};
pub use openapi::{ApiConfig, OpenApi};
pub use proxy::Proxy;
pub use secret::Secret;
pub use web::Web;
