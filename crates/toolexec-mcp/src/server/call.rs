//! A call of a tool, from the request to the answer.

use rmcp::model::{CallToolRequestParams, CallToolResponse, ErrorData};
use rmcp::service::{RequestContext, RoleServer};
use toolexec_core::Error;

use super::answer::Answer;
use super::context::call_context;
use super::handler::Handler;
use super::meta;

/// Runs what the request names. What fails in it is an answer that a model reads; only a request
/// that names nothing is an error of the protocol.
pub(super) async fn call(
    handler: &Handler,
    request: CallToolRequestParams,
    context: RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    let server = &handler.server;
    let Some(tool) = server.meta().find(&request.name) else {
        let names: Vec<&str> = server.meta().names().collect();
        return Err(ErrorData::invalid_params(
            format!(
                "unknown tool {:?}; there are {}. To run a tool that search_tools found, call \
                 run_tool with its id",
                request.name,
                names.join(", ")
            ),
            None,
        ));
    };
    let args = request.arguments.unwrap_or_default();
    let answer = meta::call(server, tool, args, call_context(&context)).await;
    let answer = answer.unwrap_or_else(|error: Error| Answer::failure(&error));
    Ok(answer.into_result().into())
}
