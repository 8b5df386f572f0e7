//! The guest on a kernel of its own, gVisor's: a program that answers the guest's system calls
//! itself and has few of the machine's.
//!
//! Each program gets a kernel of its own, with nothing in its root but the guest and no network at
//! all; a few are started ahead. Everything that belongs to it runs in one control group of ours.
//! It ends with its session and with this process.

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

/// How many guests are started ahead, unless it is said otherwise.
const WARM: usize = 2;
/// The kernel's threads and the processes in which it runs the guest; with a quarter of it, it
/// dies without a word.
const THREADS: u64 = 512;
/// What the kernel itself takes.
const OWN_MEMORY: u64 = 64 << 20;
/// The least with which the kernel starts and has some room.
const LEAST_MEMORY: u64 = 128 << 20;

/// How gVisor gets hold of system calls, unless it is said otherwise.
pub(crate) const PLATFORM: &str = "systrap";

/// The guest on gVisor. Cheap to clone.
#[derive(Clone)]
pub struct GvisorSandbox {
    containers: Containers,
}

/// Says what a [`GvisorSandbox`] is to use.
#[derive(Debug, Clone)]
#[must_use]
pub struct Builder {
    program: PathBuf,
    platform: String,
    options: Options,
}

impl GvisorSandbox {
    /// A sandbox that runs this guest.
    pub fn builder(guest: LinuxGuest) -> Builder {
        Builder {
            program: PathBuf::from("runsc"),
            platform: PLATFORM.to_owned(),
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
    /// The runtime: a path, or a name that is looked for. `runsc` otherwise.
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = program.into();
        self
    }

    /// How gVisor gets hold of the guest's system calls: `systrap`, `ptrace` or `kvm`. `systrap`
    /// otherwise.
    pub fn platform(mut self, platform: impl Into<String>) -> Self {
        self.platform = platform.into();
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

    /// How many guests of a kind are started ahead. None, with 0.
    pub fn warm(mut self, guests: usize) -> Self {
        self.options.warm = guests;
        self
    }

    /// The sandbox. Nothing is started yet.
    pub fn build(self) -> GvisorSandbox {
        GvisorSandbox {
            containers: Containers::new(runtime(self.program, &self.platform), self.options),
        }
    }
}

/// gVisor's runtime.
pub(crate) fn runtime(program: PathBuf, platform: &str) -> Runtime {
    Runtime {
        program,
        name: "gVisor's runsc",
        install: "install gVisor's runsc: https://gvisor.dev/docs/user_guide/install",
        options: vec![
            format!("--platform={platform}"),
            "--network=none".to_owned(),
            // It is in a group of ours.
            "--ignore-cgroups".to_owned(),
        ],
        rootless_options: &["--rootless"],
        joins_groups: true,
        counts_processes: true,
        kills_at_cpu_limit: false,
        threads: THREADS,
        own_memory: OWN_MEMORY,
        least_memory: LEAST_MEMORY,
    }
}

impl Sandbox for GvisorSandbox {
    fn name(&self) -> &'static str {
        "gvisor"
    }

    fn describe(&self) -> Description {
        Description {
            isolation: Isolation::Vm,
            languages: self.containers.languages(),
            summary: "a kernel of its own, gVisor's, without network and rights, read-only",
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

impl fmt::Debug for GvisorSandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GvisorSandbox").finish_non_exhaustive()
    }
}
