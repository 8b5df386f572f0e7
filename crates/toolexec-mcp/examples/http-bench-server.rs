//! What `cargo xtask bench-http` loads: a server over HTTP with one tool that adds, either ours or
//! a bare one of rmcp. It says where it listens and serves until its input ends.
//!
//! ```text
//! http-bench-server ours-direct | ours-meta | bare
//! ```
#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a program of a bench"
)]

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum_server::accept::NoDelayAcceptor;
use rmcp::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData,
    ServerCapabilities, ServerConfig,
};
use rmcp::service::{RequestContext, RoleServer};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use toolexec_core::backend::local::{Local, LocalTool};
use toolexec_core::index::Index;
use toolexec_core::{Args, DocStore, Runner};
use toolexec_mcp::Server;
use toolexec_mcp::server::Mode;
use toolexec_mcp::server::auth::Auth;
use toolexec_mcp::server::http::HttpOptions;

const ANY_PORT: &str = "127.0.0.1:0";

#[tokio::main]
async fn main() {
    let which = std::env::args().nth(1).unwrap_or_default();
    let stop = CancellationToken::new();
    let serve = async {
        match which.as_str() {
            "ours-direct" => ours(Mode::Direct, stop.clone()).await,
            "ours-meta" => ours(Mode::Meta, stop.clone()).await,
            _ => bare(stop.clone()).await,
        }
    };
    let end = async {
        // Whatever comes, the end of it matters.
        let _ = tokio::io::stdin().read_to_end(&mut Vec::new()).await;
        stop.cancel();
    };
    tokio::select! {
        () = serve => {}
        () = end => {}
    }
}

async fn ours(mode: Mode, stop: CancellationToken) {
    let number = |args: &Args, name: &str| args[name].as_f64().unwrap_or_default();
    let tools = Local::new("math").tool(
        LocalTool::new("add", move |args: Args| async move {
            Ok::<_, String>(json!({"sum": number(&args, "a") + number(&args, "b")}))
        })
        .description("Adds two numbers.")
        .input_schema(schema()),
    );
    let index = Index::new();
    index.register_all(tools.registrations().expect("good tools"));
    let server = Server::builder(Runner::new(index), Arc::new(DocStore::default()))
        .mode(mode)
        .build();
    let address = ANY_PORT.parse().expect("an address");
    let mut options = HttpOptions::new(address);
    options.auth = Auth::None;
    let http = server.http(options).await.expect("a free port");
    println!("{}", http.address());
    http.run(stop).await.expect("it serves");
}

async fn bare(stop: CancellationToken) {
    let listener = TcpListener::bind(ANY_PORT).await.expect("a free port");
    println!("{}", listener.local_addr().expect("an address"));
    let config = StreamableHttpServerConfig::default()
        .with_cancellation_token(stop)
        .with_json_response(true);
    let sessions = Arc::new(LocalSessionManager::default());
    let service = StreamableHttpService::new(|| Ok(Bare), sessions, config);
    axum_server::Server::<SocketAddr>::from_listener(listener)
        .acceptor(NoDelayAcceptor::new())
        .serve(
            Router::new()
                .route_service("/mcp", service)
                .into_make_service(),
        )
        .await
        .expect("it serves");
}

fn schema() -> Value {
    let number = json!({"type": "number"});
    json!({
        "type": "object",
        "properties": {"a": number, "b": number},
        "required": ["a", "b"],
    })
}

/// The same tool on rmcp alone; nothing is checked.
#[derive(Debug, Clone)]
struct Bare;

impl ServerHandler for Bare {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    fn call_tool(
        &self,
        request: CallToolRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<CallToolResponse, ErrorData>> + Send {
        let args = request.arguments.unwrap_or_default();
        let number = |name: &str| args.get(name).and_then(Value::as_f64).unwrap_or_default();
        let sum = json!({"sum": number("a") + number("b")});
        let mut result = CallToolResult::success(vec![ContentBlock::text(sum.to_string())]);
        result.structured_content = Some(sum);
        std::future::ready(Ok(result.into()))
    }
}
