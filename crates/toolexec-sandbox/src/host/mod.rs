//! The guest as a child process, without isolation.
//!
//! For one's own programs only: the child runs with the rights of this process. It has an empty
//! environment and a process group of its own, it is killed with its group, and the kernel caps
//! its memory and CPU time. Each program gets a guest of its own; a few are started ahead, so
//! that a program does not wait for one.

mod child;

use std::fmt;
use std::path::PathBuf;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use toolexec_core::Result;
use toolexec_core::sandbox::{Description, Isolation, Language, Sandbox, Session, SessionSpec};
use toolexec_process::Command;
use toolexec_wire::GUEST_ARGUMENT;

use crate::piped::{KINDS, Piped, kind, warm};
use crate::pool::{Launch, Pool, Size};
use child::{ChildGuest, enforcement};

/// How many guests are started ahead, unless it is said otherwise.
const WARM: usize = 2;

/// The guest as a child process, without isolation. Cheap to clone.
#[derive(Clone)]
pub struct HostSandbox {
    pool: Pool<Launcher>,
}

impl HostSandbox {
    /// A sandbox that runs the guest program at `program`.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self::with_warm(program, WARM)
    }

    /// The same, with `warm` guests started ahead. None, with 0.
    pub fn with_warm(program: impl Into<PathBuf>, warm: usize) -> Self {
        let program = program.into();
        Self {
            pool: Pool::new(Launcher { program }, Size::warm(warm)),
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
            languages: vec![
                Language::JavaScript,
                Language::TypeScript,
                Language::Python,
                Language::Script,
            ],
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
                &spec.limits,
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
}

impl Launch for Launcher {
    type Kind = Language;
    type Guest = Piped;

    async fn launch(&self, language: &Language) -> Result<Piped> {
        let command = Command::new(self.program.to_string_lossy()).arg(GUEST_ARGUMENT);
        Piped::start(command.args(warm(*language))).await
    }

    fn is_alive(guest: &mut Piped) -> bool {
        guest.ended().is_none()
    }
}
