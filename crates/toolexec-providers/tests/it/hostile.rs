//! Servers that misbehave: each ends in an error that says what happened, and the API goes on
//! being called.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use toolexec_core::{CallContext, ErrorKind, Event, EventSink, RawOutput};
use toolexec_providers::openapi::{ApiLimits, Redirects};
use toolexec_providers::{ApiConfig, OpenApi};

use crate::server::{Answer, Request, Server, answer, json as json_answer};
use crate::support::{call, call_in, failure, value};

const JSON: (&str, &str) = ("Content-Type", "application/json");
const EVENTS: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";

fn config(base: String) -> ApiConfig {
    ApiConfig {
        base_url: Some(base),
        allow_private: true,
        timeout: Duration::from_secs(30),
        limits: ApiLimits {
            max_response: 1 << 20,
            ..ApiLimits::default()
        },
        ..ApiConfig::default()
    }
}

/// An API with the one operation `get` at any path.
fn api(config: &ApiConfig) -> Arc<OpenApi> {
    let document = json!({"openapi": "3.1.0", "paths": {"/{path}": {"get": {
        "operationId": "get",
        "parameters": [{"name": "path", "in": "path", "schema": {"type": "string"}}],
    }}}});
    OpenApi::load("x", config, document).unwrap()
}

fn bomb() -> Vec<u8> {
    // Twenty times what is allowed, in a few kilobytes.
    let zeros = vec![0; 1 << 20];
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    for _ in 0..20 {
        std::io::Write::write_all(&mut encoder, &zeros).unwrap();
    }
    encoder.finish().unwrap()
}

fn misbehave(request: &Request) -> Answer {
    match request.path() {
        "/fine" => json_answer(&json!("fine")),
        "/endless" => Answer::Endless(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n\"".to_vec(),
            vec![b'x'; 64 << 10],
        ),
        "/huge" => Answer::Endless(
            b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n".to_vec(),
            vec![b'x'; 64 << 10],
        ),
        "/bomb" => answer("200 OK", &[JSON, ("Content-Encoding", "gzip")], bomb()),
        "/no-gzip" => answer("200 OK", &[JSON, ("Content-Encoding", "gzip")], "plain"),
        "/half" => Answer::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf".to_vec()),
        "/nothing" => Answer::Bytes(Vec::new()),
        "/garbage" => Answer::Bytes(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()),
        "/lie" => answer("200 OK", &[JSON], "<html>login</html>"),
        "/deep" => answer("200 OK", &[JSON], "[".repeat(100_000)),
        "/silent" => Answer::Silence,
        "/slow" => Answer::Pieces(
            std::iter::once(b"HTTP/1.1 200 OK\r\n\r\n".to_vec())
                .chain(std::iter::repeat_n(b"x".to_vec(), 100))
                .map(|piece| (Duration::from_millis(20), piece))
                .collect(),
        ),
        "/head-flood" => Answer::Endless(b"HTTP/1.1 200 OK\r\n".to_vec(), b"X-A: b\r\n".repeat(100)),
        "/cut-events" => Answer::Bytes(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n".to_vec(),
        ),
        "/endless-events" => Answer::Endless(EVENTS.to_vec(), b"data: again\n\n".to_vec()),
        _ => answer("404 Not Found", &[], ""),
    }
}

#[tokio::test]
async fn each_ends_in_an_error_and_the_next_call_works() {
    let server = Server::start(misbehave).await;
    let api = api(&config(server.url()));
    let too_large = "the answer of API x is larger than 1048576 bytes (max_response)";
    let broken = "the answer of API x broke off before its end";
    let unanswered = "API x closed the connection before it answered";
    let cases = [
        ("endless", ErrorKind::LimitExceeded, too_large),
        ("huge", ErrorKind::LimitExceeded, too_large),
        ("bomb", ErrorKind::LimitExceeded, too_large),
        ("endless-events", ErrorKind::LimitExceeded, too_large),
        (
            "no-gzip",
            ErrorKind::Backend,
            "the answer of API x is not compressed as it says",
        ),
        ("half", ErrorKind::Backend, broken),
        ("cut-events", ErrorKind::Backend, broken),
        ("nothing", ErrorKind::Backend, unanswered),
        ("garbage", ErrorKind::Backend, unanswered),
        ("head-flood", ErrorKind::Backend, unanswered),
        (
            "lie",
            ErrorKind::Protocol,
            "API x says that its answer is JSON, which it is not: expected value at line 1 column 1",
        ),
        (
            "deep",
            ErrorKind::Protocol,
            "API x says that its answer is JSON, which it is not: recursion limit exceeded at line 1 column 128",
        ),
    ];
    for (path, kind, message) in cases {
        let error = call(&api, "get", json!({"path": path})).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (kind, message),
            "{path}"
        );
        assert_eq!(
            value(call(&api, "get", json!({"path": "fine"})).await),
            "fine",
            "{path}"
        );
    }
}

#[tokio::test]
async fn silence_ends_with_the_timeout() {
    let server = Server::start(misbehave).await;
    let api = api(&ApiConfig {
        timeout: Duration::from_millis(300),
        ..config(server.url())
    });
    for path in ["silent", "slow"] {
        let start = Instant::now();
        let error = call(&api, "get", json!({"path": path})).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{path}");
        assert!(start.elapsed() < Duration::from_secs(2));
    }
    assert_eq!(
        value(call(&api, "get", json!({"path": "fine"})).await),
        "fine"
    );
}

#[tokio::test]
async fn what_is_not_there_is_unavailable() {
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let cases = [
        (
            format!("http://127.0.0.1:{port}"),
            "API x cannot be reached: the connection was refused",
        ),
        (
            "http://no-such-host.invalid".to_owned(),
            "API x cannot be reached: its host name is not known",
        ),
    ];
    for (url, message) in cases.clone() {
        let error = call(&api(&config(url)), "get", json!({"path": "a"}))
            .await
            .unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (ErrorKind::Unavailable, message)
        );
    }
    // Under the resolver that only gives public addresses as well.
    let config_of = |url: &str| ApiConfig {
        allow_private: false,
        ..config(url.to_owned())
    };
    let api_of = api(&config_of("http://no-such-host.invalid"));
    let error = call(&api_of, "get", json!({"path": "a"}))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.to_string(), cases[1].1);
    // Plain text where TLS is expected.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let error = call(&api(&config(url)), "get", json!({"path": "a"}))
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (
            ErrorKind::Unavailable,
            "API x cannot be reached: no secure connection could be made"
        )
    );
}

#[tokio::test]
async fn private_addresses_are_refused_unless_allowed() {
    let server = Server::start(misbehave).await;
    let by_name = server.url().replace("127.0.0.1", "localhost");
    for url in [
        server.url(),
        by_name,
        "http://169.254.169.254".to_owned(),
        "http://[::1]".to_owned(),
    ] {
        let config = ApiConfig {
            allow_private: false,
            ..config(url.clone())
        };
        let error = call(&api(&config), "get", json!({"path": "fine"}))
            .await
            .unwrap_err();
        assert_eq!(
            (
                error.kind(),
                error.to_string().as_str(),
                error.hints().len()
            ),
            (
                ErrorKind::Denied,
                "API x is at a private address, which its configuration refuses",
                1
            ),
            "{url}"
        );
    }
    assert_eq!(server.requests().len(), 0);
}

#[tokio::test]
async fn redirects_are_bounded_and_checked() {
    let server = Server::start(|request| {
        let to = match request.path() {
            "/loop" => "/loop",
            "/file" => "file:///etc/passwd",
            "/secure" => "https://127.0.0.1/x",
            _ => return json_answer(&json!("end")),
        };
        answer("302 Found", &[("Location", to)], "")
    })
    .await;
    let api = api(&ApiConfig {
        redirects: Redirects::All,
        ..config(server.url())
    });
    let looped = failure(call(&api, "get", json!({"path": "loop"})).await);
    assert_eq!(
        looped.message,
        "302 Found: the redirect was not followed: there were too many (max_redirects)"
    );
    assert_eq!(server.requests().len(), 6);
    let file = failure(call(&api, "get", json!({"path": "file"})).await);
    assert_eq!(
        file.message,
        "302 Found: the redirect was not followed: it is no HTTP address"
    );
    // What is behind a redirect is not "nothing was sent".
    let error = call(&api, "get", json!({"path": "secure"}))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Backend);
}

#[tokio::test]
async fn events_arrive_while_the_call_runs() {
    let server = Server::start(|_| {
        let wait = Duration::from_millis(150);
        Answer::Pieces(vec![
            (Duration::ZERO, [EVENTS, b"data: {\"n\": 1}\n\n"].concat()),
            (wait, b": ping\n\nevent: note\ndata: half".to_vec()),
            (wait, b" whole\n\n".to_vec()),
            (wait, b"data: [DONE]\n\ndata: never\n\n".to_vec()),
        ])
    })
    .await;
    let api = api(&config(server.url()));
    let (sink, mut events) = EventSink::channel(1);
    let cx = CallContext::new().with_events(sink);
    let start = Instant::now();
    let reader = tokio::spawn(async move {
        let mut seen = Vec::new();
        while let Some(Event::Chunk { data }) = events.recv().await {
            seen.push((data, start.elapsed()));
        }
        seen
    });
    let output = call_in(&api, "get", json!({"path": "a"}), &cx)
        .await
        .unwrap();
    let end = start.elapsed();
    drop(cx);
    let seen = reader.await.unwrap();
    let expected = [
        json!({"n": 1}),
        json!({"event": "note", "data": "half whole"}),
    ];
    assert_eq!(output, RawOutput::Value(Value::from(expected.to_vec())));
    let data: Vec<&Value> = seen.iter().map(|(data, _)| data).collect();
    assert_eq!(data, expected.iter().collect::<Vec<_>>());
    assert!(
        seen[0].1 + Duration::from_millis(300) <= end,
        "{seen:?} {end:?}"
    );
}

#[tokio::test]
async fn a_dropped_call_closes_its_connection() {
    let server = Server::start(misbehave).await;
    let api = api(&config(server.url()));
    let (sink, mut events) = EventSink::channel(1);
    let cx = CallContext::new().with_events(sink);
    let call =
        tokio::spawn(
            async move { call_in(&api, "get", json!({"path": "endless-events"}), &cx).await },
        );
    // Nobody reads further, so the call waits for the reader and the server for the call.
    assert!(matches!(events.recv().await, Some(Event::Chunk { .. })));
    assert!(!call.is_finished());
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    // The chunk that waited may still be there; then the channel is closed.
    while events.recv().await.is_some() {}
}
