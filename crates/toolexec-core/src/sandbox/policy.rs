//! From a profile to a sandbox, never to a weaker one.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::{Description, Profile, Sandbox, SessionSpec, language_name, needs_toolchain};
use crate::error::{Error, ErrorKind, ErrorReport, Result};
use crate::sandbox::Enforced;

/// The sandboxes there are, and which of them a profile may use. Cheap to clone.
#[derive(Clone)]
pub struct Sandboxes {
    known: Vec<Arc<dyn Sandbox>>,
    // Names that are known and have no sandbox, with the reason.
    absent: Vec<(String, String)>,
    candidates: [Vec<String>; 3],
    allow_unsafe: bool,
}

/// Whether a sandbox can be used here.
#[derive(Debug, Clone, Serialize)]
pub struct Availability {
    /// Its name.
    pub name: String,
    /// What it is; nothing when it is not built in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<Description>,
    /// Why it cannot be used; nothing when it can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<ErrorReport>,
}

impl Default for Sandboxes {
    fn default() -> Self {
        Self::new()
    }
}

impl Sandboxes {
    /// No sandboxes yet. The candidates are `host`, `wasm` for `dev`; `wasm`, `process`, `runc`,
    /// `docker`, `containerd` for `standard`; `firecracker`, `kata`, `gvisor`, `qemu` for
    /// `hardened`.
    pub fn new() -> Self {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self {
            known: Vec::new(),
            absent: Vec::new(),
            candidates: [
                names(&["host", "wasm"]),
                names(&["wasm", "process", "runc", "docker", "containerd"]),
                names(&["firecracker", "kata", "gvisor", "qemu"]),
            ],
            allow_unsafe: false,
        }
    }

    /// Adds a sandbox, in place of one of the same name.
    #[must_use]
    pub fn with(mut self, sandbox: Arc<dyn Sandbox>) -> Self {
        self.known.retain(|known| known.name() != sandbox.name());
        self.absent.retain(|(name, _)| name != sandbox.name());
        self.known.push(sandbox);
        self
    }

    /// Says why a sandbox that has a name is not there, such as which feature builds it in.
    #[must_use]
    pub fn without(mut self, name: impl Into<String>, reason: impl Into<String>) -> Self {
        self.absent.push((name.into(), reason.into()));
        self
    }

    /// Says which sandboxes a profile may use, in the order of preference. One that isolates less
    /// than the profile demands is never used, whatever stands here.
    #[must_use]
    pub fn candidates<T: Into<String>>(
        mut self,
        profile: Profile,
        names: impl IntoIterator<Item = T>,
    ) -> Self {
        self.candidates[place(profile)] = names.into_iter().map(Into::into).collect();
        self
    }

    /// Allows the `dev` profile: programs then run without isolation.
    #[must_use]
    pub fn allow_unsafe(mut self, allow: bool) -> Self {
        self.allow_unsafe = allow;
        self
    }

    /// A sandbox by name.
    pub fn get(&self, name: &str) -> Option<&Arc<dyn Sandbox>> {
        self.known.iter().find(|sandbox| sandbox.name() == name)
    }

    /// The first candidate of the profile that is strong enough, runs the language, takes an image
    /// if one is named, and is available. `dev` asks for the least, so it takes any.
    ///
    /// # Errors
    /// [`ErrorKind::Denied`] for `dev` without `allow_unsafe`;
    /// [`ErrorKind::SandboxUnavailable`] that says of every candidate why it is not.
    ///
    /// # Cancel safety
    /// Safe: probing changes nothing.
    pub async fn choose(&self, profile: Profile, spec: &SessionSpec) -> Result<Arc<dyn Sandbox>> {
        if profile == Profile::Dev && !self.allow_unsafe {
            return Err(Error::new(
                ErrorKind::Denied,
                "the dev profile runs programs without isolation and is not allowed here",
            )
            .with_hint(
                "use the standard profile, or allow it yourself: allow_unsafe in the \
                 configuration, --allow-unsafe on the command line",
            ));
        }
        let mut reasons = Vec::new();
        for name in &self.candidates[place(profile)] {
            match self.candidate(name, profile, spec).await {
                Ok(sandbox) => return Ok(sandbox),
                Err(error) => reasons.push((name, error)),
            }
        }
        Err(unavailable(profile, &reasons))
    }

    /// What there is, and why not.
    ///
    /// # Cancel safety
    /// Safe: probing changes nothing.
    pub async fn availability(&self) -> Vec<Availability> {
        let mut all = Vec::new();
        for sandbox in &self.known {
            let missing = sandbox.probe().await.err();
            all.push(Availability {
                name: sandbox.name().to_owned(),
                description: Some(sandbox.describe()),
                missing: missing.map(|error| error.report()),
            });
        }
        for (name, reason) in &self.absent {
            let error = Error::new(ErrorKind::SandboxUnavailable, reason.clone());
            all.push(Availability {
                name: name.clone(),
                description: None,
                missing: Some(error.report()),
            });
        }
        all
    }

    async fn candidate(
        &self,
        name: &str,
        profile: Profile,
        spec: &SessionSpec,
    ) -> Result<Arc<dyn Sandbox>> {
        let refuse = |reason: String| Error::new(ErrorKind::SandboxUnavailable, reason);
        let Some(sandbox) = self.get(name) else {
            let absent = self.absent.iter().find(|(absent, _)| absent == name);
            return Err(refuse(absent.map_or_else(
                || "no sandbox has this name".to_owned(),
                |(_, reason)| reason.clone(),
            )));
        };
        let description = sandbox.describe();
        if description.isolation < profile.least() {
            return Err(refuse(format!(
                "gives {}, {profile} needs at least {}",
                description.isolation.as_str(),
                profile.least().as_str()
            )));
        }
        if spec.image.is_some() && !sandbox.takes_images() {
            return Err(refuse("takes no images".to_owned()));
        }
        if !description.languages.contains(&spec.language) {
            let why = format!("does not run {}", language_name(spec.language));
            let is_toolchain = needs_toolchain(spec.language);
            // Whether an image has the toolchain shows when the program starts.
            if !is_toolchain || spec.image.is_none() {
                return Err(refuse(match (is_toolchain, sandbox.takes_images()) {
                    (true, true) => format!("{why} without an image that has it"),
                    (true, false) => format!("{why}: it has no toolchains"),
                    (false, _) => why,
                }));
            }
        }
        if let Some(image) = &spec.image
            && !sandbox.has_image(image)
        {
            return Err(refuse(format!("has no image {image}")));
        }
        let unenforced = Enforced::new(&spec.limits, &description.enforcement).by_nobody();
        if profile != Profile::Dev && !unenforced.is_empty() {
            let names: Vec<&str> = unenforced.iter().map(|limit| limit.as_str()).collect();
            return Err(refuse(format!("cannot enforce {}", names.join(", "))));
        }
        sandbox.probe().await?;
        Ok(sandbox.clone())
    }
}

fn place(profile: Profile) -> usize {
    match profile {
        Profile::Dev => 0,
        Profile::Standard => 1,
        Profile::Hardened => 2,
    }
}

fn unavailable(profile: Profile, reasons: &[(&String, Error)]) -> Error {
    let why: Vec<String> = reasons
        .iter()
        .map(|(name, error)| format!("{name}: {}", error.guest_message()))
        .collect();
    let message = if why.is_empty() {
        format!("the {profile} profile has no candidates")
    } else {
        format!("no sandbox is available for {profile}: {}", why.join("; "))
    };
    let error = Error::new(ErrorKind::SandboxUnavailable, message);
    reasons
        .iter()
        .flat_map(|(name, error)| {
            error
                .hints()
                .iter()
                .map(move |hint| format!("{name}: {hint}"))
        })
        .fold(error, Error::with_hint)
}

impl fmt::Debug for Sandboxes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.known.iter().map(|sandbox| sandbox.name()).collect();
        f.debug_struct("Sandboxes")
            .field("known", &names)
            .field("candidates", &self.candidates)
            .field("allow_unsafe", &self.allow_unsafe)
            .finish_non_exhaustive()
    }
}
