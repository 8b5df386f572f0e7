//! The guest as a child process that the kernel locks in: a container without a daemon, for root
//! and for ordinary users.
//!
//! The guest is the first process of namespaces of its own (user, mount, process, network, IPC,
//! host name, control group, time). Its root is empty: no file is there, not even its own, and
//! none can be made. It has no capability, may gain none, and has the system calls that reading,
//! writing, computing and ending take (`toolexec-jail` says which). Its memory and CPU time are
//! capped by resource limits and, where this process may make one, by a control group of its own,
//! version 1 or 2, which also caps its share of the processors.
//!
//! Each program gets a guest of its own; a few are started ahead. A guest ends with its session
//! and with this process, whatever ends that.

mod guest;
mod launch;
mod spec;

use std::fmt;
use std::path::PathBuf;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use toolexec_core::Result;
use toolexec_core::sandbox::{
    Description, Enforcement, Isolation, Language, Sandbox, Session, SessionSpec,
};

use crate::cgroup::Cgroups;
use crate::piped::{KINDS, kind};
use crate::pool::{Pool, Size};
use guest::ProcessGuest;
use launch::Launcher;

/// How many guests are started ahead, unless it is said otherwise.
const WARM: usize = 2;

/// The guest as a child process that the kernel locks in. Cheap to clone.
#[derive(Clone)]
pub struct ProcessSandbox {
    pool: Pool<Launcher>,
}

impl ProcessSandbox {
    /// A sandbox that runs the guest program at `program`, which must be able to lock itself in.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self::with_warm(program, WARM)
    }

    /// The same, with `warm` guests started ahead. None, with 0.
    pub fn with_warm(program: impl Into<PathBuf>, warm: usize) -> Self {
        Self {
            pool: Pool::new(Launcher::new(program.into()), Size::warm(warm)),
        }
    }

    /// Waits until as many guests are started ahead as shall be.
    ///
    /// # Errors
    /// [`ErrorKind::SandboxUnavailable`](toolexec_core::ErrorKind::SandboxUnavailable) when a
    /// guest cannot be started or locked in.
    ///
    /// # Cancel safety
    /// Safe: what was started stays.
    pub async fn warm_up(&self) -> Result<()> {
        for kind in KINDS {
            self.pool.fill(&kind).await?;
        }
        Ok(())
    }

    fn enforcement(&self) -> Enforcement {
        let controllers = self.pool.launcher().cgroups().map(Cgroups::controllers);
        spec::enforcement(&controllers.unwrap_or_default())
    }
}

impl Sandbox for ProcessSandbox {
    fn name(&self) -> &'static str {
        "process"
    }

    fn describe(&self) -> Description {
        Description {
            isolation: Isolation::Kernel,
            languages: vec![
                Language::JavaScript,
                Language::TypeScript,
                Language::Python,
                Language::Script,
            ],
            summary: "a child process in empty namespaces, without files, network or rights",
            enforcement: self.enforcement(),
        }
    }

    fn probe(&self) -> BoxFuture<'_, Result<()>> {
        // A guest that locked itself in and said hello is in the pool, or was given out.
        async move { self.pool.probe(&KINDS[0]).await }.boxed()
    }

    fn start(&self, spec: SessionSpec) -> BoxFuture<'_, Result<Session>> {
        async move {
            let kind = kind(spec.language);
            let inmate = self.pool.take(&kind).await?;
            let enforcement = self.enforcement();
            let guest = ProcessGuest::new(inmate, kind, enforcement, spec.limits, &self.pool)?;
            Ok(Session::new(guest))
        }
        .boxed()
    }
}

impl fmt::Debug for ProcessSandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessSandbox").finish_non_exhaustive()
    }
}
