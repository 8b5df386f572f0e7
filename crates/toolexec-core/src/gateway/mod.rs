//! What a program reaches of the tools, and the one way to it.

mod direct;

use std::sync::Arc;

use futures_util::future::BoxFuture;

pub use direct::Direct;

use crate::chain::{Chain, ChainLimits, ChainOutcome};
use crate::context::{CallContext, Caller};
use crate::error::{Error, Result};
use crate::index::{Entry, Hit, Index, NamespaceInfo};
use crate::results::ResultStore;
use crate::run::{Request, RunResult};
use crate::tooldoc::{Detail, Example, ToolDoc};

/// What a program reaches of the tools.
///
/// An implementation must
///
/// 1. take every call through the run path, with the context it was given: policy, validation,
///    budget and deadline are the same as for any other caller;
/// 2. be callable from many tasks at once;
/// 3. stop what it started when a returned future is dropped.
pub trait Gateway: Send + Sync + 'static {
    /// The tools that are known now; programs are checked against them before they run.
    fn index(&self) -> &Index;

    /// A tool by its name.
    ///
    /// # Errors
    /// As those of [`Index::find`].
    fn find(&self, tool: &str) -> Result<Arc<Entry>> {
        self.index().find(tool)
    }

    /// Sees to it that these tools are in the index, where they can be. Gives those that could
    /// not be loaded, with the reason; a tool that does not exist is not among them.
    fn load(&self, tools: Vec<String>) -> BoxFuture<'_, Vec<(String, Error)>>;

    /// What could not be loaded, and why, for whoever searches and lists.
    fn unavailable(&self) -> Vec<String> {
        Vec::new()
    }

    /// Whether arguments that do not fit are an error of the call.
    fn checks_input(&self) -> bool {
        true
    }

    /// Runs a tool.
    fn run(&self, request: Request) -> BoxFuture<'_, Result<RunResult>>;

    /// Runs a chain.
    fn chain(
        &self,
        chain: Chain,
        limits: ChainLimits,
        cx: CallContext,
    ) -> BoxFuture<'_, Result<ChainOutcome>>;

    /// Finds tools.
    fn search(&self, text: String, limit: usize) -> BoxFuture<'_, Result<Vec<Hit>>>;

    /// Describes a tool.
    fn describe(&self, tool: String, detail: Detail) -> BoxFuture<'_, Result<ToolDoc>>;

    /// The examples of a tool.
    fn examples(&self, tool: String) -> BoxFuture<'_, Result<Vec<Example>>>;

    /// The namespaces.
    fn namespaces(&self) -> BoxFuture<'_, Result<Vec<NamespaceInfo>>>;

    /// The gateway for the programs of this caller, where it does not see what others see.
    fn seen_by(&self, caller: Option<&Arc<Caller>>) -> Option<Arc<dyn Gateway>> {
        let _ = caller;
        None
    }

    /// The same gateway, whose calls may have handles of results in their arguments that `store`
    /// keeps; `None` when it knows none.
    fn with_results(&self, store: Arc<dyn ResultStore>) -> Option<Arc<dyn Gateway>> {
        let _ = store;
        None
    }
}
