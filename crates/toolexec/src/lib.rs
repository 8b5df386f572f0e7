//! Find, check, run, chain and stream tools: local functions, HTTP APIs, programs, MCP servers.
//!
//! ```
//! use serde_json::json;
//! use toolexec::{Args, Detail, Executor, Local, LocalTool};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), toolexec::Error> {
//! let add = LocalTool::new("add", async |args: Args| {
//!     let number = |name: &str| args[name].as_f64().ok_or("not a number");
//!     Ok::<_, &str>(number("a")? + number("b")?)
//! })
//! .description("Adds two numbers")
//! .input_schema(json!({
//!     "type": "object",
//!     "properties": {"a": {"type": "number"}, "b": {"type": "number"}},
//!     "required": ["a", "b"]
//! }));
//! let executor = Executor::builder().local(Local::new("math").tool(add)).build()?;
//!
//! let result = executor.run("math:add", json!({"a": 5, "b": 3})).await?;
//! assert_eq!(result.value.to_string(), "8");
//!
//! let hits = executor.search("sum of numbers", 10).await?;
//! assert_eq!(hits[0].tool.id.to_string(), "math:add");
//!
//! let doc = executor.describe("math:add", Detail::Full).await?;
//! assert_eq!(doc.description.as_deref(), Some("Adds two numbers"));
//! # Ok(())
//! # }
//! ```
//!
//! # What is where
//!
//! - [`Executor`] and its [builder](Executor::builder) are all that most programs need.
//! - [`Local`] and [`LocalTool`]: functions of this program as tools.
//! - [`mcp`]: MCP servers. [`providers`]: HTTP APIs described by OpenAPI, and programs. Each is a
//!   [`Source`] that [`ExecutorBuilder::source`] takes.
//! - [`config`]: the file `toolexec.toml`, which declares sources without code.
//! - [`core`]: everything below the facade, such as the [`Index`](core::index::Index), the
//!   [`Runner`] and its [`Policy`](core::run::Policy).
//!
//! # What a call goes through
//!
//! A call is resolved, authorized, validated, dispatched, normalized, and its value validated, in
//! this order, whoever makes it. A tool's own failure is an `Ok` whose `is_error` is set; an
//! [`Error`] means that the execution failed, and its [kind](ErrorKind) says whether the tool may
//! have run.

pub mod config;

mod builder;
mod executor;
mod sources;
mod tokens;

pub use builder::ExecutorBuilder;
pub use executor::Executor;
pub use sources::SourceStatus;
pub use tokens::FileTokens;
pub use toolexec_core as core;
pub use toolexec_core::backend::local::{Local, LocalTool};
pub use toolexec_core::chain::{StepReport, StepStatus};
pub use toolexec_core::event::LogLevel;
pub use toolexec_core::index::{Hit, ListQuery, Page, SearchQuery, ToolSummary};
pub use toolexec_core::run::{BackendChoice, Check, RunStream};
pub use toolexec_core::tooldoc::{Detail, DocEntry, DocStore, Example, ToolDoc};
pub use toolexec_core::{
    Annotations, Args, BackendKind, BackendRef, CallContext, Chain, ChainLimits, ChainOutcome,
    Content, Error, ErrorKind, Event, OnError, Request, RunResult, RunSettings, Runner, Source,
    Stage, Step, Tool, ToolId,
};
pub use toolexec_mcp as mcp;
pub use toolexec_providers as providers;
#[cfg(feature = "sandbox")]
pub use toolexec_sandbox as sandbox;
