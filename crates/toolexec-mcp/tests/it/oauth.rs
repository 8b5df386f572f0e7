//! OAuth against an authorization server of the test's own.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::Response;
use axum::routing::any;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use toolexec_core::ErrorKind;
use toolexec_mcp::auth::{HttpAuth, Login, LoginRequest, TokenStore};
use toolexec_mcp::{McpServer, ServerConfig, Transport};

use super::http::{answer, response, serve};
use super::{brief, call, call_text};

/// What the authorization server has seen and which token counts.
#[derive(Debug, Default)]
struct Seen {
    valid: u32,
    grants: Vec<String>,
}

type Shared = Arc<Mutex<Seen>>;

/// An MCP server and its authorization server at one address.
async fn protected() -> (String, Shared) {
    let seen = Shared::default();
    let state = seen.clone();
    let handler = move |request: Request| {
        let state = state.clone();
        async move {
            let (parts, body) = request.into_parts();
            let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
            let host = parts.headers["host"].to_str().unwrap().to_owned();
            let token = parts.headers.get("authorization");
            let token = token.and_then(|value| value.to_str().ok());
            route(
                &state,
                &format!("http://{host}"),
                parts.uri.path(),
                token,
                &body,
            )
        }
    };
    let url = serve(Router::new().fallback(any(handler))).await;
    (url, seen)
}

fn route(
    seen: &Shared,
    base: &str,
    path: &str,
    token: Option<&str>,
    body: &Bytes,
) -> Response<Body> {
    let ok = |value: Value| response(200, "application/json", value.to_string());
    if path.starts_with("/.well-known/oauth-protected-resource") {
        return ok(json!({
            "resource": format!("{base}/mcp"),
            "authorization_servers": [base],
        }));
    }
    if path.starts_with("/.well-known/oauth-authorization-server") {
        return ok(json!({
            "issuer": base,
            "authorization_endpoint": format!("{base}/authorize"),
            "token_endpoint": format!("{base}/token"),
            "registration_endpoint": format!("{base}/register"),
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_post", "none"],
        }));
    }
    match path {
        "/register" => response(
            201,
            "application/json",
            json!({
                "client_id": "registered",
                "redirect_uris": ["http://127.0.0.1:1/callback"],
                "token_endpoint_auth_method": "none",
            })
            .to_string(),
        ),
        "/token" => ok(grant(seen, body)),
        "/mcp" => mcp(seen, base, token, body),
        _ => response(404, "text/plain", "nothing here"),
    }
}

/// Gives a new token; the ones before stop counting.
fn grant(seen: &Shared, body: &Bytes) -> Value {
    let form = String::from_utf8(body.to_vec()).unwrap();
    let field = |name: &str| {
        form.split('&')
            .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
            .unwrap_or_default()
            .to_owned()
    };
    let mut seen = seen.lock().unwrap();
    seen.valid += 1;
    seen.grants.push(field("grant_type"));
    json!({
        "access_token": format!("token-{}", seen.valid),
        "refresh_token": format!("refresh-{}", seen.valid),
        "token_type": "Bearer",
        "expires_in": 3600,
    })
}

fn mcp(seen: &Shared, base: &str, token: Option<&str>, body: &Bytes) -> Response<Body> {
    let valid = seen.lock().unwrap().valid;
    if valid == 0 || token != Some(&format!("Bearer token-{valid}")) {
        let mut refused = response(401, "text/plain", "no");
        let metadata = format!("{base}/.well-known/oauth-protected-resource/mcp");
        let challenge = format!("Bearer resource_metadata=\"{metadata}\"");
        let headers = refused.headers_mut();
        headers.insert("www-authenticate", challenge.parse().unwrap());
        return refused;
    }
    let message = serde_json::from_slice(body).unwrap_or_default();
    response(200, "application/json", answer(&message).to_string())
}

fn server(url: &str, auth: HttpAuth) -> Arc<McpServer> {
    let mut config = ServerConfig::http(format!("{url}/mcp"));
    let Transport::Http(http) = &mut config.transport else {
        panic!("an HTTP server");
    };
    http.auth = auth;
    McpServer::new("web", "web", config)
}

#[tokio::test]
async fn a_program_gets_a_token_with_its_own_credentials_and_another_when_it_is_revoked() {
    let (url, seen) = protected().await;
    let auth = HttpAuth::ClientCredentials {
        client_id: "me".to_owned(),
        client_secret: "s3cret".to_owned(),
        scopes: vec!["tools".to_owned()],
    };
    let server = server(&url, auth);
    let echo = call_text(&server, "echo", json!({"a": 1})).await;
    assert_eq!(echo.unwrap(), r#"{"a":1}"#);
    // Revoked by the server: a new one is got without anybody's help.
    seen.lock().unwrap().valid += 100;
    let echo = call_text(&server, "echo", json!({"a": 2})).await;
    assert_eq!(echo.unwrap(), r#"{"a":2}"#);
    let grants = seen.lock().unwrap().grants.clone();
    assert_eq!(
        grants.first().map(String::as_str),
        Some("client_credentials")
    );
    assert_eq!(grants.len(), 2, "{grants:?}");
}

#[tokio::test]
async fn a_person_logs_in_and_the_tokens_are_kept_and_refreshed() {
    let (url, seen) = protected().await;
    let store = Arc::new(Memory::default());
    let waiting = server(&url, HttpAuth::Stored(store.clone()));
    let error = call(&waiting, "echo", json!({})).await.unwrap_err();
    assert_eq!(
        brief(&error),
        (
            ErrorKind::Denied,
            "MCP server web wants authorization (HTTP 401)"
        )
    );
    let request = LoginRequest {
        server: format!("{url}/mcp"),
        redirect_uri: "http://127.0.0.1:1/callback".to_owned(),
        ..LoginRequest::default()
    };
    let login = Login::start(request, store.clone()).await.unwrap();
    let asked = login.url().to_owned();
    assert!(asked.starts_with(&format!("{url}/authorize?")), "{asked}");
    let state = asked
        .split(['?', '&'])
        .find_map(|pair| pair.strip_prefix("state="))
        .expect("a state");
    let callback = format!("http://127.0.0.1:1/callback?code=abc&state={state}");
    login.finish(&callback).await.unwrap();
    assert!(store.0.lock().unwrap().is_some());
    let ready = server(&url, HttpAuth::Stored(store.clone()));
    let echo = call_text(&ready, "echo", json!({"a": 1})).await;
    assert_eq!(echo.unwrap(), r#"{"a":1}"#);
    // Revoked by the server: refreshed without anybody's help.
    seen.lock().unwrap().valid += 100;
    let echo = call_text(&ready, "echo", json!({"a": 2})).await;
    assert_eq!(echo.unwrap(), r#"{"a":2}"#);
    assert_eq!(
        seen.lock().unwrap().grants,
        ["authorization_code", "refresh_token"]
    );
}

#[tokio::test]
async fn a_login_with_a_forged_state_fails() {
    let (url, seen) = protected().await;
    let request = LoginRequest {
        server: format!("{url}/mcp"),
        redirect_uri: "http://127.0.0.1:1/callback".to_owned(),
        ..LoginRequest::default()
    };
    let store = Arc::new(Memory::default());
    let login = Login::start(request, store.clone()).await.unwrap();
    let forged = "http://127.0.0.1:1/callback?code=abc&state=forged";
    let error = login.finish(forged).await.unwrap_err();
    assert_eq!(brief(&error), (ErrorKind::Denied, "the login failed"));
    assert_eq!(seen.lock().unwrap().grants, Vec::<String>::new());
    assert!(store.0.lock().unwrap().is_none());
}

/// Keeps tokens in memory.
#[derive(Debug, Default)]
struct Memory(Mutex<Option<String>>);

impl TokenStore for Memory {
    fn load(&self) -> BoxFuture<'_, std::io::Result<Option<String>>> {
        Box::pin(async { Ok(self.0.lock().unwrap().clone()) })
    }

    fn save(&self, tokens: String) -> BoxFuture<'_, std::io::Result<()>> {
        Box::pin(async {
            *self.0.lock().unwrap() = Some(tokens);
            Ok(())
        })
    }

    fn clear(&self) -> BoxFuture<'_, std::io::Result<()>> {
        Box::pin(async {
            *self.0.lock().unwrap() = None;
            Ok(())
        })
    }
}
