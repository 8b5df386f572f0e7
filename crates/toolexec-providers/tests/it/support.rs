//! What the tests share.

use std::sync::Arc;

use serde_json::Value;
use toolexec_core::backend::ToolFailure;
use toolexec_core::{Backend, BackendCall, CallContext, Error, Listing, RawOutput, Source};

/// Lists a source.
pub(crate) async fn list<S: Source>(source: &Arc<S>) -> Listing {
    source.clone().list().await.unwrap()
}

/// Calls a tool by its name without namespace, as the run path would, its schemas checked.
pub(crate) async fn call<S: Source + Backend>(
    source: &Arc<S>,
    name: &str,
    args: Value,
) -> Result<RawOutput, Error> {
    call_in(source, name, args, &CallContext::new()).await
}

/// [`call`] in a context.
pub(crate) async fn call_in<S: Source + Backend>(
    source: &Arc<S>,
    name: &str,
    args: Value,
    cx: &CallContext,
) -> Result<RawOutput, Error> {
    let listing = list(source).await;
    let found = listing
        .tools
        .iter()
        .find(|registration| registration.tool.id.name() == name);
    let found = found.unwrap_or_else(|| panic!("no tool {name}"));
    let schema = toolexec_core::schema::Schema::compile(found.tool.input_schema.clone()).unwrap();
    assert_eq!(schema.validate(&args), Ok(()), "arguments of {name}");
    let call = BackendCall {
        tool: Arc::new(found.tool.clone()),
        remote_name: found.remote_name.clone(),
        args: args.as_object().unwrap().clone(),
    };
    found.backend.call(call, cx).await
}

/// The value of an answer.
pub(crate) fn value(output: Result<RawOutput, Error>) -> Value {
    match output.unwrap() {
        RawOutput::Value(value) => value,
        RawOutput::Content(content) => content.structured.unwrap(),
        RawOutput::Failure(failure) => panic!("the tool failed: {failure:?}"),
    }
}

/// The tool's own failure.
pub(crate) fn failure(output: Result<RawOutput, Error>) -> ToolFailure {
    match output.unwrap() {
        RawOutput::Failure(failure) => failure,
        other => panic!("no failure: {other:?}"),
    }
}
