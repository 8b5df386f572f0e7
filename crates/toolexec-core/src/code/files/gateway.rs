//! The tools of a program that has files: those there are, and its own.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};

use super::Files;
use super::tools::{FILES, tools};
use crate::chain::{Chain, ChainLimits, ChainOutcome};
use crate::context::CallContext;
use crate::error::{Error, Result};
use crate::gateway::{Direct, Gateway};
use crate::index::{Entry, Hit, Index, NamespaceInfo};
use crate::run::{Request, RunResult, Runner};
use crate::tooldoc::{Detail, DocStore, Example, ToolDoc};

/// Another gateway, and the tools of the namespace `files` for one program. They come before any
/// of the same ids; chains do not reach them.
pub(in crate::code) struct WithFiles {
    inner: Arc<dyn Gateway>,
    own: Direct,
}

impl WithFiles {
    /// # Errors
    /// Never: the names of the tools are valid.
    pub(in crate::code) fn new(inner: Arc<dyn Gateway>, files: &Arc<Files>) -> Result<Self> {
        let index = Index::new();
        index.register_all(tools(files).registrations()?);
        let own = Direct::new(Runner::new(index), Arc::new(DocStore::default()));
        Ok(Self { inner, own })
    }

    /// Whose tool it is.
    fn of(&self, tool: &str) -> &dyn Gateway {
        let named = tool.strip_prefix(FILES);
        let is_own = named.is_some_and(|rest| rest.starts_with(':'));
        if is_own && self.own.find(tool).is_ok() {
            &self.own
        } else {
            &*self.inner
        }
    }
}

impl Gateway for WithFiles {
    fn index(&self) -> &Index {
        self.inner.index()
    }

    fn find(&self, tool: &str) -> Result<Arc<Entry>> {
        self.of(tool).index().find(tool)
    }

    fn load(&self, mut tools: Vec<String>) -> BoxFuture<'_, Vec<(String, Error)>> {
        tools.retain(|tool| std::ptr::addr_eq(self.of(tool), &raw const *self.inner));
        if tools.is_empty() {
            return ready(Vec::new()).boxed();
        }
        self.inner.load(tools)
    }

    fn unavailable(&self) -> Vec<String> {
        self.inner.unavailable()
    }

    fn checks_input(&self) -> bool {
        self.inner.checks_input()
    }

    fn run(&self, request: Request) -> BoxFuture<'_, Result<RunResult>> {
        self.of(request.tool()).run(request)
    }

    fn chain(
        &self,
        chain: Chain,
        limits: ChainLimits,
        cx: CallContext,
    ) -> BoxFuture<'_, Result<ChainOutcome>> {
        self.inner.chain(chain, limits, cx)
    }

    fn search(&self, text: String, limit: usize) -> BoxFuture<'_, Result<Vec<Hit>>> {
        async move {
            let mut hits = self.inner.search(text.clone(), limit).await?;
            hits.extend(self.own.search(text, limit).await?);
            hits.sort_by(|one, other| other.score.total_cmp(&one.score));
            hits.truncate(limit);
            Ok(hits)
        }
        .boxed()
    }

    fn describe(&self, tool: String, detail: Detail) -> BoxFuture<'_, Result<ToolDoc>> {
        self.of(&tool).describe(tool, detail)
    }

    fn examples(&self, tool: String) -> BoxFuture<'_, Result<Vec<Example>>> {
        self.of(&tool).examples(tool)
    }

    fn namespaces(&self) -> BoxFuture<'_, Result<Vec<NamespaceInfo>>> {
        async move {
            let mut all = self.inner.namespaces().await?;
            if !all.iter().any(|namespace| namespace.name == FILES) {
                all.extend(self.own.namespaces().await?);
            }
            all.sort_by(|one, other| one.name.cmp(&other.name));
            Ok(all)
        }
        .boxed()
    }
}
