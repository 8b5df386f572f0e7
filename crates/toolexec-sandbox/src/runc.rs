//! The guest in a container that runc starts, without a daemon: the same kernel, with namespaces,
//! control groups and a filter of system calls.
//!
//! [`process`](crate::process) does the same with nothing installed and faster. This one is for
//! machines where that does not work, or where a root directory with other programs is wanted.
//!
//! The container has an empty network namespace, a read-only root in which nothing is but the
//! guest, no capability, no new privileges, and few system calls. Each program gets a container of
//! its own; a few are started ahead. It ends with its session and with this process.

use std::fmt;
use std::path::PathBuf;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use toolexec_core::Result;
use toolexec_core::sandbox::{Description, Isolation, Sandbox, Session, SessionSpec};

use crate::linux_guest::LinuxGuest;
use crate::oci::{Containers, Options, Runtime};
use crate::roots::Roots;
use crate::toolchain_cache::Cache;

/// How many containers are started ahead, unless it is said otherwise.
const WARM: usize = 2;

/// The guest in a container that runc starts. Cheap to clone.
#[derive(Clone)]
pub struct RuncSandbox {
    containers: Containers,
}

/// Says what a [`RuncSandbox`] is to use.
#[derive(Debug, Clone)]
#[must_use]
pub struct Builder {
    program: PathBuf,
    options: Options,
}

impl RuncSandbox {
    /// A sandbox that runs this guest.
    pub fn builder(guest: LinuxGuest) -> Builder {
        Builder {
            program: PathBuf::from("runc"),
            options: Options::new(guest, WARM),
        }
    }

    /// Waits until as many guests are started ahead as shall be.
    ///
    /// # Errors
    /// [`ErrorKind::SandboxUnavailable`](toolexec_core::ErrorKind::SandboxUnavailable) when a
    /// container cannot be started.
    ///
    /// # Cancel safety
    /// Safe: what was started stays.
    pub async fn warm_up(&self) -> Result<()> {
        self.containers.warm_up().await
    }
}

impl Builder {
    /// The runtime: a path, or a name that is looked for. `runc` otherwise.
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = program.into();
        self
    }

    /// A directory that becomes the root of containers, read-only, with the guest mounted into it,
    /// or the name of one of the [roots](Self::roots). Otherwise there is nothing but the guest.
    pub fn root(mut self, directory: impl Into<PathBuf>) -> Self {
        self.options.root = Some(directory.into());
        self
    }

    /// Roots with programs in them, which programs and [`root`](Self::root) may name.
    pub fn roots(mut self, roots: Roots) -> Self {
        self.options.roots = Some(roots);
        self
    }

    /// Keeps compiled programs in a directory of this machine. What one program leaves there
    /// others run, and how much that is is not limited: it is for programs that trust each other.
    pub fn toolchain_cache(mut self, directory: impl Into<PathBuf>) -> Self {
        self.options.cache = Some(Cache::new(directory));
        self
    }

    /// How many containers of a kind are started ahead. None, with 0.
    pub fn warm(mut self, guests: usize) -> Self {
        self.options.warm = guests;
        self
    }

    /// The sandbox. Nothing is started yet.
    pub fn build(self) -> RuncSandbox {
        RuncSandbox {
            containers: Containers::new(runtime(self.program), self.options),
        }
    }
}

fn runtime(program: PathBuf) -> Runtime {
    Runtime {
        program,
        name: "runc",
        install: "install runc 1.1 or later: apt-get install runc",
        options: Vec::new(),
        rootless_options: &[],
        joins_groups: false,
        counts_processes: false,
        kills_at_cpu_limit: true,
        threads: 0,
        own_memory: 0,
        least_memory: 0,
    }
}

impl Sandbox for RuncSandbox {
    fn name(&self) -> &'static str {
        "runc"
    }

    fn describe(&self) -> Description {
        Description {
            isolation: Isolation::Kernel,
            languages: self.containers.languages(),
            summary: "a container that runc starts, without network and rights, read-only",
            enforcement: self.containers.enforcement(),
        }
    }

    fn takes_images(&self) -> bool {
        true
    }

    fn has_image(&self, image: &str) -> bool {
        self.containers.has_image(image)
    }

    fn probe(&self) -> BoxFuture<'_, Result<()>> {
        self.containers.probe().boxed()
    }

    fn start(&self, spec: SessionSpec) -> BoxFuture<'_, Result<Session>> {
        self.containers.start(spec).boxed()
    }
}

impl fmt::Debug for RuncSandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuncSandbox").finish_non_exhaustive()
    }
}
