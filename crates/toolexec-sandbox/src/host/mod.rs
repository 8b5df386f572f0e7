//! The guest as a child process, without isolation.
//!
//! For one's own programs only: the child runs with the rights of this process. Its environment
//! has the `PATH` and nothing else, so that it finds the toolchains of this machine; it has a
//! process group of its own, it is killed with its group, and the kernel caps its memory and CPU
//! time; those of a toolchain's processes are looked at. Each program gets a guest of its own; a few are started ahead, so
//! that a program does not wait for one.

mod child;

use std::fmt;
use std::path::PathBuf;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use toolexec_core::Result;
use toolexec_core::sandbox::{
    Description, Isolation, Language, Sandbox, Session, SessionSpec, with_toolchains,
};
use toolexec_process::{Command, base_env};
use toolexec_wire::GUEST_ARGUMENT;

use crate::piped::{KINDS, Piped, kind, warm};
use crate::pool::{Launch, Pool, Size};
use child::{ChildGuest, enforcement};

/// How many guests are started ahead, unless it is said otherwise.
const WARM: usize = 2;
/// The variable that tells a guest where to keep what it compiles.
const CACHE: &str = "TOOLEXEC_TOOLCHAIN_CACHE";

/// The guest as a child process, without isolation. Cheap to clone.
#[derive(Clone)]
pub struct HostSandbox {
    pool: Pool<Launcher>,
}

/// Where toolchains are, and where they keep things.
#[derive(Debug, Clone, Default)]
pub struct Toolchains {
    /// The `PATH` on which they are found; that of this process when nothing is said.
    pub path: Option<String>,
    /// Where compiled programs are kept; nowhere when nothing is said. Only the user may write
    /// there.
    pub cache: Option<PathBuf>,
}

impl HostSandbox {
    /// A sandbox that runs the guest program at `program`.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self::with_warm(program, WARM)
    }

    /// The same, with `warm` guests started ahead. None, with 0.
    pub fn with_warm(program: impl Into<PathBuf>, warm: usize) -> Self {
        Self::with_toolchains(program, warm, Toolchains::default())
    }

    /// The same, with the toolchains of other languages.
    pub fn with_toolchains(
        program: impl Into<PathBuf>,
        warm: usize,
        toolchains: Toolchains,
    ) -> Self {
        let program = program.into();
        let launcher = Launcher {
            program,
            toolchains,
        };
        Self {
            pool: Pool::new(launcher, Size::warm(warm)),
        }
    }

    /// Waits until as many guests are started ahead as shall be.
    ///
    /// # Errors
    /// [`ErrorKind::SandboxUnavailable`](toolexec_core::ErrorKind::SandboxUnavailable) when the
    /// guest cannot be started.
    ///
    /// # Cancel safety
    /// Safe: what was started stays.
    pub async fn warm_up(&self) -> Result<()> {
        for language in KINDS {
            self.pool.fill(&language).await?;
        }
        Ok(())
    }
}

impl Sandbox for HostSandbox {
    fn name(&self) -> &'static str {
        "host"
    }

    fn describe(&self) -> Description {
        Description {
            isolation: Isolation::None,
            languages: with_toolchains(),
            summary: "a child process with the rights of this one; no isolation",
            enforcement: enforcement(),
        }
    }

    fn probe(&self) -> BoxFuture<'_, Result<()>> {
        // A guest that said hello is in the pool, or was given out; the first probe starts one.
        async move { self.pool.probe(&KINDS[0]).await }.boxed()
    }

    fn start(&self, spec: SessionSpec) -> BoxFuture<'_, Result<Session>> {
        async move {
            let kind = kind(spec.language);
            let guest = self.pool.take(&kind).await?;
            Ok(Session::new(ChildGuest::new(
                guest,
                kind,
                self.pool.clone(),
                &spec,
            )))
        }
        .boxed()
    }
}

impl fmt::Debug for HostSandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostSandbox").finish_non_exhaustive()
    }
}

/// Starts the guest program as it is.
struct Launcher {
    program: PathBuf,
    toolchains: Toolchains,
}

impl Launch for Launcher {
    type Kind = Language;
    type Guest = Piped;

    async fn launch(&self, language: &Language) -> Result<Piped> {
        let passed = ["PATH", "TMPDIR"];
        let environment = base_env().into_iter();
        let mut command = Command::new(self.program.to_string_lossy())
            .arg(GUEST_ARGUMENT)
            .envs(environment.filter(|(name, _)| passed.contains(&name.as_str())));
        if let Some(path) = &self.toolchains.path {
            command = command.env("PATH", path);
        }
        if let Some(cache) = &self.toolchains.cache {
            command = command.env(CACHE, cache.to_string_lossy());
        }
        Piped::start(command.args(warm(*language))).await
    }

    fn is_alive(guest: &mut Piped) -> bool {
        guest.ended().is_none()
    }
}
