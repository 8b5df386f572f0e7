//! The guest in a container of a Docker daemon.
//!
//! The guest is the container's only program. Its root is read-only, it has no network, no
//! capability and no name, may gain no rights, and has the system calls of Docker's own profile.
//! The kernel caps its memory, its share of the processors, its processes and what it writes to
//! `/tmp`, the only place where it can write. With the runtime `runsc` (gVisor) or Kata it has a
//! kernel of its own besides.
//!
//! Any image will do: the guest is put into the container, and nothing of the image is run unless
//! a program does. Without an image one is made of the guest alone. Nothing is ever pulled.
//!
//! A container is removed when its session ends. It ends by itself when this process does, which
//! closes its input; what should still be left is removed by the next host that uses the daemon.

mod container;
mod daemon;
mod endpoint;
mod guest;
mod image;
mod import;
mod launch;
mod spec;
mod wall;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use toolexec_core::sandbox::{Description, Language, Limits, Sandbox, Session, SessionSpec};
use toolexec_core::{Error, ErrorKind, Result};

pub use import::import;

use crate::container::{Kind, enforcement_for, languages};
use crate::linux_guest::LinuxGuest;
use crate::piped::KINDS;
use crate::pool::{Pool, Size};
use crate::toolchain_cache::Cache;
use endpoint::Endpoint;
use guest::DockerGuest;
use launch::Launcher;
use wall::Wall;

/// Where Docker listens unless it is said otherwise.
pub const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";
/// How many guests are started ahead, unless it is said otherwise.
const WARM: usize = 1;

/// The guest in a container of a Docker daemon. Cheap to clone.
#[derive(Clone)]
pub struct DockerSandbox {
    pool: Pool<Launcher>,
    image: Option<Arc<str>>,
    usual: Limits,
}

/// Builds a [`DockerSandbox`]; every setter takes and returns the builder.
#[derive(Debug, Clone)]
#[must_use]
pub struct DockerBuilder {
    guest: LinuxGuest,
    host: String,
    image: Option<String>,
    runtime: Option<String>,
    warm: usize,
    usual: Limits,
    cache: Option<PathBuf>,
}

impl DockerSandbox {
    /// Starts with the daemon at [`DEFAULT_HOST`], an image of the guest alone, and the daemon's
    /// usual runtime.
    pub fn builder(guest: LinuxGuest) -> DockerBuilder {
        DockerBuilder {
            guest,
            host: DEFAULT_HOST.to_owned(),
            image: None,
            runtime: None,
            warm: WARM,
            usual: Limits::standard(),
            cache: None,
        }
    }

    /// Waits until as many guests are started ahead as shall be.
    ///
    /// # Errors
    /// [`ErrorKind::SandboxUnavailable`] when a
    /// container cannot be started.
    ///
    /// # Cancel safety
    /// Safe: what was started stays.
    pub async fn warm_up(&self) -> Result<()> {
        for language in KINDS {
            self.pool.fill(&self.usual(language)).await?;
        }
        Ok(())
    }

    /// The kind of which guests wait.
    fn usual(&self, language: Language) -> Kind {
        self.kind(language, self.image.clone(), &self.usual)
    }

    fn kind(&self, language: Language, image: Option<Arc<str>>, limits: &Limits) -> Kind {
        let kind = Kind::new(language, image, limits);
        kind.with_cache(language, self.pool.launcher().cache())
    }

    fn wall(&self) -> Wall {
        Wall::of(self.pool.launcher().runtime())
    }

    /// Whether the host sees what a guest uses: virtual machines hide it, and so do other machines.
    fn host_looks(&self) -> bool {
        self.wall() != Wall::Vm && self.pool.launcher().endpoint().is_local()
    }
}

impl DockerBuilder {
    /// Says where the daemon listens: `unix:///run/docker.sock`, a path, or `tcp://host:port`.
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = host.into();
        self
    }

    /// Says of which image containers are made. It must be on the daemon.
    pub fn image(mut self, image: impl Into<String>) -> Self {
        self.image = Some(image.into());
        self
    }

    /// Says which of the daemon's runtimes is used, such as `runsc`.
    pub fn runtime(mut self, runtime: impl Into<String>) -> Self {
        self.runtime = Some(runtime.into());
        self
    }

    /// Says how many guests of each engine are started ahead. None, with 0.
    pub fn warm(mut self, guests: usize) -> Self {
        self.warm = guests;
        self
    }

    /// Says what programs may use that guests are started ahead for; [`Limits::standard`]
    /// otherwise. Containers keep the limits that they are started with, so a program with others
    /// waits for one of its own.
    pub fn usual_limits(mut self, limits: Limits) -> Self {
        self.usual = limits;
        self
    }

    /// Keeps compiled programs in a directory of this machine. What one program leaves there
    /// others run, and how much that is is not limited: it is for programs that trust each other.
    pub fn toolchain_cache(mut self, directory: impl Into<PathBuf>) -> Self {
        self.cache = Some(directory.into());
        self
    }

    /// Makes the sandbox. Nothing is asked of the daemon yet.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when the host is no address, or a
    /// daemon elsewhere shall use a directory of this machine.
    pub fn build(self) -> Result<DockerSandbox> {
        let endpoint = Endpoint::parse(&self.host)?;
        if self.cache.is_some() && !endpoint.is_local() {
            let message = "a Docker daemon of another machine cannot use a cache of this one";
            return Err(Error::new(ErrorKind::Config, message)
                .with_hint("leave toolchain_cache out of [code.docker]"));
        }
        let cache = self.cache.map(Cache::new);
        let launcher = Launcher::new(endpoint, self.runtime, self.guest, cache);
        Ok(DockerSandbox {
            pool: Pool::new(launcher, Size::warm(self.warm)),
            image: self.image.map(Into::into),
            usual: self.usual,
        })
    }
}

impl Sandbox for DockerSandbox {
    fn name(&self) -> &'static str {
        "docker"
    }

    fn describe(&self) -> Description {
        Description {
            isolation: self.wall().isolation(),
            languages: languages(self.image.is_some()),
            summary: self.wall().summary(),
            enforcement: wall::enforcement(self.wall(), self.host_looks()),
        }
    }

    fn takes_images(&self) -> bool {
        true
    }

    fn probe(&self) -> BoxFuture<'_, Result<()>> {
        // A guest that was started in a container and said hello is in the pool, or was given out.
        async move { self.pool.probe(&self.usual(KINDS[0])).await }.boxed()
    }

    fn start(&self, spec: SessionSpec) -> BoxFuture<'_, Result<Session>> {
        async move {
            let image = spec.image.or_else(|| self.image.clone());
            let kind = self.kind(spec.language, image, &spec.limits);
            let contained = self.pool.take(&kind).await?;
            let is_usual = kind == self.usual(spec.language);
            let refill = is_usual.then(|| (self.pool.clone(), kind));
            let seen = self.host_looks().then_some(contained.pid).flatten();
            let claims = wall::enforcement(self.wall(), self.host_looks());
            let claims = enforcement_for(spec.language, claims);
            let guest = DockerGuest::new(contained, spec.limits, claims, seen, refill);
            Ok(Session::new(guest))
        }
        .boxed()
    }
}

impl fmt::Debug for DockerSandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DockerSandbox")
            .field("image", &self.image)
            .finish_non_exhaustive()
    }
}
