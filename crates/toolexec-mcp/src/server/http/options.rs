//! Where and how a server listens.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::server::auth::Auth;

/// Where and how a server listens.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HttpOptions {
    /// The address; port 0 takes a free one.
    pub address: SocketAddr,
    /// The path of the endpoint.
    pub path: String,
    /// Who may call. A server that was not told does not start.
    pub auth: Auth,
    /// TLS, by files.
    pub tls: Option<TlsFiles>,
    /// Names by which clients reach the server (`Host`), beside the loopback names where it
    /// listens on loopback: a page whose name was made to point here is refused.
    pub allowed_hosts: Vec<String>,
    /// Web pages (`Origin`) that may call, such as `https://app.example.com`, beside those of
    /// loopback where it listens on loopback.
    pub allowed_origins: Vec<String>,
    /// The largest request, in bytes.
    pub max_body: usize,
    /// The most connections at the same time; more are closed at once.
    pub max_connections: usize,
    /// The most sessions of clients of the revisions that have them; of more, the one that was
    /// used longest ago is ended.
    pub max_sessions: usize,
    /// How long a session may be unused.
    pub session_timeout: Duration,
    /// How long a client may take for the head of a request, and keep a connection unused.
    pub header_timeout: Duration,
    /// How long a client may take for the body of a request.
    pub body_timeout: Duration,
    /// How long a call of a session goes on whose client hung up, for it to come back.
    pub resume_timeout: Duration,
    /// How long running requests may go on when the server ends.
    pub grace: Duration,
}

/// The files of TLS, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificates, the server's own first.
    pub certificates: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl HttpOptions {
    /// Listens on `address`, at `/mcp`.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            path: "/mcp".to_owned(),
            auth: Auth::Unset,
            tls: None,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            max_body: 4 << 20,
            max_connections: 1_000,
            max_sessions: 1_000,
            session_timeout: Duration::from_mins(30),
            header_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            resume_timeout: Duration::from_secs(10),
            grace: Duration::from_secs(5),
        }
    }

    pub(super) fn hosts(&self, address: SocketAddr) -> Vec<String> {
        let mut hosts = self.allowed_hosts.clone();
        if address.ip().is_loopback() {
            hosts.extend(["localhost", "127.0.0.1", "::1"].map(str::to_owned));
        }
        hosts.push(address.ip().to_string());
        hosts
    }

    pub(super) fn origins(&self, address: SocketAddr) -> Vec<String> {
        let mut origins = self.allowed_origins.clone();
        if address.ip().is_loopback() {
            for host in ["localhost", "127.0.0.1", "[::1]"] {
                origins.push(format!("http://{host}:*"));
                origins.push(format!("https://{host}:*"));
            }
        }
        origins
    }
}
