//! Tool docs: what a caller reads before it calls a tool.
//!
//! A document is made of what the tool says about itself and of what somebody registered for it:
//! a better summary, notes, examples, references. [`describe`] puts the two together at one of
//! four levels of [`Detail`].

mod describe;
mod detail;
mod entry;
mod example;
mod sample;
mod schema_info;
mod store;
mod summary;

pub use describe::{ToolDoc, describe};
pub use detail::{Detail, ParseDetailError};
pub use entry::{DocEntry, MAX_NOTES, MAX_REFERENCES, MAX_SUMMARY};
pub use example::{
    Example, MAX_ARGS_DEPTH, MAX_ARGS_ITEMS, MAX_EXAMPLE_DESCRIPTION, MAX_RESULT_HINT,
};
pub use schema_info::SchemaInfo;
pub use store::{DEFAULT_MAX_EXAMPLES, DocStore};
pub(crate) use summary::summary_of;
