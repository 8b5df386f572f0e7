//! What a launcher says about a jail.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What a launcher says about a jail. Everything else is the same for all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The user that the inmate is for the kernel; the launcher's own, when nothing is said.
    /// Only root can make it another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<u32>,
    /// Control groups that the inmate joins, as directories. The supervisor removes them when the
    /// launcher is gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cgroups: Vec<PathBuf>,
}

/// Why a text is no spec.
#[derive(Debug, thiserror::Error)]
#[error("this is no description of a jail: {0}")]
pub struct ParseSpecError(#[from] serde_json::Error);

impl Spec {
    /// The first argument of a program that is to lock itself in. The second is the spec.
    pub const ARGUMENT: &'static str = "--toolexec-jail";

    /// As an argument of a program.
    pub fn to_argument(&self) -> String {
        // Paths that are not Unicode are the only thing that could fail; the launcher makes none.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// From an argument of a program.
    ///
    /// # Errors
    /// When it was made by another version.
    pub fn from_argument(argument: &str) -> Result<Self, ParseSpecError> {
        Ok(serde_json::from_str(argument)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spec_survives_the_command_line() {
        let spec = Spec {
            user: Some(7),
            cgroups: vec!["/sys/fs/cgroup/memory/a b\"".into()],
        };
        for spec in [spec, Spec::default()] {
            assert_eq!(Spec::from_argument(&spec.to_argument()).unwrap(), spec);
        }
        assert_eq!(Spec::default().to_argument(), "{}");
    }

    #[test]
    fn what_another_version_says_is_refused() {
        let error = Spec::from_argument(r#"{"network": true}"#).unwrap_err();
        assert!(error.to_string().contains("unknown field"), "{error}");
    }
}
