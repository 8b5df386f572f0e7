//! Where and how a server listens.

use std::net::SocketAddr;
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
    /// Names by which clients reach the server (`Host`), beside the loopback names where it
    /// listens on loopback: a page whose name was made to point here is refused.
    pub allowed_hosts: Vec<String>,
    /// Web pages (`Origin`) that may call, such as `https://app.example.com`, beside those of
    /// loopback where it listens on loopback.
    pub allowed_origins: Vec<String>,
    /// The largest request, in bytes.
    pub max_body: usize,
    /// How long a client may take for the head of a request.
    pub header_timeout: Duration,
    /// How long a client may take for the body of a request.
    pub body_timeout: Duration,
    /// How long running requests may go on when the server ends.
    pub grace: Duration,
}

impl HttpOptions {
    /// Listens on `address`, at `/mcp`.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            path: "/mcp".to_owned(),
            auth: Auth::Unset,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            max_body: 4 << 20,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
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
