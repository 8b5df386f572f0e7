//! How programs are run that do not say it themselves.

use crate::sandbox::{Limits, Profile, Sandboxes};

/// How programs are run that do not say it themselves, and what they may ask for.
#[derive(Debug, Clone, PartialEq)]
pub struct CodeSettings {
    /// The profile of programs that name none.
    pub profile: Profile,
    /// Whether the `dev` profile, which isolates nothing, may be asked for. Adds to what the
    /// sandboxes allow already.
    pub allow_unsafe: bool,
    /// What a program may use that does not say.
    pub defaults: Limits,
    /// The most that a program may ask for. More is refused, not lowered.
    pub maximum: Limits,
    /// Which images a program may name, with `*` for any characters.
    pub images: Vec<String>,
    /// Which sandboxes a profile may use, in the order of preference; where a profile is not
    /// named, what the sandboxes say themselves.
    pub candidates: Vec<(Profile, Vec<String>)>,
}

impl Default for CodeSettings {
    /// The standard profile with [`Limits::standard`], nothing unsafe, no maximum.
    fn default() -> Self {
        Self {
            profile: Profile::default(),
            allow_unsafe: false,
            defaults: Limits::standard(),
            maximum: Limits::default(),
            images: Vec::new(),
            candidates: Vec::new(),
        }
    }
}

impl CodeSettings {
    /// The sandboxes, with what is said here about them.
    pub(super) fn apply(&self, mut sandboxes: Sandboxes) -> Sandboxes {
        for (profile, names) in &self.candidates {
            sandboxes = sandboxes.candidates(*profile, names.iter().cloned());
        }
        if self.allow_unsafe {
            sandboxes = sandboxes.allow_unsafe(true);
        }
        sandboxes
    }
}
