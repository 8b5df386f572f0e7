//! A small HTTP server that does what a test tells it, right or wrong.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// `GET /path?query HTTP/1.1`.
    pub(crate) line: String,
    /// Lower-case names and values.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The path with its query.
    pub(crate) fn path(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or_default()
    }
}

/// What the server does with a request.
pub(crate) enum Answer {
    /// Writes these bytes and closes.
    Bytes(Vec<u8>),
    /// Writes each piece after a wait, then closes.
    Pieces(Vec<(Duration, Vec<u8>)>),
    /// Writes the first bytes, then the second again and again until nobody reads.
    Endless(Vec<u8>, Vec<u8>),
    /// Never answers.
    Silence,
}

/// An answer with a body of known length.
pub(crate) fn answer(status: &str, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Answer {
    let body = body.as_ref();
    let mut head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n",
        body.len()
    );
    for (name, value) in headers {
        head.push_str(&[name, ": ", value, "\r\n"].concat());
    }
    Answer::Bytes([head.as_bytes(), b"\r\n", body].concat())
}

/// An answer of JSON.
pub(crate) fn json(body: &serde_json::Value) -> Answer {
    answer(
        "200 OK",
        &[("Content-Type", "application/json")],
        body.to_string(),
    )
}

/// A server on a loopback port; ended when dropped.
pub(crate) struct Server {
    address: SocketAddr,
    certificate: String,
    requests: Arc<Mutex<Vec<Request>>>,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(
        handler: impl Fn(&Request) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::start_at("127.0.0.1", None, handler).await
    }

    /// A server of `https`, with a certificate of its own making for a host.
    pub(crate) async fn start_tls(
        host: &str,
        handler: impl Fn(&Request) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::start_at("127.0.0.1", Some(host), handler).await
    }

    /// A server on an address of this machine.
    pub(crate) async fn start_at(
        ip: &str,
        host: Option<&str>,
        handler: impl Fn(&Request) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((ip, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, handler) = (requests.clone(), Arc::new(handler));
        let tls = host.map(acceptor);
        let certificate = tls.as_ref().map(|(_, pem)| pem.clone());
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, handler) = (seen.clone(), handler.clone());
                let Some((acceptor, _)) = &tls else {
                    connections.spawn(serve(stream, seen, handler));
                    continue;
                };
                let accepting = acceptor.accept(stream);
                connections.spawn(async move {
                    if let Ok(stream) = accepting.await {
                        serve(stream, seen, handler).await;
                    }
                });
            }
        });
        Self {
            address,
            certificate: certificate.unwrap_or_default(),
            requests,
            task,
        }
    }

    /// The certificate of a server of `https`, in PEM.
    pub(crate) fn certificate(&self) -> &str {
        &self.certificate
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every request so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn acceptor(host: &str) -> (TlsAcceptor, String) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec![host.to_owned()]).unwrap();
    let key = signing_key.serialize_der().try_into().unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), cert.pem())
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    seen: Arc<Mutex<Vec<Request>>>,
    handler: Arc<impl Fn(&Request) -> Answer>,
) {
    let Some(request) = read(&mut stream).await else {
        return;
    };
    let answer = handler(&request);
    seen.lock().unwrap().push(request);
    match answer {
        Answer::Bytes(bytes) => {
            let _ = stream.write_all(&bytes).await;
        }
        Answer::Pieces(pieces) => {
            for (wait, bytes) in pieces {
                tokio::time::sleep(wait).await;
                if stream.write_all(&bytes).await.is_err() {
                    return;
                }
                let _ = stream.flush().await;
            }
        }
        Answer::Endless(head, piece) => {
            let _ = stream.write_all(&head).await;
            while stream.write_all(&piece).await.is_ok() {}
        }
        Answer::Silence => std::future::pending().await,
    }
    let _ = stream.shutdown().await;
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Request> {
    let mut bytes = Vec::new();
    let end = loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.lines();
    let line = lines.next()?.to_owned();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let mut request = Request {
        line,
        headers,
        body: String::new(),
    };
    let length = request
        .header("content-length")
        .and_then(|text| text.parse().ok());
    while bytes.len() < end + 4 + length.unwrap_or(0) {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    request.body = String::from_utf8_lossy(&bytes[end + 4..]).into_owned();
    Some(request)
}
