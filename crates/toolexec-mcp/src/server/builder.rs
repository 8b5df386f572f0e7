//! Putting a server together.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rmcp::model::{Implementation, ServerCapabilities, ServerConfig};
use tokio::sync::OnceCell;
use toolexec_core::code::CodeExecutor;
use toolexec_core::sandbox::{
    Language, Limits, Profile, SessionSpec, all_languages, language_name, needs_toolchain,
};
use toolexec_core::{ChainLimits, DocStore, Result, Runner};

use super::changes::Changes;
use super::kept::Kept;
use super::meta::at_least_standard;
use super::metrics::Metrics;
use super::options::Mode;
use super::results::{ResultOptions, Results};
use super::tasks::Tasks;
use super::{Server, Shared};

/// Puts a [`Server`] together.
#[must_use]
pub struct ServerBuilder {
    runner: Runner,
    docs: Arc<DocStore>,
    chain_limits: ChainLimits,
    code: Option<CodeExecutor>,
    profile: Profile,
    mode: Mode,
    results: Option<ResultOptions>,
    instructions: Option<String>,
    task_after: Duration,
    #[cfg(feature = "client")]
    upstreams: Vec<Arc<crate::McpServer>>,
}

impl ServerBuilder {
    pub(super) fn new(runner: Runner, docs: Arc<DocStore>) -> Self {
        Self {
            runner,
            docs,
            chain_limits: ChainLimits::default(),
            code: None,
            profile: Profile::Standard,
            mode: Mode::default(),
            results: None,
            instructions: None,
            task_after: Duration::from_secs(10),
            #[cfg(feature = "client")]
            upstreams: Vec::new(),
        }
    }

    /// Says what a client finds in the list of tools.
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Caps chains.
    pub fn chain_limits(mut self, limits: ChainLimits) -> Self {
        self.chain_limits = limits;
        self
    }

    /// Offers `execute_code`, for the languages that a sandbox runs which is there and isolates
    /// as the profile demands; see [`ServerBuilder::profile`].
    pub fn code(mut self, code: CodeExecutor) -> Self {
        self.code = Some(code);
        self
    }

    /// Says how much isolation programs get; `dev` becomes `standard`: no client is given
    /// programs without isolation.
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile = at_least_standard(profile);
        self
    }

    /// Keeps results that are too large for a model, and offers `read_result`. In the mode `direct`
    /// results are sent whole: tools promise their clients values of a schema.
    pub fn results(mut self, options: ResultOptions) -> Self {
        self.results = Some(options);
        self
    }

    /// Sets what clients may tell their model about this server.
    pub fn instructions(mut self, instructions: impl Into<String>) -> Self {
        self.instructions = Some(instructions.into());
        self
    }

    /// Passes on the resources, prompts and completions of a server, where its tools are listed
    /// directly. Its tools come through the runner, as those of any source.
    #[cfg(feature = "client")]
    pub fn upstream(mut self, server: Arc<crate::McpServer>) -> Self {
        self.upstreams.push(server);
        self
    }

    /// Says how long a client that knows tasks waits for an answer before the call goes on as a
    /// task; ten seconds unless set.
    pub fn task_after(mut self, patience: Duration) -> Self {
        self.task_after = patience;
        self
    }

    /// Makes the server. Nothing is started or looked at before a client needs it.
    pub fn build(self) -> Server {
        #[cfg(feature = "client")]
        let relays = self.mode != Mode::Meta && !self.upstreams.is_empty();
        #[cfg(not(feature = "client"))]
        let relays = false;
        let info = info(self.mode, relays, self.instructions);
        let results = self.results.map(Results::new);
        let (mut runner, mut code) = (self.runner, self.code);
        if let Some(results) = &results {
            runner = runner.with_results(results.store());
            code = code.map(|code| code.with_results(results.store()));
        }
        let kept = code.as_ref().map(|code| Arc::new(Kept::new(code)));
        Server {
            shared: Arc::new(Shared {
                meta: OnceCell::new(),
                results,
                runner,
                docs: self.docs,
                chain_limits: self.chain_limits,
                code,
                kept,
                profile: self.profile,
                mode: self.mode,
                info: Arc::new(info),
                changes: Changes::default(),
                metrics: Arc::new(Metrics::new()),
                tasks: Tasks::default(),
                task_after: self.task_after,
                #[cfg(feature = "client")]
                upstreams: self.upstreams,
                decision: OnceCell::new(),
                parked: Arc::default(),
            }),
        }
    }
}

/// What clients read about the server.
fn info(mode: Mode, relays: bool, instructions: Option<String>) -> ServerConfig {
    let mut capabilities = ServerCapabilities::builder()
        .enable_tools()
        .enable_logging()
        .enable_tasks()
        .build();
    if let Some(tools) = &mut capabilities.tools {
        // The list of meta tools never changes.
        tools.list_changed = (mode != Mode::Meta).then_some(true);
    }
    if relays {
        // What the servers have is known when they are started, which is later.
        let relayed = ServerCapabilities::builder()
            .enable_completions()
            .enable_prompts()
            .enable_prompts_list_changed()
            .enable_resources()
            .enable_resources_list_changed()
            .enable_resources_subscribe()
            .build();
        capabilities.completions = relayed.completions;
        capabilities.prompts = relayed.prompts;
        capabilities.resources = relayed.resources;
    }
    let us = Implementation::new("toolexec", env!("CARGO_PKG_VERSION"));
    let mut info = ServerConfig::new(capabilities).with_server_info(us);
    info.instructions = instructions;
    info
}

/// The languages that programs may have.
pub(super) async fn languages(code: Option<&CodeExecutor>, profile: Profile) -> Vec<&'static str> {
    let mut names = Vec::new();
    let Some(code) = code else {
        return names;
    };
    for language in all_languages() {
        let name = language_name(language);
        match offered(code, profile, language).await {
            Ok(()) => names.push(name),
            Err(error) => tracing::info!(language = name, %error, "programs are not offered"),
        }
    }
    names
}

/// Whether programs in a language run: in what sandboxes have by themselves, or in an image that a
/// program may name.
async fn offered(code: &CodeExecutor, profile: Profile, language: Language) -> Result<()> {
    let mut spec = SessionSpec::new(language, Limits::default());
    let chosen = code.sandboxes().choose(profile, &spec).await;
    let Err(error) = chosen else {
        return Ok(());
    };
    let images = code.images().iter().filter(|_| needs_toolchain(language));
    for image in images {
        spec.image = Some(image.as_str().into());
        if code.sandboxes().choose(profile, &spec).await.is_ok() {
            return Ok(());
        }
    }
    Err(error)
}

impl fmt::Debug for ServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerBuilder")
            .field("mode", &self.mode)
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}
