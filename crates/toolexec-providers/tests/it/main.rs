//! The providers against real HTTP servers, real programs and real documents.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy allows them in test functions, not in what test functions share"
)]

mod command;
mod credentials;
mod documents;
mod github;
mod hostile;
mod httpbin;
mod prism;
mod proxy;
mod run_path;
mod server;
mod support;
mod sweep;
mod web;
