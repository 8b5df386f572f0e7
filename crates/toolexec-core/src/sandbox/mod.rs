//! Where code runs: starting a guest, bounding it, ending it.
//!
//! A sandbox starts a guest (the program of `toolexec-guest`) behind some boundary and hands out
//! the byte stream to it. What is said on that stream, what is counted and what is answered is
//! the same for all of them and lives in [`crate::code`].

mod enforced;
mod language;
mod limits;
mod policy;
mod profile;
mod session;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::Serialize;

pub use enforced::{Enforced, EnforcedLimit, Enforcement, Enforcer};
pub use language::{
    ENGINES, TOOLCHAINS, all_languages, language_name, needs_toolchain, on_engine, with_toolchains,
};
pub use limits::{LimitName, Limits};
pub use policy::{Availability, Sandboxes};
pub use profile::{Isolation, ParseProfileError, Profile};
pub use session::{Ended, Guest, GuestMeasure, Session};
pub use toolexec_wire::Language;

use crate::error::Result;

/// Somewhere code runs.
///
/// An implementation must
///
/// 1. answer [`probe`](Sandbox::probe) from something that was really tried, with what is missing
///    and how to get it, and be cheap to ask again;
/// 2. start a guest that has run no program before, and never hand the same guest out twice;
/// 3. hand out sessions as [`Guest`] describes them;
/// 4. go on serving whatever a guest did;
/// 5. leave nothing running once its sessions and itself are dropped.
pub trait Sandbox: Send + Sync + 'static {
    /// Its name in configurations and outcomes: `wasm`, `host`.
    fn name(&self) -> &str;

    /// What it is, for people and for the policy.
    fn describe(&self) -> Description;

    /// Whether it puts the guest into an image where [`SessionSpec`] names one. One that does not
    /// is never given a spec with an image.
    fn takes_images(&self) -> bool {
        false
    }

    /// Whether it may have this image, as far as it knows without asking anybody. Of a sandbox
    /// that takes images.
    fn has_image(&self, _image: &str) -> bool {
        true
    }

    /// The version of the daemon or program that it uses, if it uses one that says it.
    fn version(&self) -> BoxFuture<'_, Option<String>> {
        Box::pin(std::future::ready(None))
    }

    /// Whether it can be used here and now.
    ///
    /// # Errors
    /// [`ErrorKind::SandboxUnavailable`](crate::ErrorKind::SandboxUnavailable) that says what is
    /// missing.
    fn probe(&self) -> BoxFuture<'_, Result<()>>;

    /// Starts a guest.
    fn start(&self, spec: SessionSpec) -> BoxFuture<'_, Result<Session>>;
}

/// What a sandbox is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Description {
    /// What separates a program from the host.
    pub isolation: Isolation,
    /// The languages it runs.
    pub languages: Vec<Language>,
    /// In a sentence.
    pub summary: &'static str,
    /// Which limits it enforces, and who does.
    pub enforcement: Enforcement,
}

/// What a guest is started for.
#[derive(Debug, Clone)]
pub struct SessionSpec {
    /// The language of the program; another one may not run in the session.
    pub language: Language,
    /// What the program may use.
    pub limits: Limits,
    /// The program itself, where it is a WebAssembly module: it does not come on the stream.
    pub module: Option<Arc<[u8]>>,
    /// The image that the guest is put into; what the sandbox is set to, when nothing is said.
    pub image: Option<Arc<str>>,
}

impl SessionSpec {
    /// A guest for programs in `language` that may use `limits`: no module, no image of its own.
    pub fn new(language: Language, limits: Limits) -> Self {
        Self {
            language,
            limits,
            module: None,
            image: None,
        }
    }
}
