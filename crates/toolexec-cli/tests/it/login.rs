//! `login` and `logout`, against an authorization server of the test's own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Stdio};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{RawQuery, Request};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::any;
use serde_json::{Value, json};

use super::program::{Place, assert_transcript};

/// An MCP server that wants a token, with its authorization server, until the test ends.
struct Server {
    base: String,
    _runtime: tokio::runtime::Runtime,
}

impl Server {
    /// `grants`: whether whoever asks is let in.
    fn start(grants: bool) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let own = base.clone();
        let answer = move |RawQuery(query): RawQuery, request: Request| {
            let base = own.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
                let query = query.unwrap_or_default();
                match parts.uri.path() {
                    "/authorize" => authorize(&query, grants).into_response(),
                    "/mcp" => mcp(&base, &parts.headers, &body),
                    path => json_of(&document(&base, path)),
                }
            }
        };
        let router = Router::new().fallback(any(answer));
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self {
            base,
            _runtime: runtime,
        }
    }

    /// A directory whose configuration names this server.
    fn place(&self) -> Place {
        Place::with_config(&format!("[servers.web]\nurl = \"{}/mcp\"\n", self.base))
    }
}

fn json_of(value: &Value) -> Response {
    let mut response = value.to_string().into_response();
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert("content-type", kind);
    response
}

fn document(base: &str, path: &str) -> Value {
    if path.starts_with("/.well-known/oauth-protected-resource") {
        return json!({"resource": format!("{base}/mcp"), "authorization_servers": [base]});
    }
    match path {
        "/register" => json!({
            "client_id": "registered",
            "redirect_uris": ["http://127.0.0.1/callback"],
            "token_endpoint_auth_method": "none",
        }),
        "/token" => json!({"access_token": "good", "token_type": "Bearer", "expires_in": 3600}),
        _ => json!({
            "issuer": base,
            "authorization_endpoint": format!("{base}/authorize"),
            "token_endpoint": format!("{base}/token"),
            "registration_endpoint": format!("{base}/register"),
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none"],
        }),
    }
}

/// Sends the browser back, as a person who agreed or refused.
fn authorize(query: &str, grants: bool) -> Redirect {
    let field = |wanted: &str| {
        let mut fields = url::form_urlencoded::parse(query.as_bytes());
        let found = fields.find(|(name, _)| name == wanted);
        found.unwrap().1.into_owned()
    };
    let (back, state) = (field("redirect_uri"), field("state"));
    Redirect::to(&if grants {
        format!("{back}?code=abc&state={state}")
    } else {
        format!("{back}?error=access_denied&error_description=not+today&state={state}")
    })
}

fn mcp(base: &str, headers: &HeaderMap, body: &Bytes) -> Response {
    if headers.get("authorization").map(HeaderValue::as_bytes) != Some(b"Bearer good") {
        let metadata = format!("{base}/.well-known/oauth-protected-resource/mcp");
        let challenge = format!("Bearer resource_metadata=\"{metadata}\"");
        return (
            StatusCode::UNAUTHORIZED,
            [("www-authenticate", challenge)],
            "no",
        )
            .into_response();
    }
    let message: Value = serde_json::from_slice(body).unwrap();
    let result = match message["method"].as_str().unwrap() {
        "server/discover" => json!({
            "resultType": "complete",
            "supportedVersions": ["2026-07-28"],
            "capabilities": {"tools": {}},
            "ttlMs": 0,
            "cacheScope": "private",
        }),
        "tools/list" => json!({
            "resultType": "complete",
            "tools": [{"name": "secret", "inputSchema": {"type": "object"}}],
        }),
        _ => json!({"resultType": "complete", "content": [{"type": "text", "text": "42"}]}),
    };
    json_of(&json!({"jsonrpc": "2.0", "id": message["id"], "result": result}))
}

/// Starts `toolexec login web` and reads the address to open.
fn login(place: &Place) -> (Child, BufReader<std::process::ChildStderr>, String) {
    let mut child = place
        .command(&["login", "web", "--no-browser", "--timeout", "60s"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.trim_start().starts_with("http") {
        line.clear();
        assert_ne!(said.read_line(&mut line).unwrap(), 0, "no address");
    }
    let address = line.trim().to_owned();
    (child, said, address)
}

/// What a browser does: asks, follows the redirect, shows the page.
fn browse(address: &str) -> String {
    let url = url::Url::parse(address).unwrap();
    let host = url.socket_addrs(|| None).unwrap()[0];
    let path = &url[url::Position::BeforePath..];
    let mut stream = TcpStream::connect(host).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let location = head
        .lines()
        .find_map(|line| line.strip_prefix("location: "));
    match location {
        Some(location) => browse(location),
        None => body.to_owned(),
    }
}

/// The exit code and what was said after the address.
fn end(mut child: Child, mut said: BufReader<std::process::ChildStderr>) -> (Option<i32>, String) {
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    (child.wait().unwrap().code(), rest)
}

#[test]
fn a_login_in_a_browser_opens_a_server_until_the_logout() {
    let server = Server::start(true);
    let place = server.place();
    assert_transcript!(place.transcript(&["run", "web:secret"]));

    let (child, said, address) = login(&place);
    assert_eq!(
        browse(&address),
        "toolexec is logged in. You may close this page."
    );
    assert_eq!(end(child, said), (Some(0), "logged in to web\n".to_owned()));
    let secret = place.output(&["run", "web:secret"], "");
    assert_eq!(String::from_utf8_lossy(&secret.stdout), "42\n");

    let tokens = place.path().join(".local/state/toolexec/tokens");
    let files: Vec<_> = std::fs::read_dir(&tokens).unwrap().collect();
    assert_eq!(files.len(), 1);
    let mode = files[0].as_ref().unwrap().metadata().unwrap().permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);

    let out = place.output(&["logout", "web"], "");
    assert_eq!(out.status.code(), Some(0));
    let after = place.output(&["run", "web:secret"], "");
    assert_eq!(after.status.code(), Some(4));
}

#[test]
fn a_refused_login_says_what_the_authorization_server_said() {
    let server = Server::start(false);
    let place = server.place();
    let (child, said, address) = login(&place);
    assert_eq!(
        browse(&address),
        "The login was refused; the terminal says why. You may close this page."
    );
    assert_eq!(
        end(child, said),
        (
            Some(4),
            "error: the login was refused: access_denied (not today)\n".to_owned()
        )
    );
}

#[test]
fn what_cannot_be_logged_in_to_is_said() {
    let place = Place::with_config(
        "[servers.local]\ncommand = \"x\"\n\n\
         [servers.keyed]\nurl = \"http://127.0.0.1:9/mcp\"\n\
         auth = { type = \"bearer\", token = \"t\" }\n",
    );
    let said: Vec<String> = ["local", "keyed", "absent"]
        .iter()
        .map(|server| place.transcript(&["login", server]))
        .collect();
    assert_transcript!(said.join("\n"));
}
