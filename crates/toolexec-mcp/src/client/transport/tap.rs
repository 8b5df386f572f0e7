//! A transport whose messages pass through the hub.

use std::sync::Arc;

use rmcp::RoleClient;
use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::Transport;

use tokio_util::sync::{CancellationToken, DropGuard};

use crate::client::hub::Hub;

/// Passes every message of a transport through the hub.
pub(crate) struct Tap<T> {
    inner: T,
    hub: Arc<Hub>,
    // rmcp drops its transport when its task ends, and tells nobody else.
    _closed: DropGuard,
}

impl<T> Tap<T> {
    /// Taps `inner`; `closed` is cancelled when rmcp is done with it.
    pub(crate) fn new(inner: T, hub: Arc<Hub>, closed: &CancellationToken) -> Self {
        Self {
            inner,
            hub,
            _closed: closed.clone().drop_guard(),
        }
    }
}

impl<T: Transport<RoleClient>> Transport<RoleClient> for Tap<T> {
    type Error = T::Error;

    fn send(
        &mut self,
        item: ClientJsonRpcMessage,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        self.hub.sent(&item);
        self.inner.send(item)
    }

    async fn receive(&mut self) -> Option<ServerJsonRpcMessage> {
        loop {
            let message = self.inner.receive().await?;
            if let Some(message) = self.hub.received(message) {
                return Some(message);
            }
        }
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.inner.close().await
    }
}
