//! Servers over streamable HTTP: rmcp's own, and some that misbehave.

use std::borrow::Cow;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, Response, StatusCode};
use axum::routing::any;
use rmcp::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData,
    ListToolsResult, PaginatedRequestParams, ProgressNotificationParam, ProtocolVersion,
    ServerCapabilities, ServerConfig as RmcpServerConfig, Tool,
};
use rmcp::service::{RequestContext, RoleServer};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::{Value, json};
use toolexec_core::event::EventSink;
use toolexec_core::{CallContext, ErrorKind, Event, Source};
use toolexec_mcp::{McpServer, ServerConfig, ServerState, Transport};

use super::{brief, call, call_text, call_with, text};

/// Serves `router` on a free loopback port until the test ends; returns its address.
pub(crate) async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

/// The address of a page.
pub(crate) async fn page(html: &'static str) -> String {
    let answer = move || async move { response(200, "text/html", html) };
    serve(Router::new().fallback(any(answer))).await
}

pub(crate) fn response(status: u16, kind: &str, body: impl Into<Body>) -> Response<Body> {
    Response::builder()
        .status(StatusCode::from_u16(status).unwrap())
        .header("content-type", kind)
        .body(body.into())
        .unwrap()
}

/// A stateless server by hand: what it answers to a message.
pub(crate) fn answer(message: &Value) -> Value {
    let result = match message["method"].as_str().unwrap_or_default() {
        "server/discover" => json!({
            "resultType": "complete",
            "supportedVersions": ["2026-07-28"],
            "capabilities": {"tools": {}},
            "ttlMs": 0,
            "cacheScope": "private",
        }),
        "tools/list" => json!({
            "resultType": "complete",
            "tools": [
                {"name": "echo", "inputSchema": {"type": "object"}},
                {"name": "no schema"},
                {"name": "broken", "inputSchema": 7},
                {"name": "odd", "title": 7, "inputSchema": {"type": "object"}},
            ],
        }),
        _ => {
            let args = &message["params"]["arguments"];
            let content = match args["odd"].as_bool() {
                Some(true) => json!({"type": "hologram", "beam": 3}),
                _ => json!({"type": "text", "text": args.to_string()}),
            };
            json!({"resultType": "complete", "content": [content]})
        }
    };
    json!({"jsonrpc": "2.0", "id": message["id"], "result": result})
}

/// A server whose calls of tools are answered by `reply`; the rest of it behaves.
async fn hostile(
    reply: impl Fn(Value) -> Response<Body> + Clone + Send + Sync + 'static,
) -> Arc<McpServer> {
    let handler = move |body: Bytes| {
        let reply = reply.clone();
        async move {
            let message: Value = serde_json::from_slice(&body).unwrap();
            let is_bad = message["params"]["arguments"]["bad"] == true;
            if message["method"] == "tools/call" && is_bad {
                reply(message)
            } else {
                response(200, "application/json", answer(&message).to_string())
            }
        }
    };
    let url = serve(Router::new().route("/mcp", any(handler))).await;
    let mut config = ServerConfig::http(format!("{url}/mcp"));
    config.limits.message = 1 << 20;
    McpServer::new("web", "web", config)
}

async fn still_serves(server: &Arc<McpServer>) {
    let echo = call_text(server, "echo", json!({"a": 1})).await.unwrap();
    assert_eq!(echo, r#"{"a":1}"#);
}

/// Calls the bad tool and returns the error; the server serves the next call.
async fn bad(server: &Arc<McpServer>) -> toolexec_core::Error {
    let error = call(server, "echo", json!({"bad": true}))
        .await
        .unwrap_err();
    still_serves(server).await;
    error
}

#[tokio::test]
async fn rmcps_server_is_used_in_every_revision_and_form() {
    for (version, json_response) in [
        (ProtocolVersion::V_2026_07_28, true),
        (ProtocolVersion::V_2026_07_28, false),
        (ProtocolVersion::V_2025_11_25, true),
        (ProtocolVersion::V_2025_11_25, false),
        (ProtocolVersion::V_2025_06_18, false),
    ] {
        let url = rmcp_server(&version, json_response).await;
        let server = McpServer::new("web", "web", ServerConfig::http(url));
        let listing = Source::list(server.clone()).await.unwrap();
        let names: Vec<&str> = listing
            .tools
            .iter()
            .map(|tool| tool.tool.id.name())
            .collect();
        assert_eq!(names, ["echo", "slow"], "{version:?}");
        let echo = call_text(&server, "echo", json!({"a": 1})).await.unwrap();
        assert_eq!(echo, r#"{"a":1}"#);
        let ServerState::Connected {
            protocol_version, ..
        } = server.diagnostics().state
        else {
            panic!("connected");
        };
        assert_eq!(protocol_version, version.as_str());
        // A JSON body has no room for what comes before the answer.
        if !json_response {
            assert_eq!(progress(&server).await, [1.0, 2.0, 3.0], "{version:?}");
        }
        Source::shutdown(&*server).await;
    }
}

#[tokio::test]
async fn odd_tools_and_content_survive_both_forms_of_answer() {
    for form in ["application/json", "text/event-stream"] {
        let handler = move |body: Bytes| async move {
            let message: Value = serde_json::from_slice(&body).unwrap();
            let answer = answer(&message);
            match form {
                "application/json" => response(200, form, answer.to_string()),
                _ => response(200, form, format!("data: {answer}\n\n")),
            }
        };
        let url = serve(Router::new().fallback(any(handler))).await;
        let server = McpServer::new("web", "web", ServerConfig::http(url));
        let listing = Source::list(server.clone()).await.unwrap();
        let names: Vec<&str> = listing
            .tools
            .iter()
            .map(|tool| &*tool.remote_name)
            .collect();
        assert_eq!(names, ["echo", "no schema", "odd"], "{form}");
        assert_eq!(listing.notices.len(), 3, "{:?}", listing.notices);
        let raw = call(&server, "echo", json!({"odd": true})).await.unwrap();
        assert_eq!(text(&raw), r#"{"type":"hologram","beam":3}"#, "{form}");
    }
}

#[tokio::test]
async fn headers_and_tokens_are_sent() {
    let seen: Arc<Mutex<Vec<HeaderMap>>> = Arc::default();
    let keep = seen.clone();
    let handler = move |request: Request| {
        let keep = keep.clone();
        async move {
            let (parts, body) = request.into_parts();
            keep.lock().unwrap().push(parts.headers);
            let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
            let message = serde_json::from_slice(&body).unwrap_or_default();
            response(200, "application/json", answer(&message).to_string())
        }
    };
    let url = serve(Router::new().fallback(any(handler))).await;
    let mut config = ServerConfig::http(url);
    let Transport::Http(http) = &mut config.transport else {
        panic!("an HTTP server");
    };
    http.headers.insert("X-Key".to_owned(), "one".to_owned());
    http.auth = toolexec_mcp::auth::HttpAuth::Bearer("two".to_owned());
    still_serves(&McpServer::new("web", "web", config)).await;
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 2);
    for headers in seen.iter() {
        assert_eq!(headers["x-key"], "one");
        assert_eq!(headers["authorization"], "Bearer two");
        assert_eq!(headers["mcp-protocol-version"], "2026-07-28");
    }
    assert_eq!(seen[1]["mcp-method"], "tools/call");
    assert_eq!(seen[1]["mcp-name"], "echo");
}

#[tokio::test]
async fn a_server_that_wants_authorization_says_so() {
    for challenge in [true, false] {
        let handler = move || async move {
            let mut answer = response(401, "text/plain", "who are you?");
            if challenge {
                let value = "Bearer realm=\"mcp\"".parse().unwrap();
                answer.headers_mut().insert("www-authenticate", value);
            }
            answer
        };
        let url = serve(Router::new().fallback(any(handler))).await;
        let server = McpServer::new("web", "web", ServerConfig::http(url));
        let error = call(&server, "echo", json!({})).await.unwrap_err();
        assert_eq!(
            brief(&error),
            (
                ErrorKind::Denied,
                "MCP server web wants authorization (HTTP 401)"
            ),
            "{challenge}"
        );
        assert_eq!(
            error.hints(),
            [
                "set a bearer token or an Authorization header for this server",
                "or log in with OAuth, if the server offers it: `toolexec login web`"
            ]
        );
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let config = ServerConfig::http(format!("http://{address}/mcp"));
    let server = McpServer::new("web", "web", config);
    let error = call(&server, "echo", json!({})).await.unwrap_err();
    assert_eq!(
        brief(&error),
        (ErrorKind::Unavailable, "MCP server web cannot be reached")
    );
}

#[tokio::test]
async fn refusals_by_status_have_a_kind() {
    let server = hostile(|_| response(500, "text/plain", "oops")).await;
    assert_eq!(
        brief(&bad(&server).await),
        (ErrorKind::Backend, "MCP server web failed with HTTP 500")
    );
    let server = hostile(|_| {
        let mut answer = response(429, "text/plain", "slow down");
        let value = "7".parse().unwrap();
        answer.headers_mut().insert("retry-after", value);
        answer
    })
    .await;
    let error = bad(&server).await;
    assert_eq!(
        brief(&error),
        (
            ErrorKind::Unavailable,
            "MCP server web takes no more requests now (HTTP 429)"
        )
    );
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
}

#[tokio::test]
async fn answers_over_the_limit_are_not_read() {
    let body = |message: &Value| {
        let text = "x".repeat(5 << 20);
        let content = json!([{"type": "text", "text": text}]);
        json!({"jsonrpc": "2.0", "id": message["id"], "result": {"content": content}}).to_string()
    };
    let server = hostile(move |message| response(200, "application/json", body(&message))).await;
    assert_eq!(
        brief(&bad(&server).await),
        (
            ErrorKind::LimitExceeded,
            "MCP server web: the answer is larger than 1048576 bytes"
        )
    );
    let server = hostile(move |message| {
        let data = format!("data: {}\n\n", body(&message));
        response(200, "text/event-stream", data)
    })
    .await;
    assert_eq!(
        brief(&bad(&server).await),
        (
            ErrorKind::LimitExceeded,
            "MCP server web: the answer is larger than 1048576 bytes"
        )
    );
}

#[tokio::test]
async fn answers_that_are_no_messages_are_errors() {
    for (kind, body) in [
        ("text/html", "<html>login</html>"),
        ("application/json", "{not json"),
        ("application/json", "{}"),
        ("text/event-stream", "data: {not json\n\n"),
        ("text/event-stream", ""),
    ] {
        let server = hostile(move |_| response(200, kind, body)).await;
        let error = bad(&server).await;
        assert!(
            matches!(error.kind(), ErrorKind::Protocol | ErrorKind::Backend),
            "{kind} {body:?}: {error:?}"
        );
    }
}

#[tokio::test]
async fn an_answer_that_never_comes_ends_at_the_deadline() {
    let server = hostile(|_| {
        let never = futures_util::stream::pending::<Result<Bytes, std::io::Error>>();
        response(200, "application/json", Body::from_stream(never))
    })
    .await;
    let cx = CallContext::new().with_timeout(Duration::from_millis(300));
    let error = call_with(&server, "echo", json!({"bad": true}), &cx).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Timeout);
    still_serves(&server).await;
}

async fn progress(server: &Arc<McpServer>) -> Vec<f64> {
    let (sink, mut events) = EventSink::channel(10);
    let cx = CallContext::new().with_events(sink);
    call_with(server, "slow", json!({}), &cx).await.unwrap();
    drop(cx);
    let mut seen = Vec::new();
    while let Some(event) = events.recv().await {
        if let Event::Progress { progress, .. } = event {
            seen.push(progress);
        }
    }
    seen
}

/// rmcp's own server, speaking no revision newer than `version`.
async fn rmcp_server(version: &ProtocolVersion, json_response: bool) -> String {
    let versions = ProtocolVersion::known_up_to(version).to_vec();
    let config = StreamableHttpServerConfig::default()
        .with_json_response(json_response)
        .with_legacy_session_mode(version.has_initialize());
    let service: StreamableHttpService<Slow, LocalSessionManager> = StreamableHttpService::new(
        move || {
            Ok(Slow {
                versions: versions.clone(),
            })
        },
        Arc::default(),
        config,
    );
    let url = serve(Router::new().nest_service("/mcp", service)).await;
    format!("{url}/mcp")
}

/// A server made with rmcp.
#[derive(Clone)]
struct Slow {
    versions: Vec<ProtocolVersion>,
}

impl ServerHandler for Slow {
    fn get_info(&self) -> RmcpServerConfig {
        RmcpServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Cow::Owned(self.versions.clone())
    }

    fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<ListToolsResult, ErrorData>> + Send {
        let schema = || json!({"type": "object"}).as_object().cloned().unwrap();
        std::future::ready(Ok(ListToolsResult::with_all_items(vec![
            Tool::new("echo", "Echo", schema()),
            Tool::new("slow", "Progress", schema()),
        ])))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        if request.name == "slow" {
            let token = context.meta.get_progress_token().expect("a token");
            for step in 1..=3 {
                let progress = ProgressNotificationParam::new(token.clone(), f64::from(step));
                context.peer.notify_progress(progress).await.unwrap();
            }
        }
        let args = Value::Object(request.arguments.unwrap_or_default());
        let block = ContentBlock::text(args.to_string());
        Ok(CallToolResult::success(vec![block]).into())
    }
}
