//! The gateway to an index, its docs and its runner.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};

use super::Gateway;
use crate::chain::{Chain, ChainLimits, ChainOutcome};
use crate::context::CallContext;
use crate::error::Result;
use crate::index::{Hit, Index, NamespaceInfo, SearchQuery};
use crate::run::{Request, RunResult, Runner};
use crate::tooldoc::{Detail, DocStore, Example, ToolDoc, describe};

/// The gateway to the tools that are in an index now. Cheap to clone.
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

    fn doc(&self, tool: &str, detail: Detail) -> Result<ToolDoc> {
        let index = self.runner.index();
        let entry = index.find(tool)?;
        let key = entry.tool().id.key();
        let doc = self.docs.get(key);
        Ok(describe(
            &entry,
            &index.versions(key),
            doc.as_deref(),
            detail,
        ))
    }
}

impl Gateway for Direct {
    fn index(&self) -> &Index {
        self.runner.index()
    }

    fn load(&self, _tools: Vec<String>) -> BoxFuture<'_, ()> {
        ready(()).boxed()
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
        let query = SearchQuery {
            limit,
            ..SearchQuery::new(text)
        };
        ready(self.index().search(&query).map(|page| page.items)).boxed()
    }

    fn describe(&self, tool: String, detail: Detail) -> BoxFuture<'_, Result<ToolDoc>> {
        ready(self.doc(&tool, detail)).boxed()
    }

    fn examples(&self, tool: String) -> BoxFuture<'_, Result<Vec<Example>>> {
        ready(self.doc(&tool, Detail::Full).map(|doc| doc.examples)).boxed()
    }

    fn namespaces(&self) -> BoxFuture<'_, Result<Vec<NamespaceInfo>>> {
        ready(Ok(self.index().namespaces())).boxed()
    }
}
