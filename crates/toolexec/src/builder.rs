//! Putting an executor together.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use serde::Serialize;
use serde_json::json;
use toolexec_core::backend::local::{Local, LocalTool};
use toolexec_core::code::CodeSettings;
use toolexec_core::index::{Index, Registration};
use toolexec_core::run::{AllowAll, Policy, RunSettings, Runner};
use toolexec_core::tooldoc::DocStore;
use toolexec_core::{Args, ChainLimits, Error, ErrorKind, Source, ToolId};

use crate::config::{Config, Connected};
use crate::executor::{Executor, Settings};
use crate::sources::Sources;

/// Puts an [`Executor`] together.
#[must_use]
pub struct ExecutorBuilder {
    index: Index,
    docs: DocStore,
    settings: RunSettings,
    chain_limits: ChainLimits,
    code: CodeSettings,
    policy: Arc<dyn Policy>,
    locals: Vec<Local>,
    handlers: Vec<(String, LocalTool)>,
    sources: Vec<Arc<dyn Source>>,
}

impl ExecutorBuilder {
    pub(crate) fn new() -> Self {
        Self {
            index: Index::new(),
            docs: DocStore::default(),
            settings: RunSettings::default(),
            chain_limits: ChainLimits::default(),
            code: CodeSettings::default(),
            policy: Arc::new(AllowAll),
            locals: Vec::new(),
            handlers: Vec::new(),
            sources: Vec::new(),
        }
    }

    /// Uses this index instead of a new one.
    pub fn index(mut self, index: Index) -> Self {
        self.index = index;
        self
    }

    /// Uses these documents instead of none.
    pub fn docs(mut self, docs: DocStore) -> Self {
        self.docs = docs;
        self
    }

    /// Adds local tools.
    pub fn local(mut self, tools: Local) -> Self {
        self.locals.push(tools);
        self
    }

    /// Adds an async function as the tool of this id.
    ///
    /// Where the index already has the tool, its definition is kept and the function becomes its
    /// local backend; else the tool takes any object and has no description. To describe a tool,
    /// use [`ExecutorBuilder::local`].
    pub fn handler<F, Fut, T, E>(mut self, id: impl Into<String>, function: F) -> Self
    where
        F: Fn(Args) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Serialize + 'static,
        E: fmt::Display + 'static,
    {
        let id = id.into();
        let name = id.split(':').nth(1).unwrap_or(&id).to_owned();
        self.handlers.push((id, LocalTool::new(name, function)));
        self
    }

    /// Adds a source of tools; it is loaded when first needed.
    pub fn source(mut self, source: Arc<dyn Source>) -> Self {
        self.sources.push(source);
        self
    }

    /// Says how calls are run.
    pub fn settings(mut self, settings: RunSettings) -> Self {
        self.settings = settings;
        self
    }

    /// Caps chains.
    pub fn chain_limits(mut self, limits: ChainLimits) -> Self {
        self.chain_limits = limits;
        self
    }

    /// Takes over what a configuration says, with the sources that
    /// [`Config::connect`] made of it.
    pub fn config(mut self, config: &Config, connected: &Connected) -> Self {
        self.settings = config.run_settings();
        self.code = config.code_settings();
        if let Some(policy) = config.policy() {
            self.policy = policy;
        }
        self.sources.extend(connected.sources.iter().cloned());
        self
    }

    /// Says how programs are run; see [`Executor::code`].
    pub fn code_settings(mut self, settings: CodeSettings) -> Self {
        self.code = settings;
        self
    }

    /// Decides who may call what.
    pub fn policy(mut self, policy: Arc<dyn Policy>) -> Self {
        self.policy = policy;
        self
    }

    /// Makes the executor.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidId`] when a local tool's id is not valid, [`ErrorKind::Config`] when
    /// two sources have the same backend.
    pub fn build(self) -> Result<Executor, Error> {
        for (place, source) in self.sources.iter().enumerate() {
            let name = source.backend_ref();
            if self.sources[..place]
                .iter()
                .any(|other| other.backend_ref() == name)
            {
                return Err(Error::new(
                    ErrorKind::Config,
                    format!("two sources are named {name}"),
                ));
            }
        }
        for local in &self.locals {
            self.index.register_all(local.registrations()?);
        }
        for (id, handler) in &self.handlers {
            self.index.register(bind(&self.index, id, handler)?);
        }
        let sources = Arc::new(Sources::new(self.index.clone(), self.sources));
        let runner =
            Runner::with(self.index, self.settings, self.policy).with_loader(sources.clone());
        let own = Settings {
            chain_limits: self.chain_limits,
            code: self.code,
        };
        Ok(Executor::new(runner, self.docs, sources, own))
    }
}

/// A handler as a backend of the tool its id names.
fn bind(index: &Index, id: &str, handler: &LocalTool) -> Result<Registration, Error> {
    let parsed: ToolId = id
        .parse()
        .map_err(|error: toolexec_core::id::ParseIdError| {
            Error::new(ErrorKind::InvalidId, error.to_string()).with_source(error)
        })?;
    let fresh = handler.clone().input_schema(json!({ "type": "object" }));
    let mut registration = fresh.registration(parsed.namespace())?;
    registration.tool.id = parsed.clone();
    if let Some(known) = index.get(&parsed) {
        registration.tool = (**known.tool()).clone();
    }
    Ok(registration)
}

impl fmt::Debug for ExecutorBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sources: Vec<_> = self
            .sources
            .iter()
            .map(|source| source.backend_ref())
            .collect();
        f.debug_struct("ExecutorBuilder")
            .field("settings", &self.settings)
            .field("sources", &sources)
            .finish_non_exhaustive()
    }
}
