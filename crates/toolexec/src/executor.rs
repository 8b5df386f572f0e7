//! The facade: search, describe, run, chain, stream.

use std::sync::Arc;

use serde_json::Value;
use toolexec_core::backend::local::Local;
use toolexec_core::code::{CodeExecutor, CodeExecutorBuilder, CodeSettings};
use toolexec_core::index::{Hit, Index, ListQuery, NamespaceInfo, Page, SearchQuery, ToolSummary};
use toolexec_core::run::{RunStream, Runner};
use toolexec_core::sandbox::Sandboxes;
use toolexec_core::tooldoc::{Detail, DocStore, ToolDoc, describe};
use toolexec_core::{CallContext, Chain, ChainLimits, ChainOutcome, Error, Request, RunResult};

use crate::builder::ExecutorBuilder;
use crate::sources::{SourceStatus, Sources};

/// Finds, describes, runs, chains and streams tools. Cheap to clone; clones share everything.
///
/// Sources are loaded when first needed: a call loads the sources of its tool's namespace, a
/// search loads all. When the last clone is dropped, the processes and connections of the sources
/// end; [`Executor::shutdown`] lets them end in peace.
#[derive(Clone, Debug)]
pub struct Executor {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    runner: Runner,
    docs: Arc<DocStore>,
    sources: Arc<Sources>,
    settings: Settings,
}

/// What the builder says of chains and programs.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) chain_limits: ChainLimits,
    pub(crate) code: CodeSettings,
}

impl Executor {
    /// Starts an executor without tools.
    pub fn builder() -> ExecutorBuilder {
        ExecutorBuilder::new()
    }

    pub(crate) fn new(
        runner: Runner,
        docs: DocStore,
        sources: Arc<Sources>,
        settings: Settings,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                runner,
                docs: Arc::new(docs),
                sources,
                settings,
            }),
        }
    }

    /// Runs one tool.
    ///
    /// # Errors
    /// See [`toolexec_core::ErrorKind`]. A tool's own failure is an `Ok` marked as error;
    /// [`RunResult::into_value`] turns it into an `Err`.
    ///
    /// # Cancel safety
    /// Dropping the future cancels the call; effects the tool already had stand.
    pub async fn run(&self, tool: &str, args: impl Into<Value>) -> Result<RunResult, Error> {
        self.call(Request::new(tool, args)).await
    }

    /// Runs one tool, with a choice of backend, a deadline, cancellation or a caller.
    ///
    /// # Cancel safety
    /// Dropping the future cancels the call; effects the tool already had stand.
    pub async fn call(&self, request: Request) -> Result<RunResult, Error> {
        self.shared.runner.run(request).await
    }

    /// Runs a chain without a deadline of its own.
    ///
    /// # Errors
    /// When the chain itself is wrong; nothing ran then. A failing step is in the outcome.
    ///
    /// # Cancel safety
    /// Dropping the future cancels the calls that are running; later steps do not start.
    pub async fn chain(&self, chain: impl Into<Chain>) -> Result<ChainOutcome, Error> {
        self.chain_with(chain, &CallContext::new()).await
    }

    /// Runs a chain with a deadline, cancellation, a reader of events or a caller.
    ///
    /// # Cancel safety
    /// Dropping the future cancels the calls that are running; later steps do not start. To get
    /// the report of what ran, cancel through the context's token instead.
    pub async fn chain_with(
        &self,
        chain: impl Into<Chain>,
        cx: &CallContext,
    ) -> Result<ChainOutcome, Error> {
        self.shared
            .runner
            .chain(chain.into(), &self.shared.settings.chain_limits, cx)
            .await
    }

    /// Runs one tool and yields what happens as it happens; ends with one `done` or `error`.
    ///
    /// Dropping the stream cancels the call.
    pub fn stream(&self, request: Request) -> RunStream {
        let executor = self.clone();
        RunStream::new(request, move |request| async move {
            executor.call(request).await
        })
    }

    /// The best `limit` tools for a query in plain words.
    ///
    /// Waits for every source that can be loaded; [`Executor::sources`] tells which could not.
    ///
    /// # Cancel safety
    /// Safe: a dropped search changes nothing.
    pub async fn search(&self, text: &str, limit: usize) -> Result<Vec<Hit>, Error> {
        let query = SearchQuery {
            limit,
            ..SearchQuery::new(text)
        };
        Ok(self.search_page(&query).await?.items)
    }

    /// One page of a search.
    ///
    /// # Cancel safety
    /// Safe: a dropped search changes nothing.
    pub async fn search_page(&self, query: &SearchQuery) -> Result<Page<Hit>, Error> {
        self.shared.runner.load_all().await;
        self.index().search(query)
    }

    /// One page of the tools there are, by id.
    ///
    /// # Cancel safety
    /// Safe: a dropped call changes nothing.
    pub async fn list(&self, query: &ListQuery) -> Result<Page<ToolSummary>, Error> {
        self.shared.runner.load_all().await;
        self.index().list(query)
    }

    /// The namespaces there are.
    ///
    /// # Cancel safety
    /// Safe: a dropped call changes nothing.
    pub async fn namespaces(&self) -> Vec<NamespaceInfo> {
        self.shared.runner.load_all().await;
        self.index().namespaces()
    }

    /// Describes a tool.
    ///
    /// # Errors
    /// When there is no such tool, with the nearest names.
    ///
    /// # Cancel safety
    /// Safe: a dropped call changes nothing.
    pub async fn describe(&self, tool: &str, detail: Detail) -> Result<ToolDoc, Error> {
        let entry = self.shared.runner.find(tool).await?;
        let key = entry.tool().id.key();
        let doc = self.shared.docs.get(key);
        Ok(describe(
            &entry,
            &self.index().versions(key),
            doc.as_deref(),
            detail,
        ))
    }

    /// Adds local tools, or replaces them. They can be found, described and run at once.
    ///
    /// # Errors
    /// When an id is not valid; nothing is added then.
    pub fn register(&self, tools: &Local) -> Result<(), Error> {
        self.index().register_all(tools.registrations()?);
        Ok(())
    }

    /// Loads every source now and tells how it went.
    ///
    /// # Cancel safety
    /// Sources that were loaded stay loaded.
    pub async fn load(&self) -> Vec<SourceStatus> {
        self.shared.runner.load_all().await;
        self.sources()
    }

    /// What is known of each source.
    pub fn sources(&self) -> Vec<SourceStatus> {
        self.shared.sources.statuses()
    }

    /// The index, to add, remove and watch tools.
    pub fn index(&self) -> &Index {
        self.shared.runner.index()
    }

    /// The run path alone, for what is built beside the facade. It loads sources too.
    pub fn runner(&self) -> &Runner {
        &self.shared.runner
    }

    /// Starts an executor of programs that reach these tools, in these sandboxes. What
    /// [`code_settings`](ExecutorBuilder::code_settings) said holds for it.
    pub fn code(&self, sandboxes: Sandboxes) -> CodeExecutorBuilder {
        let Settings { chain_limits, code } = &self.shared.settings;
        let (runner, docs) = (self.shared.runner.clone(), self.shared.docs.clone());
        CodeExecutor::builder(runner, docs, sandboxes)
            .chain_limits(*chain_limits)
            .settings(code)
    }

    /// Starts an MCP server in front of these tools; add [`Executor::code`] to offer programs.
    #[cfg(feature = "serve")]
    pub fn mcp_server(&self) -> toolexec_mcp::server::ServerBuilder {
        let (runner, docs) = (self.shared.runner.clone(), self.shared.docs.clone());
        toolexec_mcp::Server::builder(runner, docs).chain_limits(self.shared.settings.chain_limits)
    }

    /// The documents, to add notes and examples.
    pub fn docs(&self) -> &DocStore {
        &self.shared.docs
    }

    /// Ends the processes and connections of all sources. A later call starts them anew.
    ///
    /// # Cancel safety
    /// What was not ended yet ends when the executor is dropped.
    pub async fn shutdown(&self) {
        self.shared.sources.shutdown().await;
    }
}

#[cfg(feature = "serve")]
impl From<&Executor> for toolexec_mcp::server::ServerBuilder {
    fn from(executor: &Executor) -> Self {
        executor.mcp_server()
    }
}
