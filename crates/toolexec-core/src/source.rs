//! Where tools come from.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::backend::BackendRef;
use crate::error::Result;
use crate::index::Registration;

/// Something that offers tools: an MCP server, an API document, a set of programs.
///
/// A source is lazy: nothing is started or connected before [`Source::list`] is called or one of
/// its tools runs. An implementation must
///
/// 1. list every tool it offers (all pages), and report each tool it had to leave out or rename;
/// 2. fail `list` only when it can offer nothing at all;
/// 3. share one connection or process between all callers;
/// 4. leave nothing running after `shutdown`, and start anew when used again.
pub trait Source: Send + Sync + 'static {
    /// The backend its tools run on.
    fn backend_ref(&self) -> &BackendRef;

    /// The namespace its tools get.
    fn namespace(&self) -> &str;

    /// Lists the tools it offers now.
    fn list(self: Arc<Self>) -> BoxFuture<'static, Result<Listing>>;

    /// Completes when the list may have changed since the last call of `list`; never completes
    /// for a source that cannot change.
    fn changed(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::pending())
    }

    /// Ends connections and processes.
    fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// What a source offers.
#[derive(Debug, Default)]
pub struct Listing {
    /// Its tools.
    pub tools: Vec<Registration>,
    /// What a person should know: tools left out, names changed, parts of a document not used.
    pub notices: Vec<String>,
}
