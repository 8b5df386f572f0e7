//! Tests with real processes, real HTTP and real servers.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failure of a test's own steps is a failure of the test"
)]

mod calls;
mod conformance;
mod hostile;
mod http;
mod lifecycle;
mod listing;
mod oauth;
mod real;
mod server;

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use toolexec_core::backend::RawContent;
use toolexec_core::{
    Backend, BackendCall, CallContext, Content, Error, ErrorKind, RawOutput, Result, Tool,
};
use toolexec_mcp::{McpServer, ServerConfig};

/// The fake server with these options.
fn fake(options: &[&str]) -> ServerConfig {
    let program = toolexec_testkit::fake::mcp_server();
    let mut config = ServerConfig::stdio(program.to_string_lossy(), options.iter().copied());
    config.timeouts.connect = Duration::from_secs(20);
    config.timeouts.shutdown = Duration::from_millis(500);
    config
}

fn serve(config: ServerConfig) -> Arc<McpServer> {
    McpServer::new("fake", "fake", config)
}

fn request(name: &str, args: &Value) -> BackendCall {
    let Value::Object(args) = args.clone() else {
        panic!("arguments are an object");
    };
    BackendCall {
        tool: Arc::new(Tool::builder("fake:tool").build().unwrap()),
        remote_name: Arc::from(name),
        args,
    }
}

/// Calls a tool with a deadline of ten seconds.
async fn call(server: &Arc<McpServer>, name: &str, args: Value) -> Result<RawContent> {
    let cx = CallContext::new().with_timeout(Duration::from_secs(10));
    call_with(server, name, args, &cx).await
}

async fn call_with(
    server: &Arc<McpServer>,
    name: &str,
    args: Value,
    cx: &CallContext,
) -> Result<RawContent> {
    match server.call(request(name, &args), cx).await? {
        RawOutput::Content(content) => Ok(content),
        other => panic!("an MCP server answers content, not {other:?}"),
    }
}

/// The text of an answer that is one block of text.
fn text(raw: &RawContent) -> &str {
    match raw.content.as_slice() {
        [block] => block.as_text().expect("a block of text"),
        other => panic!("one block, not {other:?}"),
    }
}

async fn call_text(server: &Arc<McpServer>, name: &str, args: Value) -> Result<String> {
    Ok(text(&call(server, name, args).await?).to_owned())
}

/// What every test of a misbehaving server ends with.
async fn still_serves(server: &Arc<McpServer>) {
    let sum = call(server, "add", serde_json::json!({"a": 2, "b": 3})).await;
    let sum = sum.expect("the next call is served");
    assert_eq!(sum.structured, Some(serde_json::json!({"sum": 5.0})));
    assert_eq!(sum.content, [Content::text("{\"sum\":5.0}")]);
}

/// Kind and message of an error.
fn brief(error: &Error) -> (ErrorKind, &str) {
    (error.kind(), error.guest_message())
}
