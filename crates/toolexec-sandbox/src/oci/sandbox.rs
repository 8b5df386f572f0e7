//! A sandbox of containers that a runtime starts.

use std::path::PathBuf;

use toolexec_core::Result;
use toolexec_core::sandbox::{Enforcement, Language, Limits, Session, SessionSpec};

use super::guest::Contained;
use super::launch::Launcher;
use super::runtime::Runtime;
use crate::container::Kind;
use crate::linux_guest::LinuxGuest;
use crate::piped::KINDS;
use crate::pool::{Pool, Size};

/// The languages of the guest.
pub(crate) const LANGUAGES: [Language; 4] = [
    Language::JavaScript,
    Language::TypeScript,
    Language::Python,
    Language::Script,
];

/// How containers are started. Nothing said: from nothing but the guest, two ahead.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) guest: LinuxGuest,
    pub(crate) root: Option<PathBuf>,
    pub(crate) warm: usize,
}

/// Containers that a runtime starts. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Containers {
    pool: Pool<Launcher>,
}

impl Containers {
    pub(crate) fn new(runtime: Runtime, options: Options) -> Self {
        let launcher = Launcher::new(runtime, options.guest, options.root);
        Self {
            pool: Pool::new(launcher, Size::warm(options.warm)),
        }
    }

    pub(crate) async fn warm_up(&self) -> Result<()> {
        for language in KINDS {
            self.pool.fill(&usual(language)).await?;
        }
        Ok(())
    }

    pub(crate) fn enforcement(&self) -> Enforcement {
        let launcher = self.pool.launcher();
        launcher.runtime().enforcement(&launcher.controllers())
    }

    pub(crate) async fn probe(&self) -> Result<()> {
        // A guest that was started and said hello is in the pool, or was given out.
        self.pool.probe(&usual(KINDS[0])).await
    }

    pub(crate) async fn start(&self, spec: SessionSpec) -> Result<Session> {
        let kind = Kind::new(spec.language, None, &spec.limits);
        let inmate = self.pool.take(&kind).await?;
        let enforcement = self.enforcement();
        let guest = Contained::new(inmate, kind, enforcement, spec.limits, &self.pool);
        Ok(Session::new(guest))
    }
}

/// What a program needs that asks for no limits of its own.
fn usual(language: Language) -> Kind {
    Kind::new(language, None, &Limits::standard())
}
