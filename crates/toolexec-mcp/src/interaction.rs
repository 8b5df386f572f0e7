//! What a server may ask back while a tool runs.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::Value;
use toolexec_core::{BackendRef, CallContext};

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

    /// Answers several questions that were asked at once, in their order; one after the other
    /// unless an implementation does better.
    fn ask_all<'a>(
        &'a self,
        server: &'a BackendRef,
        questions: Vec<Question>,
    ) -> BoxFuture<'a, Result<Vec<Value>, String>> {
        Box::pin(async move {
            let mut answers = Vec::new();
            for Question { method, params, .. } in questions {
                answers.push(self.ask(server, &method, params).await?);
            }
            Ok(answers)
        })
    }
}

/// One question of several that a server asks at once.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// What the server calls it.
    pub key: String,
    /// The method.
    pub method: String,
    /// The request, as the protocol has it.
    pub params: Value,
}

/// Leaves every question to whoever made the call during which it is asked; see
/// [`answered_by`].
///
/// Servers are told that they may ask anything. Where a call carries nobody to ask, or several
/// callers are served at once over the same connection and it cannot be told whose call the
/// question belongs to, the question is refused.
#[derive(Debug, Clone, Copy, Default)]
pub struct Relay;

impl Interaction for Relay {
    fn supports(&self, method: &str) -> bool {
        [ELICIT, SAMPLE, ROOTS].contains(&method)
    }

    fn ask<'a>(
        &'a self,
        _: &'a BackendRef,
        method: &'a str,
        _: Value,
    ) -> BoxFuture<'a, Result<Value, String>> {
        Box::pin(async move { Err(format!("nobody can be asked for {method}")) })
    }
}

/// Who answers the questions of one call.
#[cfg_attr(
    not(feature = "client"),
    expect(dead_code, reason = "read where servers ask")
)]
struct OfCall(Arc<dyn Interaction>);

/// The same context, whose calls have their questions answered by `interaction`.
pub fn answered_by(cx: CallContext, interaction: Arc<dyn Interaction>) -> CallContext {
    cx.with_extension(Arc::new(OfCall(interaction)))
}

/// Who answers the questions of a call, where it says.
#[cfg(feature = "client")]
pub(crate) fn of_call(cx: &CallContext) -> Option<Arc<dyn Interaction>> {
    let extension = cx.extension::<OfCall>()?;
    Some(extension.0.clone())
}
