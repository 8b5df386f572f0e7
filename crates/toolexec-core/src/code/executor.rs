//! Running programs.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::event::{CodeStream, Sink};
use super::failure::Problem;
use super::outcome::Outcome;
use super::session::CodeSession;
use super::sessions::{CodeSessions, SessionSettings};
use super::settings::CodeSettings;
use super::submission::Submission;
use crate::chain::ChainLimits;
use crate::context::CallContext;
use crate::error::{Error, ErrorKind, Result};
use crate::gateway::{Direct, Gateway};
use crate::pattern::glob;
use crate::results::ResultStore;
use crate::run::Runner;
use crate::sandbox::{
    Language, Limits, Profile, Sandboxes, SessionSpec, language_name, needs_toolchain,
};
use crate::tooldoc::DocStore;

/// Runs programs that call tools. Cheap to clone.
#[derive(Clone)]
pub struct CodeExecutor {
    pub(super) settings: Arc<Settings>,
}

#[derive(Clone)]
pub(super) struct Settings {
    pub(super) gateway: Arc<dyn Gateway>,
    pub(super) sandboxes: Sandboxes,
    pub(super) defaults: Limits,
    pub(super) maximum: Limits,
    pub(super) profile: Profile,
    pub(super) images: Vec<String>,
    pub(super) chain_limits: ChainLimits,
}

/// Builds a [`CodeExecutor`]; every setter takes and returns the builder.
#[must_use]
pub struct CodeExecutorBuilder(Settings);

impl CodeExecutor {
    /// Starts an executor whose programs reach the tools of `runner`, with the docs in `docs`.
    pub fn builder(
        runner: Runner,
        docs: Arc<DocStore>,
        sandboxes: Sandboxes,
    ) -> CodeExecutorBuilder {
        Self::with_gateway(Arc::new(Direct::new(runner, docs)), sandboxes)
    }

    /// Starts an executor whose programs reach the tools through `gateway`.
    pub fn with_gateway(gateway: Arc<dyn Gateway>, sandboxes: Sandboxes) -> CodeExecutorBuilder {
        CodeExecutorBuilder(Settings {
            gateway,
            sandboxes,
            defaults: Limits::standard(),
            maximum: Limits::default(),
            profile: Profile::default(),
            images: Vec::new(),
            chain_limits: ChainLimits::default(),
        })
    }

    /// Runs a program.
    ///
    /// A program's own failure, an exceeded limit and a lost sandbox are in the outcome, with
    /// everything that is known besides. `Err` means that nothing was run.
    ///
    /// # Errors
    /// When the submission is wrong, asks for more than the configured maximum, or no sandbox is
    /// available that its profile allows.
    ///
    /// # Cancel safety
    /// Dropping the future ends the guest and the calls that are running. To get the outcome of
    /// what ran, cancel through the context's token instead.
    pub async fn execute(&self, submission: Submission, cx: &CallContext) -> Result<Outcome> {
        self.run(submission, cx, &None).await
    }

    /// Runs a program and yields what happens as it happens.
    ///
    /// Nothing runs until the stream is polled; dropping it ends the program.
    pub fn stream(&self, submission: Submission, cx: CallContext) -> CodeStream {
        let executor = self.clone();
        CodeStream::new(move |events| async move { executor.run(submission, &cx, &events).await })
    }

    /// Checks a program without running it: its syntax, the tools it names and their arguments.
    ///
    /// # Errors
    /// As [`execute`](Self::execute).
    ///
    /// # Cancel safety
    /// Dropping the future ends the guest; nothing ran.
    pub async fn check(
        &self,
        mut submission: Submission,
        cx: &CallContext,
    ) -> Result<Vec<Problem>> {
        submission.prepare()?;
        let mut session = self.start(&submission).await?;
        session.check(submission, cx).await
    }

    /// Opens a session whose variables stay from one program to the next.
    ///
    /// # Errors
    /// As [`execute`](Self::execute).
    ///
    /// # Cancel safety
    /// Dropping the future ends the guest that was being started.
    pub async fn open(
        &self,
        language: Language,
        limits: Limits,
        profile: Option<Profile>,
    ) -> Result<CodeSession> {
        let mut submission = Submission::new(language, "").limits(limits);
        submission.profile = profile;
        self.keep(&submission).await
    }

    /// Sessions that are known by their names, each used by whoever knows it.
    pub fn sessions(&self, settings: SessionSettings) -> CodeSessions {
        CodeSessions::new(self.clone(), settings)
    }

    /// The same executor, whose programs may give tools handles of results that `store` keeps.
    #[must_use]
    pub fn with_results(&self, store: Arc<dyn ResultStore>) -> Self {
        let mut settings = (*self.settings).clone();
        if let Some(gateway) = settings.gateway.with_results(store) {
            settings.gateway = gateway;
        }
        Self {
            settings: Arc::new(settings),
        }
    }

    /// Which images programs may name, with `*` for any characters.
    pub fn images(&self) -> &[String] {
        &self.settings.images
    }

    /// The sandboxes it uses.
    pub fn sandboxes(&self) -> &Sandboxes {
        &self.settings.sandboxes
    }

    async fn run(
        &self,
        mut submission: Submission,
        cx: &CallContext,
        events: &Sink,
    ) -> Result<Outcome> {
        submission.prepare()?;
        let mut session = self.start(&submission).await?;
        session.run(submission, cx, events).await
    }

    /// A session that keeps its variables.
    pub(super) async fn keep(&self, submission: &Submission) -> Result<CodeSession> {
        let language = submission.language;
        let why = if language == Language::Wasm {
            "a WebAssembly module keeps nothing from one program to the next".to_owned()
        } else if needs_toolchain(language) {
            let name = language_name(language);
            format!("a program in {name} keeps nothing for the next: each is a process of its own")
        } else {
            let mut session = self.start(submission).await?;
            session.keep = true;
            return Ok(session);
        };
        Err(Error::new(ErrorKind::Unsupported, why).with_hint(
            "execute each program by itself, or open a session of javascript, typescript, python \
             or script",
        ))
    }

    async fn start(&self, submission: &Submission) -> Result<CodeSession> {
        let settings = &*self.settings;
        submission.limits.check(&settings.maximum)?;
        // What nobody asked for is still no more than the maximum.
        let defaults = settings.defaults.at_most(&settings.maximum);
        let limits = submission.limits.or(defaults);
        limits.check(&settings.maximum)?;
        let profile = submission.profile.unwrap_or(settings.profile);
        let language = submission.language;
        let image = submission.image.as_deref();
        image.map_or(Ok(()), |image| settings.allow(image))?;
        let spec = SessionSpec {
            language,
            limits,
            module: submission.module.clone(),
            image: image.map(Into::into),
        };
        let sandbox = settings.sandboxes.choose(profile, &spec).await?;
        let guest = sandbox.start(spec).await?;
        let name = sandbox.name().to_owned();
        Ok(CodeSession::new(
            self.clone(),
            guest,
            name,
            limits,
            profile,
            submission,
        ))
    }
}

impl Settings {
    /// Whether programs may name an image.
    fn allow(&self, image: &str) -> Result<()> {
        if self.images.iter().any(|pattern| glob(pattern, image)) {
            return Ok(());
        }
        let message = match self.images.len() {
            0 => "programs may name no image here".to_owned(),
            _ => format!(
                "programs may not name the image {image:?} here; they may name {}",
                self.images.join(", ")
            ),
        };
        Err(Error::new(ErrorKind::Denied, message)
            .with_hint("allow it in the configuration: images in [code]"))
    }
}

impl CodeExecutorBuilder {
    /// Sets how long a program itself may run that does not say; waiting for tools is not counted.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.0.defaults.run_time = Some(timeout);
        self
    }

    /// Sets how many tools a program may call that does not say.
    pub fn max_tool_calls(mut self, calls: u64) -> Self {
        self.0.defaults.tool_calls = Some(calls);
        self
    }

    /// Sets what a program may use that does not say; [`Limits::standard`] otherwise.
    pub fn defaults(mut self, limits: Limits) -> Self {
        self.0.defaults = limits;
        self
    }

    /// Sets the most that a program may ask for. More is refused, not lowered.
    pub fn maximum(mut self, limits: Limits) -> Self {
        self.0.maximum = limits;
        self
    }

    /// Sets the profile of programs that do not say; [`Profile::Standard`] otherwise.
    pub fn profile(mut self, profile: Profile) -> Self {
        self.0.profile = profile;
        self
    }

    /// Says which images programs may name, with `*` for any characters; none otherwise. What a
    /// sandbox itself is set to is not asked about.
    pub fn images<T: Into<String>>(mut self, patterns: impl IntoIterator<Item = T>) -> Self {
        self.0.images = patterns.into_iter().map(Into::into).collect();
        self
    }

    /// Sets all that [`CodeSettings`] holds, in place of what was set before.
    pub fn settings(mut self, settings: &CodeSettings) -> Self {
        self.0.sandboxes = settings.apply(self.0.sandboxes);
        self.0.defaults = settings.defaults;
        self.0.maximum = settings.maximum;
        self.0.profile = settings.profile;
        self.0.images.clone_from(&settings.images);
        self
    }

    /// Sets the caps on chains; the steps are a limit of the program.
    pub fn chain_limits(mut self, limits: ChainLimits) -> Self {
        self.0.chain_limits = limits;
        self
    }

    /// Makes the executor.
    pub fn build(self) -> CodeExecutor {
        CodeExecutor {
            settings: Arc::new(self.0),
        }
    }
}

impl fmt::Debug for CodeExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodeExecutor")
            .field("sandboxes", &self.settings.sandboxes)
            .field("defaults", &self.settings.defaults)
            .field("maximum", &self.settings.maximum)
            .field("profile", &self.settings.profile)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for CodeExecutorBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CodeExecutorBuilder")
            .field(&self.0.defaults)
            .finish()
    }
}
