//! How much isolation a program needs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How much isolation a program needs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// None: for one's own programs. Needs `allow_unsafe` besides.
    Dev,
    /// An engine or the kernel separates the program from the host.
    #[default]
    Standard,
    /// A kernel of its own, or a virtual machine, separates the program from the host.
    Hardened,
}

/// What separates a program from the host, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Isolation {
    /// Nothing but the language itself.
    None,
    /// An engine that gives the program memory of its own and no system calls.
    Engine,
    /// The kernel: namespaces, filters, control groups.
    Kernel,
    /// A kernel of its own.
    Vm,
}

/// Why a text is no profile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown profile {0:?}; there are dev, standard and hardened")]
pub struct ParseProfileError(String);

impl Profile {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Standard => "standard",
            Self::Hardened => "hardened",
        }
    }

    /// The least isolation that it takes.
    pub fn least(self) -> Isolation {
        match self {
            Self::Dev => Isolation::None,
            Self::Standard => Isolation::Engine,
            Self::Hardened => Isolation::Vm,
        }
    }
}

impl Isolation {
    /// What there is between the program and the host.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "no isolation",
            Self::Engine => "an engine's isolation",
            Self::Kernel => "the kernel's isolation",
            Self::Vm => "a kernel of its own",
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Profile {
    type Err = ParseProfileError;

    fn from_str(text: &str) -> Result<Self, ParseProfileError> {
        [Self::Dev, Self::Standard, Self::Hardened]
            .into_iter()
            .find(|profile| profile.as_str() == text)
            .ok_or_else(|| ParseProfileError(text.to_owned()))
    }
}
