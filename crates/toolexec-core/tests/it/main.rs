//! The run path, chains, streams and the index, through the public interface.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod chain;
mod code;
mod fixture;
mod index;
mod policy;
mod results;
mod run;
mod search;
mod search_properties;
mod stream;
mod tooldoc;
mod types;
