//! Tools that are not in the index yet.

use futures_util::future::BoxFuture;

use crate::error::Result;

/// Puts tools into the index that are known to exist somewhere and were not needed before.
///
/// The run path asks it for a tool that the index does not have, whoever calls: a person, a
/// chain, a program. An implementation must answer at once when there is nothing left to load.
pub trait Loader: Send + Sync + 'static {
    /// Loads what may hold the tool that a caller named.
    ///
    /// # Errors
    /// When the tool can only come from somewhere that cannot be loaded now. A tool that does
    /// not exist is no error here.
    fn load<'a>(&'a self, tool: &'a str) -> BoxFuture<'a, Result<()>>;

    /// Loads everything that can be loaded.
    fn load_all(&self) -> BoxFuture<'_, ()>;

    /// What could not be loaded the last time that it was tried, and why; for callers who would
    /// otherwise take what is there for all there is.
    fn unavailable(&self) -> Vec<String> {
        Vec::new()
    }
}
