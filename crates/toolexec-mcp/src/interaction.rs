//! What a server may ask back while a tool runs.

use std::fmt;

use futures_util::future::BoxFuture;
use serde_json::Value;
use toolexec_core::BackendRef;

/// The method that asks a person for input.
pub const ELICIT: &str = "elicitation/create";
/// The method that asks a model for text.
pub const SAMPLE: &str = "sampling/createMessage";
/// The method that asks which directories a server may look at.
pub const ROOTS: &str = "roots/list";

/// Answers the questions of servers: [`ELICIT`], [`SAMPLE`] and [`ROOTS`].
///
/// Requests and answers are the protocol's own JSON. It does not matter to an implementation
/// whether a question came as a request of the server (revisions up to 2025-11-25) or as an
/// answer that asks for more (2026-07-28).
pub trait Interaction: Send + Sync + fmt::Debug + 'static {
    /// Whether questions of this method are answered at all; servers are told when connecting.
    fn supports(&self, method: &str) -> bool;

    /// Answers a question of `server`, or says why not.
    fn ask<'a>(
        &'a self,
        server: &'a BackendRef,
        method: &'a str,
        params: Value,
    ) -> BoxFuture<'a, Result<Value, String>>;
}
