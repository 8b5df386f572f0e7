//! The guest in a container of containerd.
//!
//! The container has a root that holds nothing but the guest, or one with other programs: a
//! directory, or an image that containerd has. It has no network, no capability and few system
//! calls; nobody can write but to a small `/tmp`. Which runtime starts it is configurable: runc by
//! default, gVisor or Kata for a kernel of its own.
//!
//! Each program gets a container of its own; a few are started ahead. A container is removed when
//! its session ends; what a host left that was killed is removed when another one starts.

mod api;
mod builder;
mod client;
mod container;
mod daemon;
mod fifos;
mod guest;
mod image;
mod launch;
mod measure;
mod session;
mod spec;

use std::fmt;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use toolexec_core::Result;
use toolexec_core::sandbox::{Description, Language, Limits, Sandbox, Session, SessionSpec};

pub use builder::Builder;

use crate::container::{Kind, enforcement_for, languages};
use crate::piped::KINDS;
use crate::pool::Pool;
use crate::unavailable;
use api::GetVersion;
use launch::Launcher;
use session::ContainerGuest;
use spec::Wall;

/// The guest in a container of containerd. Cheap to clone.
#[derive(Clone)]
pub struct ContainerdSandbox {
    pool: Pool<Launcher>,
    name: &'static str,
    image: Option<Arc<str>>,
    usual: Limits,
}

impl ContainerdSandbox {
    /// Waits until as many guests are started ahead as shall be.
    ///
    /// # Errors
    /// [`ErrorKind::SandboxUnavailable`](toolexec_core::ErrorKind::SandboxUnavailable) when a
    /// guest cannot be started.
    ///
    /// # Cancel safety
    /// Safe: what was started stays.
    pub async fn warm_up(&self) -> Result<()> {
        for language in KINDS {
            self.pool.fill(&self.usual(language)).await?;
        }
        Ok(())
    }

    /// What programs usually need.
    fn usual(&self, language: Language) -> Kind {
        self.kind(language, self.image.clone(), &self.usual)
    }

    fn kind(&self, language: Language, image: Option<Arc<str>>, limits: &Limits) -> Kind {
        let kind = Kind::new(language, image, limits);
        kind.with_cache(language, self.pool.launcher().cache.as_ref())
    }

    fn wall(&self) -> Wall {
        self.pool.launcher().shim.wall()
    }
}

impl Sandbox for ContainerdSandbox {
    fn name(&self) -> &str {
        self.name
    }

    fn describe(&self) -> Description {
        let wall = self.wall();
        Description {
            isolation: wall.isolation(),
            languages: languages(self.image.is_some() || self.pool.launcher().root.is_some()),
            summary: match wall {
                Wall::Kernel => "a container of containerd",
                Wall::Gvisor => "a container of containerd, on gVisor's kernel",
                Wall::Machine => "a container of containerd, in a virtual machine of Kata",
            },
            enforcement: wall.enforcement(),
        }
    }

    fn version(&self) -> BoxFuture<'_, Option<String>> {
        async move {
            let client = self.pool.launcher().daemon.client().await.ok()?;
            let daemon = &self.pool.launcher().daemon;
            let asked = async move {
                client.call(GetVersion {}).await.map_err(|status| {
                    unavailable("containerd does not say its version").with_source(status)
                })
            };
            Some(daemon.run(asked).await.ok()?.version)
        }
        .boxed()
    }

    fn takes_images(&self) -> bool {
        true
    }

    fn probe(&self) -> BoxFuture<'_, Result<()>> {
        // A guest that said hello is in the pool, or was given out.
        async move { self.pool.probe(&self.usual(KINDS[0])).await }.boxed()
    }

    fn start(&self, spec: SessionSpec) -> BoxFuture<'_, Result<Session>> {
        async move {
            let image = spec.image.or_else(|| self.image.clone());
            let kind = self.kind(spec.language, image, &spec.limits);
            let guest = self.pool.take(&kind).await?;
            let enforcement = enforcement_for(spec.language, self.wall().enforcement());
            let is_usual = kind == self.usual(spec.language);
            let refill = is_usual.then(|| (self.pool.clone(), kind));
            let guest = ContainerGuest::new(guest, enforcement, spec.limits, refill);
            Ok(Session::new(guest))
        }
        .boxed()
    }
}

impl fmt::Debug for ContainerdSandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContainerdSandbox")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
