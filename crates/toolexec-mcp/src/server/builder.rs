//! Putting a server together.

use std::fmt;
use std::sync::Arc;

use rmcp::model::{Implementation, ServerCapabilities, ServerConfig};
use tokio::sync::OnceCell;
use toolexec_core::code::CodeExecutor;
use toolexec_core::sandbox::{Language, Limits, Profile};
use toolexec_core::{ChainLimits, DocStore, Runner};

use super::meta::{MetaTools, at_least_standard};
use super::options::Mode;
use super::{Server, Shared};

/// The languages of programs, as clients name them.
const LANGUAGES: [(Language, &str); 4] = [
    (Language::JavaScript, "javascript"),
    (Language::TypeScript, "typescript"),
    (Language::Python, "python"),
    (Language::Script, "script"),
];

/// Puts a [`Server`] together.
#[must_use]
pub struct ServerBuilder {
    runner: Runner,
    docs: Arc<DocStore>,
    chain_limits: ChainLimits,
    code: Option<CodeExecutor>,
    profile: Profile,
    mode: Mode,
    instructions: Option<String>,
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
            instructions: None,
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

    /// Sets what clients may tell their model about this server.
    pub fn instructions(mut self, instructions: impl Into<String>) -> Self {
        self.instructions = Some(instructions.into());
        self
    }

    /// Makes the server; looks which sandboxes there are.
    ///
    /// # Cancel safety
    /// Safe: nothing was started.
    pub async fn build(self) -> Server {
        let languages = languages(self.code.as_ref(), self.profile).await;
        Server {
            shared: Arc::new(Shared {
                meta: MetaTools::new(&languages),
                runner: self.runner,
                docs: self.docs,
                chain_limits: self.chain_limits,
                code: self.code.filter(|_| !languages.is_empty()),
                profile: self.profile,
                mode: self.mode,
                info: Arc::new(info(self.mode, self.instructions)),
                decision: OnceCell::new(),
                parked: Arc::default(),
            }),
        }
    }
}

/// What clients read about the server.
fn info(mode: Mode, instructions: Option<String>) -> ServerConfig {
    let mut capabilities = ServerCapabilities::builder()
        .enable_tools()
        .enable_logging()
        .build();
    if let Some(tools) = &mut capabilities.tools {
        // The list of meta tools never changes.
        tools.list_changed = (mode != Mode::Meta).then_some(true);
    }
    let us = Implementation::new("toolexec", env!("CARGO_PKG_VERSION"));
    let mut info = ServerConfig::new(capabilities).with_server_info(us);
    info.instructions = instructions;
    info
}

/// The languages that programs may have.
async fn languages(code: Option<&CodeExecutor>, profile: Profile) -> Vec<&'static str> {
    let mut names = Vec::new();
    let Some(code) = code else {
        return names;
    };
    for (language, name) in LANGUAGES {
        let chosen = code
            .sandboxes()
            .choose(profile, language, &Limits::default())
            .await;
        match chosen {
            Ok(_) => names.push(name),
            Err(error) => tracing::info!(language = name, %error, "programs are not offered"),
        }
    }
    names
}

impl fmt::Debug for ServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerBuilder")
            .field("mode", &self.mode)
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}
