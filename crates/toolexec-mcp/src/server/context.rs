//! From a request of the protocol to the context of a call.

use std::sync::Arc;

use rmcp::service::{RequestContext, RoleServer};
use toolexec_core::context::TraceContext;
use toolexec_core::{CallContext, Caller};

/// What travels with the call: cancellation, trace, and who calls.
pub(super) fn call_context(context: &RequestContext<RoleServer>) -> CallContext {
    let mut cx = CallContext::new().with_cancel(context.ct.clone());
    if let Some(trace) = trace(context) {
        cx = cx.with_trace(Arc::new(trace));
    }
    if let Some(caller) = caller(context) {
        cx = cx.with_caller(caller);
    }
    cx
}

/// Who was authenticated, over HTTP.
pub(super) fn caller(context: &RequestContext<RoleServer>) -> Option<Arc<Caller>> {
    let parts = context.extensions.get::<http::request::Parts>()?;
    parts.extensions.get::<Arc<Caller>>().cloned()
}

fn trace(context: &RequestContext<RoleServer>) -> Option<TraceContext> {
    let meta = &context.meta;
    Some(TraceContext {
        traceparent: meta.get_traceparent()?.to_owned(),
        tracestate: meta.get_tracestate().map(str::to_owned),
    })
}
