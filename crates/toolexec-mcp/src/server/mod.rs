//! An MCP server in front of tools.
//!
//! One [`Server`] serves any number of clients, over any transports, in revisions 2026-07-28
//! (stateless) and older ones (with `initialize` and sessions).

#![expect(
    deprecated,
    reason = "logging, sampling and roots are deprecated in 2026-07-28, and older clients use them"
)]

mod answer;
mod ask;
pub mod auth;
mod builder;
mod call;
mod catalogue;
#[cfg_attr(
    not(feature = "client"),
    expect(dead_code, reason = "only servers behind this one have resources")
)]
mod changes;
mod context;
mod direct;
mod events;
mod flow;
mod handler;
pub mod http;
mod kept;
mod meta;
mod metrics;
mod options;
mod parked;
#[cfg(feature = "client")]
mod relay;
#[cfg(feature = "client")]
mod relayed;
pub mod results;
mod stdio;
mod tasks;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rmcp::model::ServerConfig;
use tokio::sync::OnceCell;
use toolexec_core::code::CodeExecutor;
use toolexec_core::sandbox::Profile;
use toolexec_core::{Caller, ChainLimits, DocStore, Runner};

use builder::languages;
use changes::Changes;
use kept::Kept;
use meta::{MetaTools, Programs};
use metrics::Metrics;
use parked::Parked;
use results::Results;
use tasks::Tasks;

pub use builder::ServerBuilder;
pub use catalogue::Decision;
pub use options::{Mode, ParseModeError};

/// An MCP server in front of the tools of a runner. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Server {
    shared: Arc<Shared>,
}

struct Shared {
    runner: Runner,
    docs: Arc<DocStore>,
    chain_limits: ChainLimits,
    code: Option<CodeExecutor>,
    /// Sessions of programs.
    kept: Option<Arc<Kept>>,
    profile: Profile,
    mode: Mode,
    results: Option<Results>,
    meta: OnceCell<MetaTools>,
    /// What clients read about this server.
    info: Arc<ServerConfig>,
    decision: OnceCell<Decision>,
    parked: Arc<Parked>,
    changes: Changes,
    metrics: Arc<Metrics>,
    tasks: Tasks,
    task_after: Duration,
    /// Servers whose resources, prompts and completions are passed on.
    #[cfg(feature = "client")]
    upstreams: Vec<Arc<crate::McpServer>>,
}

/// Starts an MCP server in front of what is given: an executor, or a builder already.
pub fn serve(tools: impl Into<ServerBuilder>) -> ServerBuilder {
    tools.into()
}

impl Server {
    /// Starts a server for the tools of `runner`, with the docs in `docs`.
    pub fn builder(runner: Runner, docs: Arc<DocStore>) -> ServerBuilder {
        ServerBuilder::new(runner, docs)
    }

    fn runner(&self) -> &Runner {
        &self.shared.runner
    }

    /// The runner as this caller sees it: tools that it may never call are not there.
    fn runner_for(&self, caller: Option<&Arc<Caller>>) -> Runner {
        self.shared.runner.seen_by(caller)
    }

    fn docs(&self) -> &DocStore {
        &self.shared.docs
    }

    fn chain_limits(&self) -> &ChainLimits {
        &self.shared.chain_limits
    }

    fn code(&self) -> Option<&CodeExecutor> {
        self.shared.code.as_ref()
    }

    fn kept(&self) -> Option<&Arc<Kept>> {
        self.shared.kept.as_ref()
    }

    fn profile(&self) -> Profile {
        self.shared.profile
    }

    fn results(&self) -> Option<&Results> {
        self.shared.results.as_ref()
    }

    /// The tools of the server itself. Which programs can be offered is found out the first time:
    /// looking at the sandboxes can take seconds, and no client waits for it to connect.
    async fn meta(&self) -> &MetaTools {
        let shared = &self.shared;
        let find_out = async {
            let languages = languages(shared.code.as_ref(), shared.profile).await;
            let programs = Programs {
                languages: &languages,
                images: shared.code.as_ref().map_or(&[], CodeExecutor::images),
            };
            MetaTools::new(programs, shared.results.as_ref())
        };
        shared.meta.get_or_init(|| find_out).await
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("mode", &self.shared.mode)
            .field("runner", &self.shared.runner)
            .finish_non_exhaustive()
    }
}
