//! The server over HTTP, and what bad clients do to it.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::{CancellationToken, DropGuard};
use toolexec_mcp::Server;
use toolexec_mcp::server::auth::Auth;
use toolexec_mcp::server::http::{HttpOptions, TlsFiles};

use super::{builder, tools};

/// A server that listens, until it is dropped.
pub(super) struct Listening {
    url: String,
    address: SocketAddr,
    _stop: DropGuard,
}

/// What was answered.
#[derive(Debug)]
pub(super) struct Answered {
    status: u16,
    session: Option<String>,
    body: String,
}

impl Answered {
    /// The message: the body, or the last one of a stream.
    pub(super) fn message(&self) -> Value {
        let last = self
            .body
            .lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .next_back();
        serde_json::from_str(last.unwrap_or(&self.body)).unwrap_or_default()
    }

    pub(super) fn code(&self) -> Value {
        self.message()["error"]["code"].clone()
    }
}

pub(super) async fn listen(server: &Server, change: impl FnOnce(&mut HttpOptions)) -> Listening {
    let mut options = HttpOptions::new(([127, 0, 0, 1], 0).into());
    options.auth = Auth::None;
    change(&mut options);
    let http = server.http(options).await.unwrap();
    let (url, address) = (http.url(), http.address());
    let stop = CancellationToken::new();
    tokio::spawn(http.run(stop.clone()));
    Listening {
        url,
        address,
        _stop: stop.drop_guard(),
    }
}

impl Listening {
    fn request(&self, headers: &[(&str, &str)]) -> reqwest::RequestBuilder {
        install_tls();
        let accept = "application/json, text/event-stream";
        let mut request = reqwest::Client::new().post(&self.url);
        let usual = [("accept", accept), ("content-type", "application/json")];
        for (name, value) in usual.iter().chain(headers) {
            let replace = http::HeaderMap::from_iter([(
                http::HeaderName::from_bytes(name.as_bytes()).unwrap(),
                http::HeaderValue::from_str(value).unwrap(),
            )]);
            request = request.headers(replace);
        }
        request
    }

    pub(super) async fn post(
        &self,
        headers: &[(&str, &str)],
        body: impl Into<reqwest::Body>,
    ) -> Answered {
        read(self.request(headers).body(body).send().await.unwrap()).await
    }

    /// A request of revision 2026-07-28 that stands alone.
    pub(super) async fn modern(
        &self,
        method: &str,
        params: Value,
        capabilities: Value,
    ) -> Answered {
        let (headers, body) = modern(method, params, capabilities);
        let headers: Vec<(&str, &str)> = headers
            .iter()
            .map(|(name, value)| (*name, &**value))
            .collect();
        self.post(&headers, body).await
    }

    async fn still_serves(&self) {
        let params = json!({"name": "run_tool", "arguments": {"tool": "math:add", "args": {"a": 5, "b": 3}}});
        let answered = self.modern("tools/call", params, json!({})).await;
        assert_eq!(
            answered.message()["result"]["structuredContent"],
            json!({"value": 8}),
            "{answered:?}"
        );
    }

    /// Opens a session and answers its id.
    pub(super) async fn session(&self) -> String {
        let opened = self.post(&[], initialize()).await;
        let session = opened.session.unwrap();
        let headers = [("mcp-session-id", &*session)];
        let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        assert_eq!(
            self.post(&headers, initialized.to_string()).await.status,
            202
        );
        session
    }
}

fn modern(
    method: &str,
    mut params: Value,
    capabilities: Value,
) -> (Vec<(&'static str, String)>, String) {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    });
    params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = capabilities;
    let mut headers = vec![
        ("mcp-protocol-version", "2026-07-28".to_owned()),
        ("mcp-method", method.to_owned()),
    ];
    if let Some(name) = params["name"].as_str().or(params["taskId"].as_str()) {
        headers.push(("mcp-name", name.to_owned()));
    }
    let body = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
    (headers, body.to_string())
}

fn initialize() -> String {
    json!({
        "jsonrpc": "2.0", "id": 0, "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        },
    })
    .to_string()
}

async fn read(response: reqwest::Response) -> Answered {
    let session = response.headers().get("mcp-session-id");
    Answered {
        status: response.status().as_u16(),
        session: session.map(|id| id.to_str().unwrap().to_owned()),
        body: response.text().await.unwrap_or_default(),
    }
}

fn install_tls() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

async fn plain() -> Listening {
    listen(&builder(&tools()).build(), |_| {}).await
}

#[tokio::test]
async fn both_lifecycles_are_served_on_one_port() {
    let listening = plain().await;
    listening.still_serves().await;
    let session = listening.session().await;
    let headers = [
        ("mcp-session-id", &*session),
        ("mcp-protocol-version", "2025-11-25"),
    ];
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).to_string();
    let listed = listening.post(&headers, list).await.message();
    let modern = listening
        .modern("tools/list", json!({}), json!({}))
        .await
        .message();
    assert_eq!(listed["result"]["tools"], modern["result"]["tools"]);
    let discovered = listening
        .modern("server/discover", json!({}), json!({}))
        .await;
    let versions = discovered.message()["result"]["supportedVersions"].clone();
    assert!(
        versions.as_array().unwrap().contains(&json!("2026-07-28")),
        "{discovered:?}"
    );
}

#[tokio::test]
async fn headers_that_are_wrong_are_refused() {
    let listening = plain().await;
    let (usual, body) = modern("tools/list", json!({}), json!({}));
    let usual: Vec<(&str, &str)> = usual
        .iter()
        .map(|(name, value)| (*name, &**value))
        .collect();
    let cases: [(&str, &str, u16); 9] = [
        ("accept", "text/html", 406),
        ("accept", "application/json", 406),
        ("content-type", "text/plain", 415),
        ("mcp-protocol-version", "1999-01-01", 400),
        ("mcp-method", "tools/call", 400),
        ("mcp-session-id", "nobody", 200),
        ("host", "evil.example.com", 403),
        ("origin", "https://evil.example.com", 403),
        ("origin", "http://localhost:3000", 200),
    ];
    for (name, value, status) in cases {
        let headers = [&usual[..], &[(name, value)]].concat();
        let answered = listening.post(&headers, body.clone()).await;
        assert_eq!(answered.status, status, "{name}: {value}: {answered:?}");
    }
    let unknown = listening
        .post(&[("mcp-session-id", "nobody")], initialize())
        .await;
    assert_eq!(unknown.status, 404, "{unknown:?}");
    listening.still_serves().await;
}

#[tokio::test]
async fn bodies_that_are_no_messages_are_refused_in_the_form_of_the_protocol() {
    let listening = plain().await;
    for (body, code) in [
        ("", -32700),
        ("{", -32700),
        ("\u{0}\u{1}", -32700),
        ("[]", -32600),
        ("7", -32600),
        ("{}", -32600),
        (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1}"#, -32600),
    ] {
        let answered = listening.post(&[], body.to_owned()).await;
        assert_eq!(
            (answered.status, answered.code()),
            (400, json!(code)),
            "{body}: {answered:?}"
        );
    }
    let deep = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{}1{}}}"#,
        "[".repeat(5000),
        "]".repeat(5000)
    );
    assert_eq!(listening.post(&[], deep).await.status, 400);
    listening.still_serves().await;
}

#[tokio::test]
async fn ids_of_every_type_are_answered_or_refused() {
    let listening = plain().await;
    for (id, status) in [
        (json!(1), 200),
        (json!(0), 200),
        (json!(-5), 200),
        (json!(9_007_199_254_740_993_i64), 200),
        (json!("a"), 200),
        (json!(""), 200),
        (json!(1.5), 400),
        (json!(true), 400),
        (json!([1]), 400),
        (json!({"a": 1}), 400),
    ] {
        let (headers, body) = modern("tools/list", json!({}), json!({}));
        let headers: Vec<(&str, &str)> = headers
            .iter()
            .map(|(name, value)| (*name, &**value))
            .collect();
        let mut body: Value = serde_json::from_str(&body).unwrap();
        body["id"] = id.clone();
        let answered = listening.post(&headers, body.to_string()).await;
        assert_eq!(answered.status, status, "{id}: {answered:?}");
        if status == 200 {
            assert_eq!(answered.message()["id"], id);
        }
    }
    listening.still_serves().await;
}

#[tokio::test]
async fn unknown_methods_tools_and_cursors_are_errors_of_the_protocol() {
    let listening = plain().await;
    for (method, params, code) in [
        ("no/such", json!({}), -32601),
        ("tools/call", json!({"name": "nothing"}), -32602),
        ("tools/list", json!({"cursor": "of another list"}), -32602),
        ("tasks/get", json!({"taskId": "1"}), -32021),
    ] {
        let answered = listening.modern(method, params, json!({})).await;
        assert_eq!(answered.code(), json!(code), "{method}: {answered:?}");
    }
    listening.still_serves().await;
}

#[tokio::test]
async fn large_bodies_are_refused_before_they_are_read() {
    let listening = plain().await;
    let mut stream = TcpStream::connect(listening.address).await.unwrap();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nhost: {}\r\naccept: application/json, text/event-stream\r\n\
         content-type: application/json\r\ncontent-length: 104857600\r\n\r\n",
        listening.address
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // Not one byte of the body was sent.
    let answer = until_closed(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    // Without a length: read up to the limit.
    let mut stream = TcpStream::connect(listening.address).await.unwrap();
    let head = head.replace("content-length: 104857600", "transfer-encoding: chunked");
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut read, mut write) = stream.split();
    let send = async {
        let chunk = format!("100000\r\n{}\r\n", "x".repeat(0x0010_0000));
        for _ in 0..100 {
            if write.write_all(chunk.as_bytes()).await.is_err() {
                return;
            }
        }
    };
    let mut answer = vec![0; 12];
    let ((), read) = tokio::join!(send, read.read_exact(&mut answer));
    read.unwrap();
    assert_eq!(String::from_utf8_lossy(&answer), "HTTP/1.1 413");
    listening.still_serves().await;
}

async fn until_closed(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let read = stream.read_to_end(&mut text);
    let read = tokio::time::timeout(Duration::from_secs(10), read).await;
    let _ = read.expect("the connection is closed");
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test]
async fn clients_that_are_too_slow_are_hung_up_on() {
    let server = builder(&tools()).build();
    let listening = listen(&server, |options| {
        options.header_timeout = Duration::from_millis(200);
        options.body_timeout = Duration::from_millis(200);
    })
    .await;
    let mut silent = TcpStream::connect(listening.address).await.unwrap();
    let mut slow_head = TcpStream::connect(listening.address).await.unwrap();
    slow_head
        .write_all(b"POST /mcp HTTP/1.1\r\nhost: local")
        .await
        .unwrap();
    let mut slow_body = TcpStream::connect(listening.address).await.unwrap();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nhost: {}\r\naccept: application/json, text/event-stream\r\n\
         content-type: application/json\r\ncontent-length: 100\r\n\r\n{{",
        listening.address
    );
    slow_body.write_all(head.as_bytes()).await.unwrap();
    let answer = until_closed(&mut slow_body).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    until_closed(&mut slow_head).await;
    until_closed(&mut silent).await;
    listening.still_serves().await;
}

#[tokio::test]
async fn half_closed_and_broken_connections_do_no_harm() {
    let listening = plain().await;
    let (headers, body) = modern("tools/list", json!({}), json!({}));
    let mut head = format!(
        "POST /mcp HTTP/1.1\r\nhost: {}\r\naccept: application/json, text/event-stream\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n",
        listening.address,
        body.len()
    );
    for (name, value) in headers {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    let whole = format!("{head}\r\n{body}");
    for end in [1, 20, head.len(), whole.len() - 1, whole.len()] {
        let mut stream = TcpStream::connect(listening.address).await.unwrap();
        stream.write_all(&whole.as_bytes()[..end]).await.unwrap();
        stream.shutdown().await.unwrap();
        until_closed(&mut stream).await;
    }
    let mut garbage = TcpStream::connect(listening.address).await.unwrap();
    garbage.write_all(&[0xff; 4096]).await.unwrap();
    until_closed(&mut garbage).await;
    listening.still_serves().await;
}

#[tokio::test]
async fn connections_and_sessions_are_bounded() {
    let server = builder(&tools()).build();
    let listening = listen(&server, |options| {
        options.max_sessions = 2;
        options.max_connections = 20;
    })
    .await;
    let first = listening.session().await;
    let second = listening.session().await;
    let third = listening.session().await;
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).to_string();
    for (session, status) in [(&first, 404), (&second, 200), (&third, 200)] {
        let answered = listening
            .post(&[("mcp-session-id", session)], list.clone())
            .await;
        assert_eq!(answered.status, status);
    }
    let metrics = get(&listening, "/metrics").await;
    assert!(
        metrics.1.contains("toolexec_mcp_sessions 2\n"),
        "{}",
        metrics.1
    );
    let mut idle = Vec::new();
    for _ in 0..30 {
        idle.push(TcpStream::connect(listening.address).await.unwrap());
    }
    // Those beyond the bound are closed at once.
    let mut surplus = idle.pop().unwrap();
    assert_eq!(until_closed(&mut surplus).await, "");
    drop(idle);
    tokio::time::sleep(Duration::from_millis(200)).await;
    listening.still_serves().await;
}

async fn get(listening: &Listening, path: &str) -> (u16, String) {
    install_tls();
    let url = listening.url.replace("/mcp", path);
    let response = reqwest::get(url).await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

#[tokio::test]
async fn health_and_metrics_can_be_read() {
    let listening = plain().await;
    listening.still_serves().await;
    let fails = json!({"name": "run_tool", "arguments": {"tool": "math:fail"}});
    listening.modern("tools/call", fails, json!({})).await;
    assert_eq!(get(&listening, "/healthz").await, (200, "ok\n".to_owned()));
    assert_eq!(
        get(&listening, "/readyz").await,
        (200, "ready\n".to_owned())
    );
    let (status, metrics) = get(&listening, "/metrics").await;
    assert_eq!(status, 200);
    let counted: Vec<&str> = metrics
        .lines()
        .filter(|line| line.starts_with("toolexec_mcp_calls"))
        .collect();
    assert_eq!(
        counted,
        [
            "toolexec_mcp_calls_running 0",
            "toolexec_mcp_calls_total{outcome=\"error\",tool=\"run_tool\"} 1",
            "toolexec_mcp_calls_total{outcome=\"ok\",tool=\"run_tool\"} 1",
        ]
    );
}

#[tokio::test]
async fn tls_by_files() {
    install_tls();
    let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let place = tempfile::tempdir().unwrap();
    let files = TlsFiles {
        certificates: place.path().join("cert.pem"),
        key: place.path().join("key.pem"),
    };
    std::fs::write(&files.certificates, own.cert.pem()).unwrap();
    std::fs::write(&files.key, own.signing_key.serialize_pem()).unwrap();
    let server = builder(&tools()).build();
    let listening = listen(&server, |options| options.tls = Some(files.clone())).await;
    let url = format!("https://localhost:{}/healthz", listening.address.port());
    let root = reqwest::Certificate::from_pem(own.cert.pem().as_bytes()).unwrap();
    let client = reqwest::Client::builder()
        .add_root_certificate(root)
        .build()
        .unwrap();
    let text = client.get(url).send().await.unwrap().text().await.unwrap();
    assert_eq!(text, "ok\n");
    // Without TLS nobody gets in, and a key that is none is told at once.
    std::fs::write(&files.key, "no key").unwrap();
    let mut options = HttpOptions::new(([127, 0, 0, 1], 0).into());
    options.auth = Auth::None;
    options.tls = Some(files);
    let error = server.http(options).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the certificates or the key of TLS cannot be used"
    );
}
