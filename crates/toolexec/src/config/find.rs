//! Where the configuration file is.

use std::env;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::ConfigError;

/// The name of the file.
pub const FILE_NAME: &str = "toolexec.toml";

/// The environment variable that names the file.
pub const CONFIG_VAR: &str = "TOOLEXEC_CONFIG";

/// A configuration file and how it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The file.
    pub file: PathBuf,
    /// `--config`, the environment variable, the directory or the user's configuration.
    pub origin: &'static str,
}

/// Finds the file: the one that was `asked` for, else the one that `TOOLEXEC_CONFIG` names, else
/// `toolexec.toml` in the current directory or the nearest above it, else in the user's
/// configuration directory. `None`: there is none, which is fine.
pub fn find(asked: Option<&Path>) -> Result<Option<Found>, ConfigError> {
    if let Some(file) = asked {
        return existing(file.to_owned(), "--config").map(Some);
    }
    if let Some(file) = variable(CONFIG_VAR) {
        return existing(file, CONFIG_VAR).map(Some);
    }
    if let Some(file) = upward() {
        check_owner(&file)?;
        return Ok(Some(Found {
            file,
            origin: "the directory or one above it",
        }));
    }
    Ok(user_file().filter(|file| file.is_file()).map(|file| Found {
        file,
        origin: "the user's configuration",
    }))
}

fn existing(file: PathBuf, origin: &'static str) -> Result<Found, ConfigError> {
    if file.is_file() {
        return Ok(Found { file, origin });
    }
    Err(
        ConfigError::new(&file, format!("there is no such file ({origin})"))
            .with_hint("`toolexec init` writes a new one"),
    )
}

fn upward() -> Option<PathBuf> {
    let current = env::current_dir().ok()?;
    current
        .ancestors()
        .map(|dir| dir.join(FILE_NAME))
        .find(|file| file.is_file())
}

/// A configuration names programs to start, so one that another user put above a shared
/// directory is not taken by itself.
fn check_owner(file: &Path) -> Result<(), ConfigError> {
    let us = nix::unistd::geteuid();
    let owner = file.metadata().map_or(0, |metadata| metadata.uid());
    if owner == us.as_raw() || owner == 0 {
        return Ok(());
    }
    Err(ConfigError::new(
        file,
        "the file belongs to another user and was not asked for",
    )
    .with_hint("name it with --config to use it all the same"))
}

fn user_file() -> Option<PathBuf> {
    let base = variable("XDG_CONFIG_HOME").or_else(|| Some(variable("HOME")?.join(".config")))?;
    Some(base.join("toolexec").join(FILE_NAME))
}

fn variable(name: &str) -> Option<PathBuf> {
    env::var_os(name)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}
