//! The web for any program that speaks HTTP: a proxy that lets through what [`WebRule`]s allow.
//!
//! A program in a sandbox has no network but this proxy. It holds no credential: the headers of a
//! rule are put in here, over what the program wrote, and a value of theirs that an answer repeats
//! is taken out again.
//!
//! - `GET http://...` and `CONNECT host:port`. A connection is looked into: TLS ends here, with a
//!   certificate of an authority that this proxy alone has ([`Proxy::authority_pem`]), so each
//!   request is judged by its method and path, redirects included.
//! - A rule with [`tunnel`](WebRule::tunnel) passes connections on as they are.
//! - A WebSocket cannot be judged once it is open: it needs a tunnel, else it is refused.
//! - Names are resolved here, once, and what was judged is what is connected to.
//! - What no rule allows is answered with 403 and a text that says which rule is missing.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use toolexec_providers::Proxy;
//! use toolexec_providers::web::WebRule;
//!
//! let proxy = Proxy::new([WebRule {
//!     origin: "https://api.github.com".to_owned(),
//!     headers: vec![("authorization".to_owned(), "Bearer ...".into())],
//!     ..WebRule::default()
//! }])?;
//! let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
//! let port = listener.local_addr()?.port();
//! let environment = proxy.environment(port, "/etc/toolexec/proxy.pem");
//! // ... start a program with it, and with `proxy.authority_pem()` in that file ...
//! proxy.serve(listener).await?;
//! # Ok(())
//! # }
//! ```

mod authority;
mod connection;
mod forward;
mod meter;
mod refusal;
mod tunnel;

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use reqwest::Certificate;
use subtle::ConstantTimeEq;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use toolexec_core::{Error, ErrorKind, Result};

use crate::clients::Clients;
pub use crate::egress::Names;
use crate::egress::SystemNames;
use crate::web::WebRule;
use crate::web::rules::Rules;
use authority::Authority;
use meter::Meter;
use refusal::Refusal;

/// The user whose password is this proxy's own.
const USER: &str = "toolexec";
/// How many refusals are kept.
const KEPT_REFUSALS: usize = 100;
/// How long to wait when a connection cannot be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What clients of a proxy may take, beside the limits of each rule.
#[derive(Debug, Clone)]
pub struct ProxyLimits {
    /// Connections at once; further ones wait.
    pub connections: usize,
    /// The largest head of a request, in bytes.
    pub max_head: usize,
    /// The largest body of a request, in bytes.
    pub max_request: u64,
    /// All bytes of bodies and tunnels, both ways, while the proxy lives.
    pub max_total: u64,
    /// How long a connection may be silent.
    pub idle: Duration,
}

impl Default for ProxyLimits {
    /// 64 connections, 64 KiB, 64 MiB, 4 GiB, a minute.
    fn default() -> Self {
        Self {
            connections: 64,
            max_head: 64 << 10,
            max_request: 64 << 20,
            max_total: 4 << 30,
            idle: Duration::from_mins(1),
        }
    }
}

/// How a proxy works.
#[derive(Debug, Clone, Default)]
pub struct ProxySettings {
    /// What its clients may take.
    pub limits: ProxyLimits,
    /// How names are resolved; the resolver of the machine when `None`.
    pub names: Option<Arc<dyn Names>>,
    /// Certificates in PEM that servers may have, beside those that the machine trusts.
    pub trusted_pem: String,
}

/// A proxy that lets through what its rules allow.
pub struct Proxy {
    rules: Rules,
    limits: ProxyLimits,
    clients: Clients,
    authority: Authority,
    /// What `Proxy-Authorization` must say: a listener on loopback is open to everybody there.
    token: String,
    places: Arc<Semaphore>,
    meter: Arc<Meter>,
    refused: Mutex<VecDeque<String>>,
}

impl Proxy {
    /// A proxy under rules, with the usual limits.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when a rule cannot be read; its message names the rule.
    pub fn new(rules: impl IntoIterator<Item = WebRule>) -> Result<Arc<Self>> {
        Self::with(rules, ProxySettings::default())
    }

    /// A proxy under rules.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when a rule, or a certificate of the settings, cannot be read.
    pub fn with(
        rules: impl IntoIterator<Item = WebRule>,
        settings: ProxySettings,
    ) -> Result<Arc<Self>> {
        let rules = Rules::new(rules)
            .map_err(|error| Error::new(ErrorKind::Config, error.to_string()).with_source(error))?;
        let trusted = Certificate::from_pem_bundle(settings.trusted_pem.as_bytes());
        let trusted = trusted.map_err(|error| {
            let message = "a trusted certificate cannot be read";
            Error::new(ErrorKind::Config, message).with_source(error)
        })?;
        let names = settings.names.unwrap_or_else(|| Arc::new(SystemNames));
        let limits = settings.limits;
        Ok(Arc::new(Self {
            authority: Authority::new()?,
            token: token()?,
            clients: Clients::new(names, trusted),
            places: Arc::new(Semaphore::new(limits.connections)),
            meter: Arc::new(Meter::new(limits.max_total)),
            refused: Mutex::default(),
            limits,
            rules,
        }))
    }

    /// Serves a listener until the future is dropped, which ends every connection.
    ///
    /// # Errors
    /// When the listener cannot be used at all. What goes wrong with one connection ends that one.
    ///
    /// # Cancel safety
    /// Dropping the future ends every connection; the proxy itself can serve again.
    pub async fn serve(self: &Arc<Self>, listener: std::net::TcpListener) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        self.serve_all(|task| listener.poll_accept(task)).await
    }

    /// Serves a listener at a socket of this machine, as [`serve`](Self::serve) does.
    ///
    /// # Errors
    /// As those of [`serve`](Self::serve).
    ///
    /// # Cancel safety
    /// As that of [`serve`](Self::serve).
    #[cfg(unix)]
    pub async fn serve_unix(
        self: &Arc<Self>,
        listener: std::os::unix::net::UnixListener,
    ) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::UnixListener::from_std(listener)?;
        self.serve_all(|task| listener.poll_accept(task)).await
    }

    async fn serve_all<S, A>(
        self: &Arc<Self>,
        mut accept: impl FnMut(&mut Context<'_>) -> Poll<io::Result<(S, A)>>,
    ) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut connections = JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            // The places are never closed.
            let place = self.places.clone().acquire_owned().await;
            let Ok((stream, _)) = poll_fn(&mut accept).await else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let proxy = self.clone();
            connections.spawn(async move {
                proxy.serve_stream(stream).await;
                drop(place);
            });
        }
    }

    /// Serves one connection, whatever it came over.
    ///
    /// # Cancel safety
    /// Dropping the future ends the connection.
    pub async fn serve_stream<S>(self: &Arc<Self>, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        connection::serve(self, stream).await;
    }

    /// What the environment of a program must hold so that its HTTP clients use the proxy at
    /// `127.0.0.1:port` and trust its authority, whose certificate is in the file `authority` as
    /// the program sees it. The variables hold the password of this proxy, and nothing else.
    pub fn environment(&self, port: u16, authority: &str) -> Vec<(String, String)> {
        let address = format!("http://{USER}:{}@127.0.0.1:{port}", self.token);
        let proxies = ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"];
        let trust = [
            "SSL_CERT_FILE",
            "REQUESTS_CA_BUNDLE",
            "CURL_CA_BUNDLE",
            "NODE_EXTRA_CA_CERTS",
            "PIP_CERT",
            "GIT_SSL_CAINFO",
            "CARGO_HTTP_CAINFO",
            "DENO_CERT",
            "AWS_CA_BUNDLE",
        ];
        // Its own servers a program reaches by itself.
        let own = "localhost,127.0.0.1,::1";
        let fixed = [
            ("NODE_USE_ENV_PROXY", "1"),
            ("NO_PROXY", own),
            ("no_proxy", own),
        ];
        let proxies = proxies.map(|name| (name, address.as_str()));
        let trust = trust.map(|name| (name, authority));
        let all = proxies.into_iter().chain(trust).chain(fixed);
        all.map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    /// The certificates that a program behind the proxy must trust, in PEM: that of the proxy's
    /// own authority, which signs for no other proxy, and, when a rule is a tunnel, those that
    /// this machine trusts.
    pub fn authority_pem(&self) -> String {
        let mut pem = self.authority.pem().to_owned();
        if self.rules.have_tunnels() {
            for certificate in rustls_native_certs::load_native_certs().certs {
                pem.push_str(&authority::to_pem(&certificate));
            }
        }
        pem
    }

    /// What was refused last, a line for each: for whoever runs the program, not for the program.
    pub fn refused(&self) -> Vec<String> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.iter().cloned().collect()
    }

    /// Whether a header `Proxy-Authorization` says the password.
    fn knows(&self, given: Option<&[u8]>) -> bool {
        let wanted = format!(
            "Basic {}",
            STANDARD.encode(format!("{USER}:{}", self.token))
        );
        given.is_some_and(|given| given.ct_eq(wanted.as_bytes()).into())
    }

    /// Tells the host that something was refused.
    fn note(&self, refusal: &Refusal) {
        let line = refusal.line();
        tracing::warn!(target: "toolexec::proxy", status = refusal.status().as_u16(), "{line}");
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.len() == KEPT_REFUSALS {
            refused.pop_front();
        }
        refused.push_back(line.to_owned());
    }
}

fn token() -> Result<String> {
    let mut bytes = [0; 16];
    let provider = rustls::crypto::ring::default_provider();
    provider.secure_random.fill(&mut bytes).map_err(|_| {
        let message = "the system gives no random numbers";
        Error::new(ErrorKind::Internal, message)
    })?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("rules", &self.rules.summary())
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
