//! The MCP server, as its clients see it.

mod auth;
mod http;
mod meta;
mod passing;
mod programs;
mod results;
mod rounds;

use std::sync::Arc;

use rmcp::model::{CallToolRequestParams, CallToolResult};
use rmcp::service::{RoleClient, RunningService};
use rmcp::{ClientHandler, ServiceExt};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use toolexec_core::backend::local::{Local, LocalTool};
use toolexec_core::index::Index;
use toolexec_core::{Args, DocStore, Runner};
use toolexec_mcp::Server;
use toolexec_mcp::server::ServerBuilder;

/// Tools that a test can tell apart.
fn tools() -> Local {
    let number = |args: &Args, name: &str| args[name].as_f64().unwrap_or_default();
    Local::new("math")
        .tool(
            LocalTool::new("add", move |args: Args| async move {
                Ok::<_, String>(number(&args, "a") + number(&args, "b"))
            })
            .description("Adds two numbers.")
            .input_schema(json!({
                "type": "object",
                "properties": {"a": {"type": "number"}, "b": {"type": "number"}},
                "required": ["a", "b"],
            })),
        )
        .tool(
            LocalTool::new("nothing", async |_: Args| Ok::<_, String>(Value::Null))
                .description("Answers null."),
        )
        .tool(
            LocalTool::new("fail", async |_: Args| Err::<Value, _>("it does not work"))
                .description("Always fails."),
        )
}

fn builder(tools: &Local) -> ServerBuilder {
    let index = Index::new();
    index.register_all(tools.registrations().unwrap());
    Server::builder(Runner::new(index), Arc::new(DocStore::default()))
}

/// A client of `server`, over a pair of streams.
async fn connect<H: ClientHandler>(server: &Server, handler: H) -> RunningService<RoleClient, H> {
    let (near, far) = tokio::io::duplex(1 << 20);
    let (input, output) = tokio::io::split(far);
    let server = server.clone();
    tokio::spawn(async move {
        let stop = CancellationToken::new();
        server.streams(input, output, stop).await
    });
    handler.serve(near).await.unwrap()
}

async fn call<H: ClientHandler>(
    client: &RunningService<RoleClient, H>,
    name: &str,
    args: Value,
) -> CallToolResult {
    let Value::Object(args) = args else {
        panic!("arguments are an object");
    };
    let params = CallToolRequestParams::new(name.to_owned()).with_arguments(args);
    client.call_tool(params).await.unwrap()
}
