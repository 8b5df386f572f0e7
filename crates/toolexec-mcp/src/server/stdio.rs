//! Serving one client over a pair of streams.

use rmcp::ServiceExt;
use rmcp::transport::async_rw::AsyncRwTransport;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use toolexec_core::{Error, ErrorKind, Result};

use super::Server;
use super::handler::Handler;

impl Server {
    /// Serves one client over standard input and output, until it closes them or `stop` is
    /// cancelled. Nothing else may write to standard output meanwhile.
    ///
    /// # Errors
    /// When the client breaks the protocol in the handshake.
    ///
    /// # Cancel safety
    /// Dropping the future ends the calls that are running.
    pub async fn stdio(&self, stop: CancellationToken) -> Result<()> {
        let (input, output) = rmcp::transport::stdio_pipes();
        self.streams(input, output, stop).await
    }

    /// Serves one client over a pair of streams, one message a line, until the client closes
    /// `input` or `stop` is cancelled.
    ///
    /// # Errors
    /// When the client breaks the protocol in the handshake.
    ///
    /// # Cancel safety
    /// Dropping the future ends the calls that are running.
    pub async fn streams<R, W>(&self, input: R, output: W, stop: CancellationToken) -> Result<()>
    where
        R: AsyncRead + Send + Unpin + 'static,
        W: AsyncWrite + Send + Unpin + 'static,
    {
        let transport = AsyncRwTransport::new_server(input, output);
        let handler = Handler::new(self.clone());
        let service = match handler.serve_with_ct(transport, stop.clone()).await {
            Ok(service) => service,
            // A client that leaves before it said anything did nothing wrong.
            Err(rmcp::service::ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
            Err(_) if stop.is_cancelled() => return Ok(()),
            Err(error) => {
                return Err(Error::new(
                    ErrorKind::Protocol,
                    "the client broke the protocol in the handshake",
                )
                .with_source(error));
            }
        };
        service.waiting().await.map(drop).map_err(|error| {
            Error::new(ErrorKind::Internal, "serving the client ended early").with_source(error)
        })
    }
}
