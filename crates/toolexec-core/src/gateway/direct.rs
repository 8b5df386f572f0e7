//! The gateway to a runner, its index and the docs.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::Gateway;
use crate::chain::{Chain, ChainLimits, ChainOutcome};
use crate::context::{CallContext, Caller};
use crate::error::{Error, ErrorKind, Result};
use crate::index::{Hit, Index, NamespaceInfo, SearchQuery};
use crate::results::ResultStore;
use crate::run::{Check, Request, RunResult, Runner};
use crate::tooldoc::{Detail, DocStore, Example, ToolDoc, describe};

/// The gateway to the tools of a runner, those that its loader can load included. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Direct {
    runner: Runner,
    docs: Arc<DocStore>,
}

impl Direct {
    /// The gateway to the tools of `runner`, with the docs in `docs`.
    pub fn new(runner: Runner, docs: Arc<DocStore>) -> Self {
        Self { runner, docs }
    }

    async fn doc(&self, tool: &str, detail: Detail) -> Result<ToolDoc> {
        let entry = self.runner.find(tool).await?;
        let key = entry.tool().id.key();
        let versions = self.runner.index().versions(key);
        Ok(describe(
            &entry,
            &versions,
            self.docs.get(key).as_deref(),
            detail,
        ))
    }
}

impl Gateway for Direct {
    fn index(&self) -> &Index {
        self.runner.index()
    }

    fn load(&self, tools: Vec<String>) -> BoxFuture<'_, Vec<(String, Error)>> {
        async move {
            let mut failed = Vec::new();
            for tool in tools {
                match self.runner.find(&tool).await {
                    Err(error) if !is_about_the_name(&error) => failed.push((tool, error)),
                    _ => {}
                }
            }
            failed
        }
        .boxed()
    }

    fn unavailable(&self) -> Vec<String> {
        self.runner.unavailable()
    }

    fn checks_input(&self) -> bool {
        self.runner.settings().check_input == Check::Error
    }

    fn run(&self, request: Request) -> BoxFuture<'_, Result<RunResult>> {
        self.runner.run(request).boxed()
    }

    fn chain(
        &self,
        chain: Chain,
        limits: ChainLimits,
        cx: CallContext,
    ) -> BoxFuture<'_, Result<ChainOutcome>> {
        async move { self.runner.chain(chain, &limits, &cx).await }.boxed()
    }

    fn search(&self, text: String, limit: usize) -> BoxFuture<'_, Result<Vec<Hit>>> {
        async move {
            self.runner.load_all().await;
            let query = SearchQuery {
                limit,
                ..SearchQuery::new(text)
            };
            Ok(self.index().search(&query)?.items)
        }
        .boxed()
    }

    fn describe(&self, tool: String, detail: Detail) -> BoxFuture<'_, Result<ToolDoc>> {
        async move { self.doc(&tool, detail).await }.boxed()
    }

    fn examples(&self, tool: String) -> BoxFuture<'_, Result<Vec<Example>>> {
        async move { Ok(self.doc(&tool, Detail::Full).await?.examples) }.boxed()
    }

    fn namespaces(&self) -> BoxFuture<'_, Result<Vec<NamespaceInfo>>> {
        async move {
            self.runner.load_all().await;
            Ok(self.index().namespaces())
        }
        .boxed()
    }

    fn seen_by(&self, caller: Option<&Arc<Caller>>) -> Option<Arc<dyn Gateway>> {
        if !self.runner.hides_tools() {
            return None;
        }
        Some(Arc::new(Self {
            runner: self.runner.seen_by(caller),
            docs: self.docs.clone(),
        }))
    }

    fn with_results(&self, store: Arc<dyn ResultStore>) -> Option<Arc<dyn Gateway>> {
        Some(Arc::new(Self {
            runner: self.runner.clone().with_results(store),
            docs: self.docs.clone(),
        }))
    }
}

/// Whether there is no tool of this name, or more than one.
fn is_about_the_name(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::NotFound | ErrorKind::Ambiguous | ErrorKind::InvalidId
    )
}
