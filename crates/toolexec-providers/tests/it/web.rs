//! The tool `fetch` against a real server: rules, redirects, private addresses, credentials.

use std::sync::Arc;

use serde_json::{Value, json};
use toolexec_core::ErrorKind;
use toolexec_providers::web::{Web, WebLimits, WebRule};

use crate::server::{Answer, Request, Server, answer};
use crate::support::{call, value};

const SECRET: &str = "Bearer s3cret-t0ken";

fn rule(origin: &str, paths: &[&str]) -> WebRule {
    WebRule {
        origin: origin.to_owned(),
        methods: ["GET", "POST"].map(String::from).to_vec(),
        paths: paths.iter().map(ToString::to_string).collect(),
        headers: vec![("authorization".to_owned(), SECRET.into())],
        allow_private: true,
        limits: WebLimits {
            max_response: 4096,
            max_redirects: 2,
            ..WebLimits::default()
        },
        ..WebRule::default()
    }
}

fn web(rules: impl IntoIterator<Item = WebRule>) -> Arc<Web> {
    Web::new("web", "web", rules).unwrap()
}

/// Answers with what it was asked.
fn echo(request: &Request) -> Answer {
    let seen = json!({
        "line": request.line,
        "authorization": request.header("authorization"),
        "own": request.header("x-own"),
        "type": request.header("content-type"),
        "body": request.body,
    });
    let headers = [
        ("Content-Type", "application/json"),
        ("X-Repeats", "it was s3cret-t0ken"),
    ];
    answer("200 OK", &headers, seen.to_string())
}

async fn refusal(web: &Arc<Web>, args: Value) -> (ErrorKind, String) {
    let error = call(web, "fetch", args).await.unwrap_err();
    (error.kind(), error.guest_message().to_owned())
}

#[tokio::test]
async fn credentials_are_put_in_and_taken_out() {
    let server = Server::start(echo).await;
    let web = web([rule(&server.url(), &[])]);
    let url = format!("{}/a?b=c", server.url());
    let args = json!({
        "url": url,
        "method": "POST",
        "headers": {"Authorization": "Bearer mine", "X-Own": "yes"},
        "json": {"n": 1}
    });
    let mut answered = value(call(&web, "fetch", args).await);
    let headers = answered["headers"].take();
    assert_eq!(headers["x-repeats"], json!("it was [hidden]"));
    assert_eq!(
        answered,
        json!({
            "status": 200,
            "url": url,
            "headers": null,
            "body": {
                "line": "POST /a?b=c HTTP/1.1",
                "authorization": "[hidden]",
                "own": "yes",
                "type": "application/json",
                "body": "{\"n\":1}"
            }
        })
    );
    // The server itself got it.
    assert_eq!(server.requests()[0].header("authorization"), Some(SECRET));
}

#[tokio::test]
async fn what_no_rule_allows_is_not_sent() {
    let server = Server::start(echo).await;
    let web = web([rule(&server.url(), &["/open/*"])]);
    let url = |path: &str| format!("{}{path}", server.url());
    for (method, path) in [
        ("GET", "/closed?key=1"),
        ("DELETE", "/open/a"),
        ("GET", "/open/../closed"),
        ("GET", "/open/..%2fclosed"),
    ] {
        let (kind, message) = refusal(&web, json!({"url": url(path), "method": method})).await;
        assert_eq!(kind, ErrorKind::Denied, "{path}");
        assert!(!message.contains("key=1"), "{message}");
    }
    let nothing = Web::new("web", "web", []).unwrap();
    let (_, message) = refusal(&nothing, json!({"url": url("/open/a")})).await;
    assert_eq!(
        message,
        format!("GET {} is not allowed here", url("/open/a"))
    );
    assert_eq!(server.requests().len(), 0);
}

#[tokio::test]
async fn redirects_must_fit_a_rule_and_take_no_credential_along() {
    let other = Server::start(echo).await;
    let target = other.url();
    let server = Server::start(move |request| {
        let to = match request.path() {
            "/out" => format!("{target}/in?x=1"),
            "/round" => "/round".to_owned(),
            _ => "http://169.254.169.254/latest/meta-data".to_owned(),
        };
        answer("302 Found", &[("Location", to.as_str())], "")
    })
    .await;
    let open = WebRule {
        headers: Vec::new(),
        ..rule(&other.url(), &[])
    };
    let url =
        |path: &str| json!({"url": format!("{}{path}", server.url()), "headers": {"X-Own": "yes"}});
    let alone = web([rule(&server.url(), &[])]);
    assert_eq!(
        refusal(&alone, url("/out")).await,
        (
            ErrorKind::Denied,
            format!(
                "the address redirected to GET {}/in, which is not allowed here",
                other.url()
            )
        )
    );
    assert_eq!(refusal(&alone, url("/metadata")).await.0, ErrorKind::Denied);
    assert_eq!(
        refusal(&alone, url("/round")).await,
        (
            ErrorKind::Backend,
            "the address redirected more than 2 times".to_owned()
        )
    );
    assert_eq!(other.requests().len(), 0);
    let both = web([rule(&server.url(), &[]), open]);
    let answered = value(call(&both, "fetch", url("/out")).await);
    assert_eq!(answered["url"], json!(format!("{}/in?x=1", other.url())));
    let seen = &other.requests()[0];
    assert_eq!(
        (seen.header("authorization"), seen.header("x-own")),
        (None, None)
    );
}

#[tokio::test]
async fn private_addresses_need_a_rule_that_says_so() {
    let server = Server::start(echo).await;
    let port = server.url().rsplit(':').next().unwrap().to_owned();
    // A name that means a private address, and addresses themselves.
    for host in ["localhost", "127.0.0.1", "[::1]", "2130706433"] {
        let origin = format!("http://{host}:{port}");
        let closed = WebRule {
            allow_private: false,
            ..rule(&origin, &[])
        };
        assert_eq!(
            refusal(&web([closed]), json!({"url": origin})).await,
            (
                ErrorKind::Denied,
                "the host is at a private address, which is not allowed here".to_owned()
            ),
            "{host}"
        );
    }
    assert_eq!(server.requests().len(), 0);
}

#[tokio::test]
async fn bodies_are_json_text_or_bytes_and_bounded() {
    let server = Server::start(|request| match request.path() {
        "/text" => answer("404 Not Found", &[("Content-Type", "text/plain")], "none"),
        "/bytes" => answer("200 OK", &[("Content-Type", "image/png")], [0xff, 0xd8]),
        "/broken" => answer("200 OK", &[("Content-Type", "application/json")], "{"),
        "/json" => answer("200 OK", &[("Content-Type", "application/json")], "[1, 2]"),
        "/empty" => answer("204 No Content", &[], ""),
        _ => answer("200 OK", &[], [b'x'; 5000]),
    })
    .await;
    let web = web([rule(&server.url(), &[])]);
    let fetch = async |path: &str| {
        let url = format!("{}{path}", server.url());
        call(&web, "fetch", json!({"url": url})).await
    };
    for (path, status, body) in [
        ("/text", 404, json!("none")),
        (
            "/bytes",
            200,
            json!({"contentType": "image/png", "size": 2, "data": "/9g="}),
        ),
        ("/broken", 200, json!("{")),
        ("/empty", 204, Value::Null),
    ] {
        let answered = value(fetch(path).await);
        assert_eq!(
            (&answered["status"], &answered["body"]),
            (&json!(status), &body)
        );
    }
    let url = format!("{}/json", server.url());
    let answered = value(call(&web, "fetch", json!({"url": url, "as": "text"})).await);
    assert_eq!(answered["body"], json!("[1, 2]"));
    let error = fetch("/large").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded);
    assert_eq!(
        error.guest_message(),
        "the answer is larger than 4096 bytes"
    );
}

#[tokio::test]
async fn wrong_arguments_are_told() {
    let web = web([rule("https://example.com", &[])]);
    for (args, expected) in [
        (
            json!({"url": "example.com/x"}),
            "\"example.com/x\" is no address: relative URL without a base",
        ),
        (
            json!({"url": "https://a:b@example.com"}),
            "an address may hold no user or password",
        ),
        (
            json!({"url": "https://example.com", "json": 1, "body": "1"}),
            "a request has either json or body",
        ),
        (
            json!({"url": "https://example.com", "headers": {"Host": "evil"}}),
            "the header \"Host\" is set by the connection itself",
        ),
        (
            json!({"url": "https://example.com", "headers": {"X": "a\nb"}}),
            "the header \"X\" has no valid value",
        ),
    ] {
        assert_eq!(
            refusal(&web, args).await,
            (ErrorKind::InvalidInput, expected.to_owned())
        );
    }
}
