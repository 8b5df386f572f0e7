//! What a root is made of.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use toolexec_core::{Error, ErrorKind, Result};

use crate::hex::hex;

/// Changes when roots are made otherwise.
const FORMAT: &str = "1";
/// How the names begin that are made of hashes, and those of images of virtual machines.
const RESERVED: [&str; 3] = ["root-", "toolexec-", "vm-"];
const SUITE: &str = "bookworm";
const MIRROR: &str = "http://deb.debian.org/debian";

/// What a root is made of: a release of Debian, toolchains and packages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// The toolchains in it.
    pub with: BTreeSet<Toolchain>,
    /// The release of Debian: `bookworm`.
    pub suite: String,
    /// Where its packages come from.
    pub mirror: String,
    /// More packages of Debian.
    pub packages: BTreeSet<String>,
    /// Packages of Python, as pip takes them.
    pub pip: BTreeSet<String>,
    /// Packages of Node, as npm takes them.
    pub npm: BTreeSet<String>,
}

/// A toolchain that a root may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Toolchain {
    Bash,
    Go,
    Node,
    Python,
}

impl Toolchain {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Python, Self::Node, Self::Go, Self::Bash];

    /// The name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Go => "go",
            Self::Node => "node",
            Self::Python => "python",
        }
    }

    /// Debian's package of it.
    fn package(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Go => "golang-go",
            Self::Node => "nodejs",
            Self::Python => "python3",
        }
    }
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Toolchain {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|one| one.as_str() == text).ok_or_else(|| {
            let all = Self::ALL.map(Self::as_str).join(", ");
            invalid(format!("there is no toolchain {text:?}: there are {all}"))
        })
    }
}

impl Recipe {
    /// Toolchains on Debian bookworm, of Debian's own servers.
    pub fn new(with: impl IntoIterator<Item = Toolchain>) -> Self {
        Self {
            with: with.into_iter().collect(),
            suite: SUITE.to_owned(),
            mirror: MIRROR.to_owned(),
            packages: BTreeSet::new(),
            pip: BTreeSet::new(),
            npm: BTreeSet::new(),
        }
    }

    /// The name of a root that is given none: a hash of what it is made of.
    pub fn name(&self) -> String {
        let text = format!("{FORMAT} {} {self:?}", std::env::consts::ARCH);
        let hash = hex(&Sha256::digest(text));
        format!("root-{}", &hash[..16])
    }

    /// Checks what is passed on to other programs.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] that names what is wrong.
    pub fn check(&self) -> Result<()> {
        if !is_package(&self.suite) {
            return Err(invalid(format!("{:?} is no release of Debian", self.suite))
                .with_hint("such as bookworm or trixie"));
        }
        let is_address = ["http://", "https://"]
            .iter()
            .any(|scheme| self.mirror.starts_with(scheme));
        if !is_address || self.mirror.contains(char::is_whitespace) {
            return Err(
                invalid(format!("{:?} is no address of a mirror", self.mirror))
                    .with_hint("such as http://deb.debian.org/debian"),
            );
        }
        for (named, of, is_one) in [
            (&self.packages, "Debian", is_package as fn(&str) -> bool),
            (&self.pip, "Python", is_requirement),
            (&self.npm, "Node", is_requirement),
        ] {
            if let Some(wrong) = named.iter().find(|name| !is_one(name)) {
                return Err(invalid(format!("{wrong:?} is no package of {of}")));
            }
        }
        for (packages, toolchain) in [(&self.pip, Toolchain::Python), (&self.npm, Toolchain::Node)]
        {
            if !packages.is_empty() && !self.with.contains(&toolchain) {
                let message = format!("packages of {toolchain} need the toolchain {toolchain}");
                return Err(invalid(message).with_hint(format!("add it: --with {toolchain}")));
            }
        }
        Ok(())
    }

    /// The packages of Debian that are asked for.
    pub(super) fn debian(&self) -> BTreeSet<&str> {
        let toolchains = self.with.iter().map(|toolchain| toolchain.package());
        let own = self.packages.iter().map(String::as_str);
        toolchains.chain(own).collect()
    }
}

/// Checks a name that somebody gives a root: sandboxes, registries and directories take it.
///
/// # Errors
/// [`ErrorKind::InvalidInput`] with what a name may be.
pub(super) fn check_name(name: &str) -> Result<()> {
    let is_reserved = RESERVED.iter().any(|prefix| name.starts_with(prefix));
    if is_name(name) && !is_reserved {
        return Ok(());
    }
    let message = format!("{name:?} cannot be the name of a root");
    Err(invalid(message).with_hint(
        "take small letters, digits, -, _ and ., beginning with a letter or a digit, and not with \
         root-, toolexec- or vm-",
    ))
}

pub(super) fn is_name(name: &str) -> bool {
    let is_inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
    name.len() <= 63
        && name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && name.chars().all(is_inner)
}

fn is_package(name: &str) -> bool {
    let is_inner = |c: char| c.is_ascii_alphanumeric() || "+-.:".contains(c);
    name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(is_inner)
}

/// What pip and npm take as the name of a package of a registry, with a version: no option, no
/// path and no address.
fn is_requirement(name: &str) -> bool {
    let is_inner = |c: char| c.is_ascii_alphanumeric() || "-_.@/[],<>=~!^*".contains(c);
    name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '@')
        && name.chars().all(is_inner)
        && !name.contains("..")
        && (name.starts_with('@') || !name.contains('/'))
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidInput, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_that_of_what_a_root_is_made_of() {
        let one = Recipe::new([Toolchain::Go, Toolchain::Bash]);
        let same = Recipe::new([Toolchain::Bash, Toolchain::Go, Toolchain::Go]);
        assert_eq!(one.name(), same.name());
        assert!(is_name(&one.name()), "{}", one.name());
        let other = Recipe {
            suite: "trixie".to_owned(),
            ..one.clone()
        };
        assert_ne!(one.name(), other.name());
        assert_eq!(
            one.debian().into_iter().collect::<Vec<_>>(),
            ["bash", "golang-go"]
        );
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for name in ["py", "data-2.1_x", "0"] {
            check_name(name).unwrap();
        }
        for name in [
            "", "-a", ".", "..", "a/b", "Py", "a b", "vm-1", "root-1", "ä", "a:b",
        ] {
            let error = check_name(name).unwrap_err();
            assert_eq!(
                error.guest_message(),
                format!("{name:?} cannot be the name of a root")
            );
        }
    }

    #[test]
    fn what_is_passed_on_is_looked_at() {
        type Change = fn(&mut Recipe);
        let all = |change: Change| {
            let mut recipe = Recipe::new([Toolchain::Python]);
            change(&mut recipe);
            let failure = recipe.check().err();
            failure.map(|error| error.guest_message().to_owned())
        };
        let cases: [(Change, Option<&str>); 8] = [
            (|_| {}, None),
            (
                |recipe| recipe.pip = ["numpy==2.1.0".to_owned()].into(),
                None,
            ),
            (
                |recipe| recipe.suite = "--help".to_owned(),
                Some("\"--help\" is no release of Debian"),
            ),
            (
                |recipe| recipe.mirror = "file:///x".to_owned(),
                Some("\"file:///x\" is no address of a mirror"),
            ),
            (
                |recipe| recipe.packages = ["a b".to_owned()].into(),
                Some("\"a b\" is no package of Debian"),
            ),
            (
                |recipe| recipe.pip = ["--index".to_owned()].into(),
                Some("\"--index\" is no package of Python"),
            ),
            (
                |recipe| recipe.pip = ["git+https://x".to_owned()].into(),
                Some("\"git+https://x\" is no package of Python"),
            ),
            (
                |recipe| recipe.npm = ["left-pad".to_owned()].into(),
                Some("packages of node need the toolchain node"),
            ),
        ];
        for (change, expected) in cases {
            assert_eq!(all(change).as_deref(), expected);
        }
        assert_eq!(
            "rust".parse::<Toolchain>().unwrap_err().guest_message(),
            "there is no toolchain \"rust\": there are python, node, go, bash"
        );
    }
}
