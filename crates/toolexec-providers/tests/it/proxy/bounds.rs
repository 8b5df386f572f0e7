//! What clients of the proxy may take.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use toolexec_providers::proxy::ProxyLimits;
use toolexec_providers::web::{WebLimits, WebRule};

use super::{Running, rule, small};
use crate::server::{Answer, Server, answer};

/// Status line of an answer, and how many bytes came after its head, and whether it ended well.
async fn ask(proxy: &Running, request: &str) -> (String, usize) {
    let mut stream = TcpStream::connect(("127.0.0.1", proxy.port)).await.unwrap();
    let (first, rest) = request.split_once("\r\n").unwrap();
    let password = proxy.password();
    let request = format!("{first} HTTP/1.1\r\nProxy-Authorization: {password}\r\n{rest}");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answered = Vec::new();
    let _ = stream.read_to_end(&mut answered).await;
    let text = String::from_utf8_lossy(&answered).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    (
        head.lines().next().unwrap_or_default().to_owned(),
        body.len(),
    )
}

fn get(url: &str) -> String {
    format!("GET {url}\r\nConnection: close\r\n\r\n")
}

#[tokio::test]
async fn answers_are_bounded_in_size() {
    let server = Server::start(|request| match request.path() {
        "/told" => answer("200 OK", &[], [b'x'; 5000]),
        "/fits" => answer("200 OK", &[], [b'x'; 4096]),
        _ => Answer::Endless(b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b'x'; 1000]),
    })
    .await;
    let origin = format!("http://api.test:{}", server.port());
    let proxy = Running::start(
        [WebRule {
            limits: small(),
            ..rule(origin.clone())
        }],
        "",
    );
    let url = |path: &str| get(&format!("{origin}{path}"));
    assert_eq!(
        ask(&proxy, &url("/fits")).await,
        ("HTTP/1.1 200 OK".to_owned(), 4096)
    );
    let larger = format!("the answer of {origin}/told is larger than 4096 bytes");
    assert_eq!(
        ask(&proxy, &url("/told")).await.0,
        format!("HTTP/1.1 502 {larger}")
    );
    // Its size is not known beforehand: it breaks off.
    let (_, size) = ask(&proxy, &url("/endless")).await;
    assert!(size <= 4096, "{size}");
    assert_eq!(
        proxy.proxy.refused(),
        [
            larger,
            format!("the answer of {origin}/endless was cut off: it is larger than its limit")
        ]
    );
}

#[tokio::test]
async fn requests_are_bounded_in_size() {
    let server = Server::start(|_| answer("200 OK", &[], "ok")).await;
    let origin = format!("http://api.test:{}", server.port());
    let posts = WebRule {
        methods: vec!["POST".to_owned()],
        ..rule(origin.clone())
    };
    let limits = ProxyLimits {
        max_request: 1000,
        ..ProxyLimits::default()
    };
    let proxy = Running::start_with([posts], "", limits);
    let told = |size: usize| {
        let body = "x".repeat(size);
        format!("POST {origin}/\r\nConnection: close\r\nContent-Length: {size}\r\n\r\n{body}")
    };
    let chunked = {
        let piece = format!("1f4\r\n{}\r\n", "x".repeat(500));
        let all = piece.repeat(3);
        format!(
            "POST {origin}/\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n{all}0\r\n\r\n"
        )
    };
    assert_eq!(ask(&proxy, &told(1000)).await.0, "HTTP/1.1 200 OK");
    let refused = "HTTP/1.1 413 the request is larger than 1000 bytes";
    assert_eq!(ask(&proxy, &told(1001)).await.0, refused);
    assert_eq!(ask(&proxy, &chunked).await.0, refused);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn all_that_passes_is_bounded() {
    let server = Server::start(|_| answer("200 OK", &[], [b'x'; 600])).await;
    let origin = format!("http://api.test:{}", server.port());
    let limits = ProxyLimits {
        max_total: 1500,
        ..ProxyLimits::default()
    };
    let proxy = Running::start_with([rule(origin.clone())], "", limits);
    let url = get(&format!("{origin}/"));
    for _ in 0..2 {
        assert_eq!(ask(&proxy, &url).await.1, 600);
    }
    assert_eq!(ask(&proxy, &url).await.1, 0);
    let (line, _) = ask(&proxy, &url).await;
    assert_eq!(
        line,
        "HTTP/1.1 403 the proxy passed as many bytes as it may (max_total)"
    );
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn hosts_that_say_nothing_are_given_up() {
    let server = Server::start(|_| Answer::Silence).await;
    let origin = format!("http://api.test:{}", server.port());
    let limits = WebLimits {
        timeout: Duration::from_millis(100),
        ..WebLimits::default()
    };
    let rules = [
        WebRule {
            limits,
            ..rule(origin.clone())
        },
        rule("http://closed.test:1".to_owned()),
    ];
    let proxy = Running::start(rules, "");
    assert_eq!(
        ask(&proxy, &get(&format!("{origin}/x?key=1"))).await.0,
        format!("HTTP/1.1 504 {origin}/x did not answer within 100ms")
    );
    assert_eq!(
        ask(&proxy, &get("http://closed.test:1/x")).await.0,
        "HTTP/1.1 502 http://closed.test:1/x cannot be reached: the connection was refused"
    );
}

#[tokio::test]
async fn connections_wait_for_a_place_and_silent_ones_lose_theirs() {
    let server = Server::start(|_| answer("200 OK", &[], "ok")).await;
    let origin = format!("http://api.test:{}", server.port());
    let limits = ProxyLimits {
        connections: 1,
        idle: Duration::from_millis(100),
        ..ProxyLimits::default()
    };
    let proxy = Running::start_with([rule(origin.clone())], "", limits);
    let mut silent = TcpStream::connect(("127.0.0.1", proxy.port)).await.unwrap();
    assert_eq!(
        ask(&proxy, &get(&format!("{origin}/"))).await.0,
        "HTTP/1.1 200 OK"
    );
    let mut said = Vec::new();
    let _ = silent.read_to_end(&mut said).await;
    assert_eq!(String::from_utf8_lossy(&said), "");
}
