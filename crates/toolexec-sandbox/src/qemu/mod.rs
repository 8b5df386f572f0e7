//! The guest in a virtual machine that QEMU runs: a kernel of its own, and nothing else in it.
//!
//! The machine has a processor, memory, a port to the host and a console; no network, no firmware
//! that is not needed, and no disk but that of a root with toolchains, which is read-only. QEMU
//! itself is a user that owns nothing, has no system calls to start anything, and reads its image
//! only. Where KVM really starts a machine it is used; otherwise QEMU emulates the
//! processor, which every machine can.
//!
//! Each program gets a machine of its own, which ends with its session and with this process. The
//! first of its kind is saved when its guest is ready, and all of that kind go on from there, each
//! with a clock, random numbers and a name of its own. Some may be started ahead besides.

mod guest;
mod launch;
mod monitor;
mod place;
mod snapshot;
mod spec;
mod verdict;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use toolexec_core::Result;
use toolexec_core::error::ErrorReport;
use toolexec_core::sandbox::{
    Description, Isolation, Language, Limits, Sandbox, Session, SessionSpec,
};

use crate::container::{Kind, enforcement_for, languages};
use crate::linux_guest::LinuxGuest;
use crate::piped::KINDS;
use crate::pool::{Pool, Size};
use crate::roots::Roots;
use crate::vm::{Images, Source, enforcement};
use guest::MachineGuest;
use launch::Launcher;

/// How many machines of a kind are started ahead, unless it is said otherwise.
const WARM: usize = 1;
/// How long a machine may take to its first word, unless it is said otherwise. An emulated one
/// takes seconds, and more where others use the processor.
const PATIENCE: Duration = Duration::from_mins(1);

/// What runs the code of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Accel {
    /// The processor itself, through Linux' KVM.
    Kvm,
    /// QEMU, which translates it.
    Tcg,
}

/// The guest in a virtual machine. Cheap to clone.
#[derive(Clone)]
pub struct QemuSandbox {
    pool: Pool<Launcher>,
    /// The root of programs that name none.
    root: Option<Arc<str>>,
}

/// Says what a [`QemuSandbox`] is to use.
#[derive(Debug, Clone)]
#[must_use]
pub struct Builder {
    program: PathBuf,
    source: Source,
    accel: Option<Accel>,
    warm: usize,
    patience: Duration,
    snapshots: bool,
    root: Option<Arc<str>>,
    roots: Option<Roots>,
}

impl QemuSandbox {
    /// A sandbox that runs this guest, from an image that is kept in `images`.
    pub fn builder(guest: LinuxGuest, images: Images) -> Builder {
        Builder {
            program: PathBuf::from("qemu-system-x86_64"),
            source: Source::Kept(images, guest),
            accel: None,
            warm: WARM,
            patience: PATIENCE,
            snapshots: true,
            root: None,
            roots: None,
        }
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
            self.pool.fill(&self.usual(language)).await?;
        }
        Ok(())
    }

    /// What a program needs that asks for no limits of its own.
    fn usual(&self, language: Language) -> Kind {
        Kind::new(language, self.root.clone(), &Limits::standard())
    }

    /// What runs the machines, once one was started.
    pub fn accel(&self) -> Option<Accel> {
        self.pool.launcher().accel()
    }

    /// Why machines were started from nothing that could have been restored, or why a snapshot is
    /// not kept for others: the last problem there was. It was logged as a warning too.
    pub fn problem(&self) -> Option<ErrorReport> {
        self.pool.launcher().problem()
    }
}

impl Builder {
    /// QEMU: a path, or a name that is looked for. `qemu-system-x86_64` otherwise.
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = program.into();
        self
    }

    /// The directory of an image. Otherwise one that is kept, and else one that is made of the
    /// installed kernel.
    pub fn image(mut self, directory: impl Into<PathBuf>) -> Self {
        self.source = Source::Directory(directory.into());
        self
    }

    /// What runs the machines. Otherwise KVM where a machine really starts with it.
    pub fn accel(mut self, accel: Accel) -> Self {
        self.accel = Some(accel);
        self
    }

    /// How many machines of a kind are started ahead. None, with 0.
    pub fn warm(mut self, machines: usize) -> Self {
        self.warm = machines;
        self
    }

    /// How long a machine may take to its first word; a minute otherwise.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Whether machines are restored from one that was saved; they are, otherwise. Snapshots are
    /// kept beside the image, eight at most.
    pub fn snapshots(mut self, are_used: bool) -> Self {
        self.snapshots = are_used;
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
        self.roots = Some(roots);
        self
    }

    /// The sandbox. Nothing is started yet.
    pub fn build(self) -> QemuSandbox {
        let launcher = Launcher::new(
            self.program,
            self.source,
            self.accel,
            self.patience,
            self.snapshots,
            self.roots,
        );
        QemuSandbox {
            pool: Pool::new(launcher, Size::warm(self.warm)),
            root: self.root,
        }
    }
}

impl Sandbox for QemuSandbox {
    fn name(&self) -> &'static str {
        "qemu"
    }

    fn describe(&self) -> Description {
        let launcher = self.pool.launcher();
        Description {
            isolation: Isolation::Vm,
            languages: languages(self.root.is_some()),
            summary: match launcher.accel() {
                Some(Accel::Kvm) => "a virtual machine of its own, run by KVM",
                Some(Accel::Tcg) => "a virtual machine of its own, emulated",
                None => "a virtual machine of its own",
            },
            enforcement: enforcement(&launcher.controllers()),
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
        async move { self.pool.probe(&self.usual(KINDS[0])).await }.boxed()
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

impl fmt::Debug for QemuSandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QemuSandbox").finish_non_exhaustive()
    }
}
