//! Connections that nobody looks into, and web sockets.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use toolexec_providers::proxy::ProxyLimits;
use toolexec_providers::web::WebRule;

use super::{Running, output, rule};
use crate::server::{Server, answer};

fn tunnel(origin: String) -> WebRule {
    WebRule {
        tunnel: true,
        ..rule(origin)
    }
}

/// A server that says `ready` to whoever connects, then repeats what it is told.
async fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = stream.write_all(b"ready").await;
                let (mut from, mut to) = stream.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    port
}

/// A connection that a proxy opened, after the head of its answer.
async fn open(proxy: &Running, place: &str) -> (String, TcpStream) {
    let mut stream = TcpStream::connect(("127.0.0.1", proxy.port)).await.unwrap();
    let password = proxy.password();
    let request = format!("CONNECT {place} HTTP/1.1\r\nProxy-Authorization: {password}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    (head.lines().next().unwrap().to_owned(), stream)
}

#[tokio::test]
async fn a_tunnel_reaches_the_host_itself() {
    let server = Server::start_tls("api.test", |_| answer("200 OK", &[], "here")).await;
    let origin = format!("https://api.test:{}", server.port());
    let proxy = Running::start([tunnel(origin.clone())], "");
    // The client sees the certificate of the host, not one of ours.
    let own = proxy.directory.path().join("own.pem");
    std::fs::write(&own, server.certificate()).unwrap();
    let url = format!("{origin}/any");
    let args = ["-sS", "--cacert", own.to_str().unwrap(), "-X", "PUT", &url];
    assert_eq!(output("curl", &args, &proxy.environment()).await, "here");
    assert_eq!(server.requests()[0].line, "PUT /any HTTP/1.1");
    // What the clients of such a proxy trust is more than its own authority.
    let certificates = proxy.proxy.authority_pem().matches("BEGIN").count();
    assert!(certificates > 1, "{certificates}");
}

#[tokio::test]
async fn bytes_pass_both_ways_until_there_were_too_many() {
    let port = echo().await;
    let place = format!("ws.test:{port}");
    let limits = ProxyLimits {
        max_total: 5 + 2 * 1000,
        ..ProxyLimits::default()
    };
    let proxy = Running::start_with([tunnel(format!("http://{place}"))], "", limits);
    let (line, mut stream) = open(&proxy, &place).await;
    assert_eq!(line, "HTTP/1.1 200 OK");
    let mut ready = [0; 5];
    stream.read_exact(&mut ready).await.unwrap();
    assert_eq!(&ready, b"ready");
    let mut back = [0; 1000];
    stream.write_all(&[b'x'; 1000]).await.unwrap();
    stream.read_exact(&mut back).await.unwrap();
    assert_eq!(back, [b'x'; 1000]);
    stream.write_all(b"one more").await.unwrap();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    assert_eq!(rest, b"");
    let (line, _) = open(&proxy, &place).await;
    assert_eq!(
        line,
        "HTTP/1.1 403 the proxy passed as many bytes as it may (max_total)"
    );
}

#[tokio::test]
async fn a_tunnel_leads_to_no_private_address_by_itself() {
    let port = echo().await;
    let closed = |host: &str| WebRule {
        allow_private: false,
        ..tunnel(format!("https://{host}:{port}"))
    };
    let hosts = ["ws.test", "127.0.0.1", "[::1]"];
    let proxy = Running::start(hosts.map(closed), "");
    for host in hosts {
        let (line, _) = open(&proxy, &format!("{host}:{port}")).await;
        let wanted =
            format!("HTTP/1.1 403 {host} is at a private address, which no rule of [web] allows");
        assert_eq!(line, wanted);
    }
}

#[tokio::test]
async fn a_websocket_needs_a_tunnel() {
    let server = Server::start(|_| answer("200 OK", &[], "no")).await;
    let origin = format!("http://ws.test:{}", server.port());
    let proxy = Running::start([rule(origin.clone())], "");
    let url = format!("{origin}/socket");
    let headers = ["Connection: Upgrade", "Upgrade: websocket"];
    let args = ["-sS", "-H", headers[0], "-H", headers[1], &url];
    assert_eq!(
        output("curl", &args, &proxy.environment()).await,
        "toolexec proxy: a WebSocket to ws.test is not allowed: it cannot be looked into\n\n\
         a rule with tunnel = true, in place of the rule for this origin, allows it\n"
    );
    assert_eq!(server.requests().len(), 0);
}

#[tokio::test]
async fn dropping_the_server_ends_its_connections() {
    let port = echo().await;
    let place = format!("ws.test:{port}");
    let proxy = Running::start([tunnel(format!("https://{place}"))], "");
    let (_, mut stream) = open(&proxy, &place).await;
    let mut ready = [0; 5];
    stream.read_exact(&mut ready).await.unwrap();
    proxy.task.abort();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    assert_eq!(rest, b"");
    assert!(
        TcpStream::connect(("127.0.0.1", proxy.port)).await.is_err(),
        "nobody listens"
    );
}
