//! The guest in a virtual machine that Firecracker runs: a kernel of its own on real hardware
//! virtualization, with next to no devices.
//!
//! The machine has processors, memory, a virtual socket to the host, a source of random numbers
//! that is rate-limited, and a console; no network, and no disk but that of a root with toolchains,
//! which is read-only. Firecracker filters its own system calls. Where root starts it and its
//! jailer is beside it, it is a user that owns nothing besides, in an empty root of its own.
//!
//! Each program gets a machine of its own. The first one of the usual limits is saved while its
//! first process waits for its word; later ones are restored from that. The word brings the time
//! and the seed of random numbers, so no two are alike. A machine ends with its session and with
//! this process.

mod api;
mod guest;
mod install;
mod launch;
mod snapshot;
mod spec;
mod vmm;
mod vsock;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use toolexec_core::Result;
use toolexec_core::sandbox::{
    Description, Isolation, Language, Limits, Sandbox, Session, SessionSpec,
};

use crate::container::{Kind, Resources, enforcement_for, languages};
use crate::linux_guest::LinuxGuest;
use crate::piped::KINDS;
use crate::pool::{Pool, Size};
use crate::private;
use crate::roots::Roots;
use crate::vm::{Images, Source, enforcement};
use guest::MachineGuest;
use launch::{Launcher, Settings};

/// How many machines of a kind are started ahead, unless it is said otherwise.
const WARM: usize = 1;
/// How long a machine may take to its first word, unless it is said otherwise.
const PATIENCE: Duration = Duration::from_secs(10);

/// The guest in a virtual machine of Firecracker. Cheap to clone.
#[derive(Clone)]
pub struct FirecrackerSandbox {
    pool: Pool<Launcher>,
    usual: Limits,
    /// The root of programs that name none.
    root: Option<Arc<str>>,
}

/// Says what a [`FirecrackerSandbox`] is to use.
#[derive(Debug, Clone)]
#[must_use]
pub struct Builder {
    settings: Settings,
    usual: Limits,
    warm: usize,
    root: Option<Arc<str>>,
}

impl FirecrackerSandbox {
    /// A sandbox that runs this guest, from an image that is kept in `images`. Machines and saved
    /// ones are kept in `state`, a directory that only the user may write to; it is made when it is
    /// needed. On the same file system as the images nothing is copied.
    pub fn builder(guest: LinuxGuest, images: Images, state: impl Into<PathBuf>) -> Builder {
        Builder {
            settings: Settings {
                program: PathBuf::from("firecracker"),
                source: Source::Kept(images, guest),
                roots: None,
                state: state.into(),
                kvm: PathBuf::from("/dev/kvm"),
                saved: None,
                patience: PATIENCE,
            },
            usual: Limits::standard(),
            warm: WARM,
            root: None,
        }
        .snapshots(true)
    }

    /// Where machines are kept below the cache of the user, or the directory of temporary files.
    pub fn state_below(cache: Option<&Path>) -> PathBuf {
        private::cache(cache).join("firecracker")
    }

    /// Waits until as many machines are started ahead as shall be.
    ///
    /// # Errors
    /// [`ErrorKind::SandboxUnavailable`](toolexec_core::ErrorKind::SandboxUnavailable) when a
    /// machine cannot be started.
    ///
    /// # Cancel safety
    /// Safe: what was started stays.
    pub async fn warm_up(&self) -> Result<()> {
        for language in KINDS {
            self.pool.fill(&self.usual_kind(language)).await?;
        }
        Ok(())
    }

    /// What a program needs that asks for no limits of its own.
    fn usual_kind(&self, language: Language) -> Kind {
        Kind::new(language, self.root.clone(), &self.usual)
    }
}

impl Builder {
    /// Firecracker: a path, or a name that is looked for. `firecracker` otherwise.
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.settings.program = program.into();
        self
    }

    /// The directory of an image. Otherwise one that is kept, and else one that is made of the
    /// installed kernel.
    pub fn image(mut self, directory: impl Into<PathBuf>) -> Self {
        self.settings.source = Source::Directory(directory.into());
        self
    }

    /// Whether machines with the usual limits are saved and restored; they are otherwise.
    pub fn snapshots(mut self, are: bool) -> Self {
        self.settings.saved = are.then(|| Resources::new(&self.usual));
        self
    }

    /// What programs may use that ask for nothing: machines are saved and started ahead for them.
    pub fn usual_limits(mut self, limits: Limits) -> Self {
        self.usual = limits;
        let are_saved = self.settings.saved.is_some();
        self.snapshots(are_saved)
    }

    /// How many machines of a kind are started ahead. None, with 0.
    pub fn warm(mut self, machines: usize) -> Self {
        self.warm = machines;
        self
    }

    /// The name of a root, whose programs those of toolchain languages are. It becomes a disk when
    /// the first machine is started, which takes a while. None otherwise.
    pub fn root(mut self, name: impl Into<Arc<str>>) -> Self {
        self.root = Some(name.into());
        self
    }

    /// Where roots are that are named. None otherwise.
    pub fn roots(mut self, roots: Roots) -> Self {
        self.settings.roots = Some(roots);
        self
    }

    /// How long a machine may take to its first word; ten seconds otherwise.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.settings.patience = patience;
        self
    }

    /// The device of KVM that is looked at before anything is started; `/dev/kvm` otherwise.
    /// Firecracker itself knows no other: this is for tests of what speaks like it.
    #[doc(hidden)]
    pub fn kvm(mut self, device: impl Into<PathBuf>) -> Self {
        self.settings.kvm = device.into();
        self
    }

    /// The sandbox. Nothing is started yet.
    pub fn build(self) -> FirecrackerSandbox {
        FirecrackerSandbox {
            pool: Pool::new(Launcher::new(self.settings), Size::warm(self.warm)),
            usual: self.usual,
            root: self.root,
        }
    }
}

impl Sandbox for FirecrackerSandbox {
    fn name(&self) -> &'static str {
        "firecracker"
    }

    fn describe(&self) -> Description {
        Description {
            isolation: Isolation::Vm,
            languages: languages(self.root.is_some()),
            summary: "a virtual machine of its own, run by Firecracker on KVM",
            enforcement: enforcement(&self.pool.launcher().controllers()),
        }
    }

    fn takes_images(&self) -> bool {
        true
    }

    fn has_image(&self, image: &str) -> bool {
        let roots = self.pool.launcher().roots();
        roots.is_some_and(|roots| roots.has(image))
    }

    fn probe(&self) -> BoxFuture<'_, Result<()>> {
        // A guest that was started and said hello is in the pool, or was given out.
        async move { self.pool.probe(&self.usual_kind(KINDS[0])).await }.boxed()
    }

    fn start(&self, spec: SessionSpec) -> BoxFuture<'_, Result<Session>> {
        async move {
            let image = spec.image.or_else(|| self.root.clone());
            let kind = Kind::new(spec.language, image, &spec.limits);
            let machine = self.pool.take(&kind).await?;
            let enforcement = enforcement(&self.pool.launcher().controllers());
            let enforcement = enforcement_for(spec.language, enforcement);
            let guest = MachineGuest::new(machine, kind, enforcement, spec.limits, &self.pool);
            Ok(Session::new(guest))
        }
        .boxed()
    }
}

impl fmt::Debug for FirecrackerSandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FirecrackerSandbox").finish_non_exhaustive()
    }
}
