//! What no ordinary client says: byte by byte.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};
use toolexec_providers::web::WebRule;

use super::{Running, SECRET, rule};
use crate::server::{Server, answer};

/// Status line and body of what is answered to bytes.
async fn say(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), bytes: &str) -> (String, String) {
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut answered = Vec::new();
    // The other side closes, each request asks for that.
    let _ = stream.read_to_end(&mut answered).await;
    let text = String::from_utf8_lossy(&answered).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let line = head.lines().next().unwrap_or_default();
    (line.to_owned(), body.trim_end().to_owned())
}

async fn ask(proxy: &Running, line: &str, headers: &str) -> (String, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", proxy.port)).await.unwrap();
    let password = proxy.password();
    let request = format!(
        "{line} HTTP/1.1\r\nProxy-Authorization: {password}\r\nConnection: close\r\n{headers}\r\n"
    );
    say(&mut stream, &request).await
}

#[cfg(unix)]
#[tokio::test]
async fn a_socket_of_this_machine_is_served_under_the_same_rules() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let proxy = Running::start([rule("http://allowed.test".to_owned())], "");
    let serving = proxy.proxy.clone();
    let task = tokio::spawn(async move { serving.serve_unix(listener).await });
    for (password, status) in [(proxy.password(), "403"), ("Basic no".to_owned(), "407")] {
        let mut stream = tokio::net::UnixStream::connect(&path).await.unwrap();
        let request = format!(
            "GET http://forbidden.test/ HTTP/1.1\r\nHost: forbidden.test\r\n\
             Proxy-Authorization: {password}\r\nConnection: close\r\n\r\n"
        );
        let (line, _) = say(&mut stream, &request).await;
        assert_eq!(line.split(' ').nth(1), Some(status), "{line}");
    }
    task.abort();
}

/// A connection that was opened to a host, and TLS for a name on it.
async fn opened(
    proxy: &Running,
    place: &str,
    name: &str,
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let mut stream = TcpStream::connect(("127.0.0.1", proxy.port)).await?;
    let password = proxy.password();
    let request = format!("CONNECT {place} HTTP/1.1\r\nProxy-Authorization: {password}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut head = [0; 19];
    stream.read_exact(&mut head).await?;
    assert_eq!(&head, b"HTTP/1.1 200 OK\r\nda");
    while stream.read_u8().await? != b'\n' {}
    assert_eq!(stream.read_u16().await?, 0x0d0a);
    let mut roots = RootCertStore::empty();
    let pem = proxy.proxy.authority_pem();
    roots
        .add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap())
        .unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
}

#[tokio::test]
async fn what_is_no_request_to_a_proxy_is_told() {
    let proxy = Running::start([], "");
    let bad = "HTTP/1.1 400 this is a proxy: it takes addresses of http, and CONNECT";
    for line in [
        "GET /",
        "GET ftp://a.test/",
        "GET https://a.test/",
        "OPTIONS *",
    ] {
        assert_eq!(ask(&proxy, line, "Host: a.test\r\n").await.0, bad, "{line}");
    }
    assert_eq!(
        ask(&proxy, "CONNECT user@a.test:443", "").await.0,
        "HTTP/1.1 400 CONNECT needs a host and a port"
    );
    let mut stream = TcpStream::connect(("127.0.0.1", proxy.port)).await.unwrap();
    let unknown = "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
    assert_eq!(
        say(&mut stream, unknown).await,
        (
            "HTTP/1.1 407 the proxy asks for its password".to_owned(),
            "toolexec proxy: the proxy asks for its password\n\n\
             use the address in HTTP_PROXY as it is"
                .to_owned()
        )
    );
    // The head of such a request is not even read to its end.
    let before = proxy.proxy.refused();
    let long = format!("X: {}\r\n", "x".repeat(1_000_000));
    let mut stream = TcpStream::connect(("127.0.0.1", proxy.port)).await.unwrap();
    let request = format!("GET http://a.test/ HTTP/1.1\r\n{long}\r\n");
    let _ = stream.write_all(request.as_bytes()).await;
    let _ = stream.read_to_end(&mut Vec::new()).await;
    assert_eq!(proxy.proxy.refused(), before);
}

#[tokio::test]
async fn a_connection_carries_requests_for_its_host_only() {
    let server = Server::start_tls("api.test", |_| answer("200 OK", &[], "here")).await;
    let place = format!("api.test:{}", server.port());
    let other = format!("other.test:{}", server.port());
    let rules = [
        rule(format!("https://{place}")),
        rule(format!("https://{other}")),
    ];
    let proxy = Running::start(rules, server.certificate());
    for (line, host, wanted) in [
        ("GET /", &place, "HTTP/1.1 200 OK"),
        (
            "GET /",
            &other,
            "HTTP/1.1 421 a connection to api.test carries requests for no other host",
        ),
        (
            &*format!("GET https://{other}/"),
            &place,
            "HTTP/1.1 421 a connection to api.test carries requests for no other host",
        ),
        ("OPTIONS *", &place, "HTTP/1.1 400 the request has no path"),
        (
            "CONNECT evil.test:443",
            &place,
            "HTTP/1.1 421 a connection to api.test carries requests for no other host",
        ),
    ] {
        let mut stream = opened(&proxy, &place, "api.test").await.unwrap();
        let request = format!("{line} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        assert_eq!(say(&mut stream, &request).await.0, wanted, "{line}");
    }
    // TLS for another name than was asked for.
    assert!(opened(&proxy, &place, "other.test").await.is_err());
    assert_eq!(
        proxy.proxy.refused().last().unwrap(),
        "a connection to api.test was used for other.test"
    );
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn credentials_of_the_caller_are_replaced_and_hops_are_not_passed_on() {
    let server = Server::start(|request| {
        let mut headers = request.headers.clone();
        headers.sort();
        let said = format!("{headers:?}");
        answer(
            "200 OK",
            &[("X-Repeats", "s3cret-t0ken"), ("Keep-Alive", "5")],
            said,
        )
    })
    .await;
    let origin = format!("http://api.test:{}", server.port());
    let proxy = Running::start(
        [WebRule {
            headers: vec![("Authorization".to_owned(), SECRET.into())],
            ..rule(origin.clone())
        }],
        "",
    );
    let headers = "Authorization: mine\r\nConnection: X-Hop\r\nX-Hop: 1\r\nTE: trailers\r\n\
                   X-Own: yes\r\nAccept-Encoding: zstd\r\n";
    let (line, body) = ask(&proxy, &format!("GET {origin}/"), headers).await;
    assert_eq!(line, "HTTP/1.1 200 OK");
    // In chunks: its length is not that of the host's answer.
    let port = server.port();
    let wanted = format!(
        "[(\"accept\", \"*/*\"), (\"accept-encoding\", \"gzip,deflate,br\"), (\"authorization\", \
         \"[hidden]\"), (\"host\", \"api.test:{port}\"), (\"user-agent\", \"toolexec/0.1.0\"), \
         (\"x-own\", \"yes\")]"
    );
    let said: String = body.lines().nth(1).unwrap_or_default().to_owned();
    assert_eq!(said, wanted);
    let seen = server.requests();
    assert_eq!(seen[0].header("authorization"), Some(SECRET));
}

#[tokio::test]
async fn the_authority_signs_for_its_own_proxy_only() {
    let server = Server::start_tls("api.test", |_| answer("200 OK", &[], "here")).await;
    let place = format!("api.test:{}", server.port());
    let rules = || [rule(format!("https://{place}"))];
    let (one, other) = (
        Running::start(rules(), server.certificate()),
        Running::start(rules(), server.certificate()),
    );
    assert_ne!(one.proxy.authority_pem(), other.proxy.authority_pem());
    // A host whose certificate nobody trusts is not passed on as if it were trusted.
    let strict = Running::start(rules(), "");
    let mut stream = opened(&strict, &place, "api.test").await.unwrap();
    let request = format!("GET /p HTTP/1.1\r\nHost: {place}\r\nConnection: close\r\n\r\n");
    assert_eq!(
        say(&mut stream, &request).await.0,
        format!(
            "HTTP/1.1 502 https://{place}/p cannot be reached: no secure connection could be made"
        )
    );
}
