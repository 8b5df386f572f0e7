//! Asking the policy.

use super::resolve::Resolved;
use crate::backend::BackendRef;
use crate::context::Caller;
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::tool::{Args, Tool};

/// Decides who may call what. Asked once for each call, wherever it comes from: a person, a
/// chain, a program in a sandbox, an MCP client.
///
/// An implementation must answer at once, without I/O, and the same for the same request.
pub trait Policy: Send + Sync + 'static {
    /// Decides about one call.
    fn authorize(&self, request: &PolicyRequest<'_>) -> Decision;

    /// Whether some call of this tool by this caller would be allowed, whatever its arguments. A
    /// tool that a caller can never call is not shown to it.
    fn may_ever_call(&self, caller: Option<&Caller>, tool: &Tool, backend: &BackendRef) -> bool {
        let _ = (caller, tool, backend);
        true
    }

    /// Whether [`may_ever_call`](Self::may_ever_call) can say no.
    fn hides_tools(&self) -> bool {
        false
    }
}

/// What a policy may look at. The arguments are not validated yet.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct PolicyRequest<'a> {
    /// Who calls, when known.
    pub caller: Option<&'a Caller>,
    /// The tool, with its annotations.
    pub tool: &'a Tool,
    /// The backend that will run it.
    pub backend: &'a BackendRef,
    /// The arguments as the caller gave them.
    pub args: &'a Args,
}

/// What a policy decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Go on.
    Allow,
    /// Refuse. The caller reads the reason.
    Deny {
        /// Which rule refused.
        reason: String,
    },
}

/// Allows every call.
#[derive(Debug, Clone, Copy, Default)]
pub struct AllowAll;

impl Policy for AllowAll {
    fn authorize(&self, _: &PolicyRequest<'_>) -> Decision {
        Decision::Allow
    }
}

/// A call that the policy allowed.
#[derive(Debug)]
pub(super) struct Authorized(pub(super) Resolved);

impl Resolved {
    /// Asks about every backend the call may go to; those that are refused are left out.
    pub(super) fn authorize(mut self, policy: &dyn Policy) -> Result<Authorized> {
        let ask = |binding: &crate::index::Binding| {
            policy.authorize(&PolicyRequest {
                caller: self.cx.caller().map(AsRef::as_ref),
                tool: binding.tool(),
                backend: binding.backend_ref(),
                args: &self.args,
            })
        };
        let first = ask(&self.first);
        self.others
            .retain(|binding| ask(binding) == Decision::Allow);
        let Decision::Deny { reason } = first else {
            return Ok(Authorized(self));
        };
        if self.others.is_empty() {
            let id = &self.first.tool().id;
            return Err(Error::new(
                ErrorKind::Denied,
                format!("calling {id} is denied: {reason}"),
            )
            .at(Stage::Authorize)
            .for_tool(id)
            .on_backend(self.first.backend_ref()));
        }
        self.first = self.others.remove(0);
        Ok(Authorized(self))
    }
}
