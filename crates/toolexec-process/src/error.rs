//! Why a child could not be started or run.

use std::io;
use std::path::PathBuf;

use crate::limit::ReadError;

/// Why a child could not be started. Nothing runs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// The program is not there.
    #[error("program {program:?} was not found")]
    NotFound {
        /// The program as it was named.
        program: String,
        /// What to install or check.
        hint: String,
    },
    /// The program is there and may not be executed.
    #[error("program {program:?} may not be executed")]
    NotExecutable {
        /// The program as it was named.
        program: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The working directory is not there.
    #[error("the working directory does not exist")]
    Directory(
        /// The directory.
        PathBuf,
    ),
    /// The system refused for another reason.
    #[error("program {program:?} could not be started")]
    Io {
        /// The program as it was named.
        program: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A control group that the child was to start in could not be opened.
    #[error("a control group of the program could not be opened")]
    ControlGroup(#[source] io::Error),
    /// What it was to run in cannot be used. Nothing ran.
    #[error(transparent)]
    Confine(#[from] ConfineError),
    /// The watchdog that ends children with this process could not be started.
    #[error("the watchdog of child processes could not be started")]
    Watchdog(#[source] io::Error),
}

/// Why a program cannot run inside of what it was to run in.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ConfineError {
    /// What happened, without paths.
    pub message: String,
    /// What to do next.
    pub hints: Vec<String>,
    /// Why, for operators only.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl ConfineError {
    /// An error without hints and cause.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hints: Vec::new(),
            source: None,
        }
    }

    /// Adds what to do next.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds why.
    #[must_use]
    pub fn with_source(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.source = Some(source.into());
        self
    }
}

/// Why a program that was started did not run to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// It could not be started. Nothing ran.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// Its output was too large, or reading it failed. It was killed.
    #[error("reading the program's output failed")]
    Output(#[source] ReadError),
    /// Waiting for it failed. It was killed.
    #[error("waiting for the program failed")]
    Wait(#[source] io::Error),
}

impl SpawnError {
    /// What to do next, if there is something to say.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotFound { hint, .. } => Some(hint.clone()),
            Self::NotExecutable { program, .. } => {
                Some(format!("make it executable: chmod +x {program}"))
            }
            Self::Confine(error) => error.hints.first().cloned(),
            Self::Directory(_) => Some("create the directory, or correct `cwd`".to_owned()),
            Self::Io { .. } | Self::ControlGroup(_) | Self::Watchdog(_) => None,
        }
    }

    /// The error of a program that is not there; `has_path` says whether it was looked for.
    pub fn missing(program: &str, has_path: bool) -> Self {
        let program = program.to_owned();
        Self::NotFound {
            hint: install_hint(&program, has_path),
            program,
        }
    }

    pub(crate) fn from_io(program: &str, has_path: bool, source: io::Error) -> Self {
        let program = program.to_owned();
        match source.kind() {
            io::ErrorKind::NotFound => Self::missing(&program, has_path),
            io::ErrorKind::PermissionDenied => Self::NotExecutable { program, source },
            _ => Self::Io { program, source },
        }
    }
}

/// What brings `program`, or where it was looked for.
fn install_hint(program: &str, has_path: bool) -> String {
    let name = program.rsplit('/').next().unwrap_or(program);
    let from = match name {
        "npx" | "npm" | "node" => "install Node.js (https://nodejs.org), which brings it",
        "uvx" | "uv" => "install uv (https://docs.astral.sh/uv), which brings it",
        "python" | "python3" | "pip" | "pip3" => "install Python 3 (https://python.org)",
        "docker" => "install Docker (https://docs.docker.com/engine/install)",
        "deno" => "install Deno (https://deno.com)",
        "bun" | "bunx" => "install Bun (https://bun.sh)",
        "cargo" => "install Rust (https://rustup.rs)",
        _ if program.contains('/') => "check the path; a script also needs its interpreter",
        _ => "install it, or give its full path",
    };
    if has_path || program.contains('/') {
        from.to_owned()
    } else {
        format!("{from}; the child has no PATH, so only a full path can be found")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_says_what_brings_it() {
        let missing = |program: &str, has_path| {
            let source = io::Error::from(io::ErrorKind::NotFound);
            SpawnError::from_io(program, has_path, source)
        };
        let error = missing("npx", true);
        assert_eq!(error.to_string(), "program \"npx\" was not found");
        assert_eq!(
            error.hint().as_deref(),
            Some("install Node.js (https://nodejs.org), which brings it")
        );
        assert_eq!(
            missing("frob", false).hint().as_deref(),
            Some(
                "install it, or give its full path; the child has no PATH, so only a full path \
                 can be found"
            )
        );
    }
}
