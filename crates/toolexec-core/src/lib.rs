//! Tools, their index and documents, and the one path a tool call takes.
//!
//! This crate spawns nothing, opens no socket, reads no file and no environment variable, and
//! prints nothing: backends are handed to it (see [`backend::Backend`]).
//!
//! - [`tool`], [`id`], [`content`]: what a tool says about itself and what it answers.
//! - [`index`] and [`tooldoc`]: finding and describing tools.
//! - [`run`]: resolve, authorize, validate, dispatch, normalize, validate.
//! - [`policy`]: rules about who may call what.
//! - [`results`]: handles of results that are too large for a model.
//! - [`chain`]: several calls, one feeding the next.
//! - [`code`]: programs that call tools; [`sandbox`]: where they run; [`gateway`]: what they reach.
//! - [`backend`]: where a tool runs, and [`backend::local`] for Rust functions.

pub mod backend;
pub mod chain;
pub mod code;
pub mod content;
pub mod context;
pub mod error;
pub mod event;
pub mod gateway;
pub mod id;
pub mod index;
pub mod pattern;
pub mod policy;
pub mod results;
pub mod run;
pub mod sandbox;
pub mod schema;
pub mod source;
pub mod tool;
pub mod tooldoc;
pub mod types;

pub use backend::{Backend, BackendCall, BackendKind, BackendRef, RawOutput};
pub use chain::{Chain, ChainLimits, ChainOutcome, OnError, Step};
pub use content::Content;
pub use context::{CallContext, Caller};
pub use error::{Error, ErrorKind, Result, Stage};
pub use event::{Event, EventSink};
pub use id::{ToolId, ToolRef};
pub use run::{Request, RunResult, RunSettings, Runner};
pub use source::{Listing, Source};
pub use tool::{Annotations, Args, Tool};
pub use tooldoc::{Detail, DocStore, ToolDoc};
