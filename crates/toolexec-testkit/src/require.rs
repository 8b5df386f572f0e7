//! What a test needs and may not find: absence is loud, and a failure where it was promised.
//!
//! A test that lacks something prints `skipped: NAME: REASON` and returns. With the environment
//! variable `TOOLEXEC_REQUIRE=all`, or a list of names such as `TOOLEXEC_REQUIRE=git,prism`, the
//! same is a failure, so that a run cannot go green by absence. What no package registry has is
//! not among `all`: it has to be named (see [`require_named`]). Test runners hide what a passing
//! test prints, so the line also goes to the file that `TOOLEXEC_SKIPPED_LOG` names, which
//! `cargo xtask test` shows at its end.

use std::fmt;
use std::fs::OpenOptions;
use std::io::Write;

/// Something a test needs is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// What.
    pub name: String,
    /// Why it is taken to be missing.
    pub reason: String,
    /// What to do about it.
    pub remedy: String,
}

impl Missing {
    /// Says what is missing, why, and what to do.
    pub fn new(
        name: impl Into<String>,
        reason: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            reason: reason.into(),
            remedy: remedy.into(),
        }
    }

    /// Says that what bears the name of a feature is not built in.
    pub fn feature(name: &str) -> Self {
        let remedy = format!("build with `--features {name}`");
        Self::new(name, "it is not built in", remedy)
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.name, self.reason, self.remedy)
    }
}

impl std::error::Error for Missing {}

/// What was found, or `None` after a loud line when the test may be skipped.
///
/// # Panics
/// When it is missing and `TOOLEXEC_REQUIRE` names it.
pub fn require<T>(found: Result<T, Missing>) -> Option<T> {
    found_or_announced(found, &["all"])
}

/// The same for what a machine may have and nothing installs: it may be missing unless
/// `TOOLEXEC_REQUIRE` has its name.
///
/// # Panics
/// When it is missing and `TOOLEXEC_REQUIRE` names it.
pub fn require_named<T>(found: Result<T, Missing>) -> Option<T> {
    found_or_announced(found, &[])
}

#[expect(clippy::panic, reason = "a test must fail")]
fn found_or_announced<T>(found: Result<T, Missing>, groups: &[&str]) -> Option<T> {
    match found {
        Ok(found) => Some(found),
        Err(missing) => {
            let wanted = std::env::var("TOOLEXEC_REQUIRE").unwrap_or_default();
            let optional = assert_optional(&wanted, &missing, groups);
            optional.unwrap_or_else(|why| panic!("{why}"));
            announce(&missing);
            None
        }
    }
}

/// Whether it may be missing where `wanted` is not: it is by its name, and as one of its groups.
fn assert_optional(wanted: &str, missing: &Missing, groups: &[&str]) -> Result<(), String> {
    let required = wanted
        .split(',')
        .map(str::trim)
        .any(|name| groups.contains(&name) || name == missing.name);
    if required {
        Err(format!("TOOLEXEC_REQUIRE={wanted}, but {missing}"))
    } else {
        Ok(())
    }
}

#[expect(clippy::print_stderr, reason = "absence must be seen")]
fn announce(missing: &Missing) {
    eprintln!("skipped: {missing}");
    if let Some(log) = std::env::var_os("TOOLEXEC_SKIPPED_LOG")
        && let Ok(mut file) = OpenOptions::new().append(true).create(true).open(log)
    {
        // One write, so that lines of several processes do not mix.
        let _ = file.write_all(format!("{missing}\n").as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_required_fails_and_the_rest_is_skipped() {
        let missing = Missing::new("git", "not installed", "run `cargo xtask peers`");
        let all = &["all"];
        assert_eq!(assert_optional("", &missing, all), Ok(()));
        assert_eq!(assert_optional("prism", &missing, all), Ok(()));
        assert_eq!(assert_optional("all", &missing, &[]), Ok(()));
        assert!(assert_optional("git", &missing, &[]).is_err());
        for wanted in ["all", "git", "prism, git"] {
            assert_eq!(
                assert_optional(wanted, &missing, all),
                Err(format!(
                    "TOOLEXEC_REQUIRE={wanted}, but git: not installed; run `cargo xtask peers`"
                ))
            );
        }
    }
}
