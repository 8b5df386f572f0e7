//! What a command works with: the configuration and an executor over its sources.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use toolexec::config::{self, Config, Connected, Found, Places};
use toolexec::mcp::Interaction;
use toolexec::{CallContext, Executor, SourceStatus};

use crate::args::Global;
use crate::builtin;
use crate::commands::code::cache;
use crate::diagnostics::Failure;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::signals::interruptible;

/// The configuration and an executor over its sources.
pub(crate) struct Session {
    pub(crate) executor: Executor,
    pub(crate) config: Config,
    /// How the configuration was found; `None` without one.
    pub(crate) found: Option<Found>,
    pub(crate) connected: Connected,
    timeout: Option<Duration>,
    cancel: CancellationToken,
}

impl Session {
    /// Reads the configuration; no source is started or connected yet.
    pub(crate) fn open(global: &Global, printer: &mut Printer) -> Result<Self, Failure> {
        Self::open_with(global, None, printer)
    }

    /// The same, where `interaction` answers what MCP servers ask.
    pub(crate) fn open_with(
        global: &Global,
        interaction: Option<&Arc<dyn Interaction>>,
        printer: &mut Printer,
    ) -> Result<Self, Failure> {
        let found = config::find(global.config.as_deref())?;
        let config = match &found {
            Some(found) => Config::load(&found.file)?,
            None => Config::default(),
        };
        if let Some(found) = found.as_ref().filter(|_| printer.is_verbose()) {
            printer.say(&format!(
                "configuration: {} ({})",
                found.file.display(),
                found.origin
            ))?;
        }
        let places = Places {
            launcher: std::env::current_exe().ok(),
            cache: cache(),
        };
        let connected = config.connect_with(interaction, &places);
        let mut builder = Executor::builder().config(&config, &connected);
        if config.sections.builtin.enabled != Some(false) {
            for tools in builtin::all() {
                builder = builder.local(tools);
            }
        }
        Ok(Self {
            executor: builder.build()?,
            config,
            found,
            connected,
            timeout: global.timeout,
            cancel: CancellationToken::new(),
        })
    }

    /// Over an executor that was put together by hand, without a configuration.
    pub(crate) fn over(executor: Executor) -> Self {
        Self {
            executor,
            config: Config::default(),
            found: None,
            connected: Connected::default(),
            timeout: None,
            cancel: CancellationToken::new(),
        }
    }

    /// What travels with a call: the deadline of `--timeout` and the interrupt.
    pub(crate) fn context(&self) -> CallContext {
        let cx = CallContext::new().with_cancel(self.cancel.clone());
        match self.timeout {
            Some(timeout) => cx.with_timeout(timeout),
            None => cx,
        }
    }

    /// What travels with a program: the interrupt. Its time is among its limits.
    pub(crate) fn cancellable(&self) -> CallContext {
        CallContext::new().with_cancel(self.cancel.clone())
    }

    /// Cancelled by an interrupt.
    pub(crate) fn interrupt(&self) -> &CancellationToken {
        &self.cancel
    }

    /// What `--timeout` says.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// Does what is not bound by `--timeout`; an interrupt drops it.
    pub(crate) async fn within<T>(
        &self,
        work: impl Future<Output = Result<T, toolexec::Error>>,
    ) -> Result<T, Failure> {
        let bounded = async {
            tokio::select! {
                outcome = work => outcome.map_err(Failure::from),
                () = self.cancel.cancelled() => {
                    let message = "interrupted";
                    Err(toolexec::Error::new(toolexec::ErrorKind::Cancelled, message).into())
                }
            }
        };
        interruptible(&self.cancel, bounded, |done, _| done).await
    }

    /// Runs calls; an interrupt cancels them through [`Session::context`].
    pub(crate) async fn calls(
        &self,
        work: impl Future<Output = Result<Exit, Failure>>,
    ) -> Result<Exit, Failure> {
        // A call that ended by itself in the last moment keeps its code.
        let after = |done, signal| match done {
            Exit::Interrupted => signal,
            other => other,
        };
        interruptible(&self.cancel, work, after).await
    }

    /// Loads every source, or as many as `--timeout` allows.
    pub(crate) async fn load(&self) -> Result<Vec<SourceStatus>, Failure> {
        let bounded = async {
            tokio::select! {
                statuses = self.executor.load() => Ok(statuses),
                () = late(self.timeout) => Ok(self.executor.sources()),
            }
        };
        interruptible(&self.cancel, bounded, |done, _| done).await
    }

    /// Loads sources and looks things up, within `--timeout`. What is late or interrupted is
    /// dropped.
    pub(crate) async fn lookup<T>(
        &self,
        work: impl Future<Output = Result<T, toolexec::Error>>,
    ) -> Result<T, Failure> {
        let cancelled = || toolexec::Error::new(toolexec::ErrorKind::Cancelled, "interrupted");
        let bounded = async {
            tokio::select! {
                outcome = work => outcome.map_err(Failure::from),
                () = self.cancel.cancelled() => Err(cancelled().into()),
                () = late(self.timeout) => Err(self.too_late().into()),
            }
        };
        interruptible(&self.cancel, bounded, |done, _| done).await
    }

    /// Where a new section would be written.
    pub(crate) fn config_file(found: Option<Found>) -> PathBuf {
        found.map_or_else(|| PathBuf::from(config::FILE_NAME), |found| found.file)
    }

    /// Ends what was started.
    pub(crate) async fn close(&self) {
        self.executor.shutdown().await;
    }

    fn too_late(&self) -> toolexec::Error {
        let waiting: Vec<String> = self
            .executor
            .sources()
            .into_iter()
            .filter(|source| !source.loaded && source.error.is_none())
            .map(|source| source.backend.to_string())
            .collect();
        let time = self.timeout.unwrap_or_default();
        let error = toolexec::Error::new(
            toolexec::ErrorKind::Timeout,
            format!("{} did not answer within {time:?}", waiting.join(", ")),
        );
        error.with_hint("`toolexec doctor` shows what each source does")
    }
}

async fn late(timeout: Option<Duration>) {
    match timeout {
        Some(timeout) => tokio::time::sleep(timeout).await,
        None => std::future::pending().await,
    }
}
