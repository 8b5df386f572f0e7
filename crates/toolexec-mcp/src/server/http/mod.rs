//! Serving clients over HTTP.

mod accept;
mod guard;
mod options;
mod sessions;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use axum_server::Handle;
use axum_server::accept::{Accept, NoDelayAcceptor};
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use http::StatusCode;
use hyper_util::rt::TokioTimer;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use toolexec_core::{Error, ErrorKind, Result};

use super::Server;
use super::auth::{self, Authenticator};
use super::handler::Handler;
use accept::Capped;
use guard::Guard;
use sessions::Sessions;

pub use options::{HttpOptions, TlsFiles};

/// How long a client may take to shake hands for TLS.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How often a silent stream shows that it is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// A server that listens and does not serve yet.
#[derive(Debug)]
pub struct HttpServer {
    server: Server,
    options: HttpOptions,
    authenticator: Option<Authenticator>,
    tls: Option<RustlsConfig>,
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Listens on the address of the options.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] when the address cannot be listened on; [`ErrorKind::Config`]
    /// when it is not said who may call, everybody may and the address is not one of loopback, or
    /// the files of TLS cannot be used.
    ///
    /// # Cancel safety
    /// Safe: nothing was served.
    pub async fn http(&self, options: HttpOptions) -> Result<HttpServer> {
        let unavailable = |error: std::io::Error| {
            Error::new(
                ErrorKind::Unavailable,
                format!("{} cannot be listened on: {error}", options.address),
            )
            .with_hint("choose another address, or end the program that listens there")
            .with_source(error)
        };
        let authenticator = options.auth.authenticator(options.address)?;
        let tls = match &options.tls {
            Some(files) => Some(tls(files).await?),
            None => None,
        };
        let listener = TcpListener::bind(options.address)
            .await
            .map_err(unavailable)?;
        let address = listener.local_addr().map_err(unavailable)?;
        Ok(HttpServer {
            server: self.clone(),
            options,
            authenticator,
            tls,
            listener,
            address,
        })
    }
}

async fn tls(files: &TlsFiles) -> Result<RustlsConfig> {
    // Fails when a provider was chosen before, which serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let read = RustlsConfig::from_pem_file(&files.certificates, &files.key).await;
    let config = read.map_err(|error| {
        Error::new(
            ErrorKind::Config,
            "the certificates or the key of TLS cannot be used",
        )
        .with_hint("both files are PEM; the key belongs to the first certificate")
        .with_source(error)
    })?;
    let mut own = (*config.get_inner()).clone();
    own.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(RustlsConfig::from_config(Arc::new(own)))
}

impl HttpServer {
    /// The address it listens on; the port is known even when the options left it open.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where clients find it.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}{}", self.address, self.options.path)
    }

    /// Serves until `stop` is cancelled, then lets the running requests end for a while.
    ///
    /// # Errors
    /// When the listener fails.
    ///
    /// # Cancel safety
    /// Dropping the future ends the calls that are running.
    pub async fn run(self, stop: CancellationToken) -> Result<()> {
        let handle = Handle::new();
        // Streams that nothing will end by itself are ended when the grace is over.
        let streams = CancellationToken::new();
        let _end_streams = streams.clone().drop_guard();
        let router = self.router(streams, stop.clone());
        let grace = self.options.grace;
        let shutdown = {
            let handle = handle.clone();
            async move {
                stop.cancelled().await;
                handle.graceful_shutdown(Some(grace));
                std::future::pending::<()>().await;
            }
        };
        let acceptor = NoDelayAcceptor::new();
        let most = self.options.max_connections;
        let capped = handle.clone();
        let Self {
            tls,
            listener,
            options,
            ..
        } = self;
        let serve = async {
            let Some(tls) = tls else {
                let acceptor = Capped::new(acceptor, capped, most);
                return serve(listener, handle, acceptor, &options, router).await;
            };
            let tls = RustlsAcceptor::new(tls)
                .handshake_timeout(HANDSHAKE)
                .acceptor(acceptor);
            let acceptor = Capped::new(tls, capped, most);
            serve(listener, handle, acceptor, &options, router).await
        };
        let ended = tokio::select! {
            ended = serve => ended,
            () = shutdown => Ok(()),
        };
        ended
            .map_err(|error| Error::new(ErrorKind::Internal, "listening failed").with_source(error))
    }

    fn router(&self, streams: CancellationToken, stop: CancellationToken) -> Router {
        let (server, options) = (self.server.clone(), &self.options);
        let metrics = server.shared.metrics.clone();
        let sessions = Arc::new(Sessions::new(
            options.max_sessions,
            options.session_timeout,
            options.resume_timeout,
            metrics.clone(),
        ));
        let config = StreamableHttpServerConfig::default()
            .with_cancellation_token(streams)
            .with_max_request_body_bytes(options.max_body)
            .with_sse_keep_alive(Some(KEEP_ALIVE))
            .with_json_response(true)
            .with_allowed_hosts(options.hosts(self.address))
            .with_allowed_origins(options.origins(self.address))
            .enforce_origin_validation();
        let service = StreamableHttpService::new(
            move || Ok(Handler::new(server.clone())),
            sessions.clone(),
            config,
        );
        let guard = Guard {
            max_body: options.max_body,
            body_timeout: options.body_timeout,
            sessions,
            metrics: metrics.clone(),
        };
        let endpoint = Router::new()
            .route_service(&options.path, service)
            .layer(from_fn_with_state(guard, guard::check))
            .route("/metrics", get(async move || metrics.text()));
        let endpoint = match &self.authenticator {
            Some(authenticator) => auth::protect(endpoint, authenticator),
            None => endpoint,
        };
        let ready = async move || {
            if stop.is_cancelled() {
                (StatusCode::SERVICE_UNAVAILABLE, "ending\n")
            } else {
                (StatusCode::OK, "ready\n")
            }
        };
        endpoint
            .route("/healthz", get(async || "ok\n"))
            .route("/readyz", get(ready))
    }
}

async fn serve<A>(
    listener: TcpListener,
    handle: Handle<SocketAddr>,
    acceptor: A,
    options: &HttpOptions,
    router: Router,
) -> std::io::Result<()>
where
    A: Accept<TcpStream, Router> + Clone + Send + Sync + 'static,
    A::Stream: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send,
    A::Service: axum_server::service::SendService<http::Request<hyper::body::Incoming>> + Send,
    A::Future: Send,
{
    // With HTTP/2 besides, a client that says nothing could do so for ever: telling the two apart
    // has no time limit.
    let mut server = axum_server::Server::<SocketAddr>::from_listener(listener)
        .handle(handle)
        .acceptor(acceptor)
        .http1_only();
    server
        .http_builder()
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(options.header_timeout);
    server.serve(router.into_make_service()).await
}
