//! Serving clients over HTTP.

mod options;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use axum_server::Handle;
use axum_server::accept::NoDelayAcceptor;
use hyper_util::rt::TokioTimer;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use toolexec_core::{Error, ErrorKind, Result};

use super::Server;
use super::auth::{self, Authenticator};
use super::handler::Handler;

pub use options::HttpOptions;

/// A server that listens and does not serve yet.
#[derive(Debug)]
pub struct HttpServer {
    server: Server,
    options: HttpOptions,
    authenticator: Option<Authenticator>,
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Listens on the address of the options.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] when the address cannot be listened on; [`ErrorKind::Config`]
    /// when it is not said who may call, or everybody may and the address is not one of loopback.
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
        let listener = TcpListener::bind(options.address)
            .await
            .map_err(unavailable)?;
        let address = listener.local_addr().map_err(unavailable)?;
        Ok(HttpServer {
            server: self.clone(),
            options,
            authenticator,
            listener,
            address,
        })
    }
}

impl HttpServer {
    /// The address it listens on; the port is known even when the options left it open.
    pub fn address(&self) -> SocketAddr {
        self.address
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
        let (grace, sessions) = (self.options.grace, stop.child_token());
        let router = self.router(sessions);
        let shutdown = {
            let handle = handle.clone();
            async move {
                stop.cancelled().await;
                handle.graceful_shutdown(Some(grace));
                std::future::pending::<()>().await;
            }
        };
        let mut server = axum_server::Server::<SocketAddr>::from_listener(self.listener)
            .handle(handle)
            .acceptor(NoDelayAcceptor::new());
        server
            .http_builder()
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(self.options.header_timeout);
        server.http_builder().http2().timer(TokioTimer::new());
        let serve = server.serve(router.into_make_service());
        let ended = tokio::select! {
            ended = serve => ended,
            () = shutdown => Ok(()),
        };
        ended
            .map_err(|error| Error::new(ErrorKind::Internal, "listening failed").with_source(error))
    }

    fn router(&self, stop: CancellationToken) -> Router {
        let server = self.server.clone();
        let config = StreamableHttpServerConfig::default()
            .with_cancellation_token(stop)
            .with_max_request_body_bytes(self.options.max_body)
            .with_sse_keep_alive(Some(Duration::from_secs(15)))
            .with_json_response(true)
            .with_allowed_hosts(self.options.hosts(self.address))
            .with_allowed_origins(self.options.origins(self.address))
            .enforce_origin_validation();
        let service = StreamableHttpService::new(
            move || Ok(Handler::new(server.clone())),
            Arc::new(LocalSessionManager::default()),
            config,
        );
        let endpoint = Router::new().route_service(&self.options.path, service);
        let endpoint = match &self.authenticator {
            Some(authenticator) => auth::protect(endpoint, authenticator),
            None => endpoint,
        };
        endpoint.route("/healthz", get(async || "ok\n"))
    }
}
