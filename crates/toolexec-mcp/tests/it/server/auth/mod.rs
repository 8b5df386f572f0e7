//! Who is let in over HTTP, and as whom.

mod signed;
mod tokens;

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio_util::sync::{CancellationToken, DropGuard};
use toolexec_core::backend::local::{Local, LocalTool};
use toolexec_core::{Args, CallContext, ErrorKind};
use toolexec_mcp::auth::HttpAuth;
use toolexec_mcp::server::auth::{ApiKey, Auth, AuthOptions};
use toolexec_mcp::server::http::HttpOptions;
use toolexec_mcp::{McpServer, ServerConfig, Transport};

use super::builder;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A server that tells its callers who they are.
struct Served {
    url: String,
    _stop: DropGuard,
}

impl Served {
    async fn new(auth: Auth) -> Self {
        let tools = Local::new("who").tool(LocalTool::with_context(
            "am_i",
            async |_: Args, cx: CallContext| {
                let caller = cx
                    .caller()
                    .map(|caller| (caller.name.clone(), caller.roles.clone()));
                Ok::<_, String>(caller)
            },
        ));
        let server = builder(&tools).build();
        let mut options = HttpOptions::new(loopback());
        options.auth = auth;
        let http = server.http(options).await.unwrap();
        let url = format!("http://{}/mcp", http.address());
        let stop = CancellationToken::new();
        tokio::spawn(http.run(stop.clone()));
        Self {
            url,
            _stop: stop.drop_guard(),
        }
    }

    /// Who a client is that sends this token.
    async fn who(&self, auth: HttpAuth) -> Result<Value, ErrorKind> {
        let mut config = ServerConfig::http(&self.url);
        if let Transport::Http(http) = &mut config.transport {
            http.auth = auth;
        }
        let client = McpServer::new("us", "us", config);
        let args = json!({"tool": "who:am_i"});
        let content = crate::call(&client, "run_tool", args).await;
        content
            .map(|content| content.structured.unwrap()["value"].clone())
            .map_err(|error| error.kind())
    }

    /// The status, the challenge and the description of a request with these headers.
    async fn refused(&self, query: &str, headers: &[(&str, &str)]) -> (u16, String, String) {
        let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        }});
        let mut request = client()
            .post(format!("{}{query}", self.url))
            .header("accept", "application/json, text/event-stream")
            .header("content-type", "application/json")
            .body(hello.to_string());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        let challenge = response.headers().get("www-authenticate");
        let challenge = challenge.map(|value| value.to_str().unwrap().to_owned());
        let status = response.status().as_u16();
        let body: Value =
            serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default();
        let text = body["error_description"].as_str().unwrap_or_default();
        (status, challenge.unwrap_or_default(), text.to_owned())
    }

    /// Why a token is refused.
    async fn token(&self, token: &str) -> (u16, String) {
        let header = format!("Bearer {token}");
        let (status, challenge, text) = self.refused("", &[("authorization", &header)]).await;
        if status == 401 {
            let wanted = format!(
                "Bearer error=\"invalid_token\", error_description=\"{text}\", \
                 resource_metadata=\"https://tools.example.com/.well-known/oauth-protected-resource/mcp\""
            );
            assert_eq!(challenge, wanted);
        }
        (status, text)
    }
}

fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn keys() -> Auth {
    let dev = ["dev".to_owned()];
    Auth::Required(AuthOptions {
        keys: vec![
            ApiKey::from_secret("ci", &dev, SECRET).unwrap(),
            // printf %s sixteen-or-more-characters | sha256sum
            ApiKey::from_sha256(
                "bob",
                &[],
                "e0a5da612e22ce5e139058c7f860b41d577e63332b1d4d60f3946f1b4b71e464",
            )
            .unwrap(),
        ],
        ..AuthOptions::default()
    })
}

fn bearer(token: impl Into<String>) -> HttpAuth {
    HttpAuth::Bearer(token.into())
}

#[tokio::test]
async fn a_server_that_was_not_told_who_may_call_does_not_start() {
    let server = builder(&Local::new("none")).build();
    let everywhere = SocketAddr::from(([0, 0, 0, 0], 0));
    let start = async |address: SocketAddr, auth: Auth| {
        let mut options = HttpOptions::new(address);
        options.auth = auth;
        let started = server.http(options).await;
        started
            .map(|_| ())
            .map_err(|error| (error.kind(), error.to_string()))
    };
    let refused = |text: &str| Err((ErrorKind::Config, text.to_owned()));
    let unset = "serving over HTTP needs authentication, and none is configured";
    assert_eq!(start(loopback(), Auth::Unset).await, refused(unset));
    let open = "serving without authentication is for loopback addresses only";
    assert_eq!(start(everywhere, Auth::None).await, refused(open));
    let empty = Auth::Required(AuthOptions::default());
    let neither = "authentication has neither keys nor issuers";
    assert_eq!(start(loopback(), empty).await, refused(neither));
    assert_eq!(start(loopback(), Auth::None).await, Ok(()));
    assert_eq!(start(loopback(), keys()).await, Ok(()));
}

#[tokio::test]
async fn a_key_names_its_caller() {
    let served = Served::new(keys()).await;
    assert_eq!(served.who(bearer(SECRET)).await, Ok(json!(["ci", ["dev"]])));
    let (status, ..) = served.refused("", &[("x-api-key", SECRET)]).await;
    assert_eq!(status, 200);
    let bobs = bearer("sixteen-or-more-characters");
    assert_eq!(served.who(bobs).await, Ok(json!(["bob", []])));
    let open = Served::new(Auth::None).await;
    assert_eq!(open.who(HttpAuth::None).await, Ok(Value::Null));
}

#[tokio::test]
async fn a_request_has_one_credential_in_a_header() {
    let served = Served::new(keys()).await;
    let good = format!("Bearer {SECRET}");
    let invalid = |text: &str| {
        let challenge = format!("Bearer error=\"invalid_request\", error_description=\"{text}\"");
        (400, challenge, text.to_owned())
    };
    let wrong = |text: &str| {
        let challenge = format!("Bearer error=\"invalid_token\", error_description=\"{text}\"");
        (401, challenge, text.to_owned())
    };
    let several = invalid("the request has more than one credential");
    let cases: [(&[(&str, &str)], _); 9] = [
        (
            &[("authorization", &good), ("authorization", &good)],
            several.clone(),
        ),
        (
            &[("authorization", &good), ("x-api-key", SECRET)],
            several.clone(),
        ),
        (
            &[("x-api-key", SECRET), ("x-api-key", SECRET)],
            several.clone(),
        ),
        (&[("authorization", "Bearer a, Bearer b")], several),
        (
            &[("authorization", "Basic YTpi")],
            invalid("the scheme of `Authorization` is not `Bearer`"),
        ),
        (
            &[("authorization", "Bearer ")],
            wrong("the credential is empty"),
        ),
        (&[("x-api-key", "")], wrong("the credential is empty")),
        (
            &[("authorization", "Bearer 0123456789abcdef")],
            wrong("the credential is not known"),
        ),
        (
            &[("x-api-key", &format!("{SECRET}0"))],
            wrong("the credential is not known"),
        ),
    ];
    for (headers, wanted) in cases {
        assert_eq!(served.refused("", headers).await, wanted, "{headers:?}");
    }
    let missing = "this server needs a credential: a header `Authorization: Bearer TOKEN` or `X-API-Key: KEY`";
    assert_eq!(
        served.refused("", &[]).await,
        (401, "Bearer".to_owned(), missing.to_owned())
    );
    let in_query = invalid("a credential in the query is refused; send it in a header");
    for query in [
        format!("?access_token={SECRET}"),
        format!("?a=1&API_KEY={SECRET}"),
    ] {
        assert_eq!(served.refused(&query, &[]).await, in_query);
        assert_eq!(
            served.refused(&query, &[("authorization", &good)]).await,
            in_query
        );
    }
    assert_eq!(
        served.refused("?x=1", &[("authorization", &good)]).await.0,
        200
    );
}

#[test]
fn secrets_that_anybody_can_guess_are_refused() {
    let message = |made: Result<ApiKey, toolexec_core::Error>| made.unwrap_err().to_string();
    let secret = |text: &str| message(ApiKey::from_secret("k", &[], text));
    assert_eq!(secret(" \n"), "the secret of the key \"k\" is empty");
    assert_eq!(
        secret("hunter2"),
        "the secret of the key \"k\" has 7 characters; it needs 16"
    );
    let sha256 = |text: &str| message(ApiKey::from_sha256("k", &[], text));
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(
        sha256(empty),
        "the `sha256` of the key \"k\" is that of an empty secret"
    );
    let wrong = "the `sha256` of the key \"k\" is not 64 hexadecimal digits";
    for text in ["", "abc", &"+1".repeat(32), &"é".repeat(32)] {
        assert_eq!(sha256(text), wrong, "{text}");
    }
    let key = ApiKey::from_sha256("k", &[], &"0F".repeat(32)).unwrap();
    let shown = "ApiKey { caller: Caller { name: \"k\", roles: [] }, .. }";
    assert_eq!(format!("{key:?}"), shown, "no hash is shown");
}
