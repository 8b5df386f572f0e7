//! A sandbox of containers that a runtime starts.

use std::path::PathBuf;
use std::sync::Arc;

use toolexec_core::Result;
use toolexec_core::sandbox::{Enforcement, Language, Limits, Session, SessionSpec};

use super::guest::Contained;
use super::launch::Launcher;
use super::runtime::Runtime;
use crate::container::{Kind, enforcement_for, languages};
use crate::linux_guest::LinuxGuest;
use crate::piped::KINDS;
use crate::pool::{Pool, Size};
use crate::roots::Roots;
use crate::toolchain_cache::Cache;

/// How containers are started. Nothing said: from nothing but the guest, two ahead.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) guest: LinuxGuest,
    /// The directory with programs in it that is the root, or the name of one of `roots`.
    pub(crate) root: Option<PathBuf>,
    pub(crate) roots: Option<Roots>,
    pub(crate) cache: Option<Cache>,
    pub(crate) warm: usize,
}

impl Options {
    pub(crate) fn new(guest: LinuxGuest, warm: usize) -> Self {
        Self {
            guest,
            root: None,
            roots: None,
            cache: None,
            warm,
        }
    }
}

/// Containers that a runtime starts. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Containers {
    pool: Pool<Launcher>,
}

impl Containers {
    pub(crate) fn new(runtime: Runtime, options: Options) -> Self {
        let size = Size::warm(options.warm);
        Self {
            pool: Pool::new(Launcher::new(runtime, options), size),
        }
    }

    pub(crate) async fn warm_up(&self) -> Result<()> {
        for language in KINDS {
            self.pool.fill(&self.usual(language)).await?;
        }
        Ok(())
    }

    pub(crate) fn enforcement(&self) -> Enforcement {
        let launcher = self.pool.launcher();
        launcher.runtime().enforcement(&launcher.controllers())
    }

    pub(crate) async fn probe(&self) -> Result<()> {
        // A guest that was started and said hello is in the pool, or was given out.
        self.pool.probe(&self.usual(KINDS[0])).await
    }

    /// What it runs: programs of toolchains too, where there is a root for every program.
    pub(crate) fn languages(&self) -> Vec<Language> {
        languages(self.pool.launcher().options().root.is_some())
    }

    /// Whether a root with this name is there.
    pub(crate) fn has_image(&self, name: &str) -> bool {
        let roots = self.pool.launcher().options().roots.as_ref();
        roots.is_some_and(|roots| roots.has(name))
    }

    pub(crate) async fn start(&self, spec: SessionSpec) -> Result<Session> {
        let kind = self.kind(spec.language, spec.image, &spec.limits);
        let inmate = self.pool.take(&kind).await?;
        let enforcement = enforcement_for(spec.language, self.enforcement());
        let guest = Contained::new(inmate, kind, enforcement, spec.limits, &self.pool);
        Ok(Session::new(guest))
    }

    /// What a program needs that asks for no limits of its own.
    fn usual(&self, language: Language) -> Kind {
        self.kind(language, None, &Limits::standard())
    }

    fn kind(&self, language: Language, image: Option<Arc<str>>, limits: &Limits) -> Kind {
        let cache = self.pool.launcher().options().cache.as_ref();
        Kind::new(language, image, limits).with_cache(language, cache)
    }
}
