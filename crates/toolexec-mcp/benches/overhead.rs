//! What a call through this crate costs beside the same call with a bare rmcp client.
//!
//! Both speak to a fake server of their own, one call after the other.
#![expect(clippy::expect_used, reason = "a bench without its server fails")]

use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use rmcp::ServiceExt;
use rmcp::model::CallToolRequestParams;
use rmcp::service::{RoleClient, RunningService};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use toolexec_core::event::EventSink;
use toolexec_core::{Backend, BackendCall, CallContext, Tool};
use toolexec_mcp::config::Protocol;
use toolexec_mcp::{McpServer, ServerConfig};
use toolexec_process::{Child, Command};

const TIMEOUT: Duration = Duration::from_secs(10);

fn args() -> Value {
    json!({"a": 1, "b": 2})
}

async fn bare() -> (RunningService<RoleClient, ()>, Child) {
    let program = toolexec_testkit::fake::mcp_server();
    let mut child = Command::new(program.to_string_lossy())
        .spawn()
        .expect("the fake server starts");
    let input = child.take_stdin().expect("a pipe");
    let output = child.take_stdout().expect("a pipe");
    let client = ().serve((output, input)).await.expect("the handshake");
    (client, child)
}

async fn ours() -> Arc<McpServer> {
    let program = toolexec_testkit::fake::mcp_server();
    let mut config = ServerConfig::stdio(program.to_string_lossy(), [""; 0]);
    // The lifecycle that the bare client uses.
    config.protocol = Protocol::Initialize;
    let server = McpServer::new("fake", "fake", config);
    server.connect().await.expect("the fake server starts");
    server
}

fn call(tool: &Arc<Tool>) -> BackendCall {
    let Value::Object(args) = args() else {
        unreachable!("an object")
    };
    BackendCall {
        tool: tool.clone(),
        remote_name: Arc::from("add"),
        args,
    }
}

fn overhead(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let mut group = criterion.benchmark_group("mcp/stdio/add");
    let (client, _child) = runtime.block_on(bare());
    group.bench_function("bare_rmcp", |bencher| {
        bencher.to_async(&runtime).iter(|| async {
            let Value::Object(args) = args() else {
                unreachable!("an object")
            };
            let params = CallToolRequestParams::new("add").with_arguments(args);
            client.call_tool(params).await.expect("a sum")
        });
    });
    let server = runtime.block_on(ours());
    let tool = Arc::new(Tool::builder("fake:add").build().expect("a tool"));
    group.bench_function("toolexec", |bencher| {
        bencher.to_async(&runtime).iter(|| async {
            let cx = CallContext::new();
            server.call(call(&tool), &cx).await.expect("a sum")
        });
    });
    group.bench_function("toolexec_with_events", |bencher| {
        bencher.to_async(&runtime).iter(|| async {
            let (sink, _events) = EventSink::channel(16);
            let cx = CallContext::new().with_events(sink);
            server.call(call(&tool), &cx).await.expect("a sum")
        });
    });
    // A deadline is a timer of the runtime, which costs the same whoever sets it.
    group.bench_function("bare_rmcp_with_timeout", |bencher| {
        bencher.to_async(&runtime).iter(|| async {
            let Value::Object(args) = args() else {
                unreachable!("an object")
            };
            let params = CallToolRequestParams::new("add").with_arguments(args);
            tokio::time::timeout(TIMEOUT, client.call_tool(params))
                .await
                .expect("in time")
                .expect("a sum")
        });
    });
    group.bench_function("toolexec_with_deadline", |bencher| {
        bencher.to_async(&runtime).iter(|| async {
            let cx = CallContext::new().with_timeout(TIMEOUT);
            server.call(call(&tool), &cx).await.expect("a sum")
        });
    });
    group.finish();
    runtime.block_on(async {
        toolexec_core::Source::shutdown(&*server).await;
        let _ = client.cancel().await;
    });
}

criterion_group!(benches, overhead);
criterion_main!(benches);
