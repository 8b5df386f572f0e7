//! How the program ends: its exit codes, all of them.

use std::process::ExitCode;

use toolexec::{Error, ErrorKind};

/// How the program ends. `docs/cli.md` has the same table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// It did what was asked.
    Ok = 0,
    /// The tool ran and reported an error of its own, or a step of a chain failed.
    ToolError = 1,
    /// The command line or the configuration is wrong.
    Usage = 2,
    /// There is no such tool, or its arguments do not fit.
    InvalidInput = 3,
    /// The call failed.
    Failed = 4,
    /// A limit was exceeded or a deadline passed.
    Limit = 5,
    /// A backend could not be reached or is not set up.
    Unavailable = 6,
    /// A fault of toolexec itself.
    Internal = 70,
    /// Interrupted (SIGINT).
    Interrupted = 130,
    /// Told to end (SIGTERM).
    Terminated = 143,
}

impl Exit {
    /// All of them.
    const ALL: [Self; 10] = [
        Self::Ok,
        Self::ToolError,
        Self::Usage,
        Self::InvalidInput,
        Self::Failed,
        Self::Limit,
        Self::Unavailable,
        Self::Internal,
        Self::Interrupted,
        Self::Terminated,
    ];

    /// The exit code with a number, as another process of this program ended.
    pub(crate) fn numbered(number: u8) -> Self {
        let known = Self::ALL.into_iter().find(|exit| *exit as u8 == number);
        known.unwrap_or(Self::Internal)
    }

    /// The exit code for an error.
    pub(crate) fn of(error: &Error) -> Self {
        Self::of_kind(error.kind())
    }

    fn of_kind(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Config => Self::Usage,
            ErrorKind::InvalidId
            | ErrorKind::NotFound
            | ErrorKind::Ambiguous
            | ErrorKind::InvalidInput => Self::InvalidInput,
            ErrorKind::Timeout | ErrorKind::LimitExceeded => Self::Limit,
            ErrorKind::Unavailable
            | ErrorKind::NoBackend
            | ErrorKind::SandboxUnavailable
            | ErrorKind::Unsupported => Self::Unavailable,
            ErrorKind::Cancelled => Self::Interrupted,
            ErrorKind::Internal => Self::Internal,
            // Denied, InvalidOutput, Disabled, Backend, Panicked, Protocol, and kinds to come.
            _ => Self::Failed,
        }
    }

    /// The exit code for the stable name of an error, as a chain reports it.
    pub(crate) fn of_code(code: &str) -> Self {
        const KINDS: &[ErrorKind] = &[
            ErrorKind::Config,
            ErrorKind::InvalidId,
            ErrorKind::NotFound,
            ErrorKind::Ambiguous,
            ErrorKind::InvalidInput,
            ErrorKind::Timeout,
            ErrorKind::LimitExceeded,
            ErrorKind::Unavailable,
            ErrorKind::NoBackend,
            ErrorKind::SandboxUnavailable,
            ErrorKind::Unsupported,
            ErrorKind::Cancelled,
            ErrorKind::Internal,
        ];
        let kind = KINDS.iter().find(|kind| kind.code() == code);
        kind.map_or(Self::Failed, |&kind| Self::of_kind(kind))
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_documented() {
        let page = include_str!("../../../docs/cli.md");
        let table = page.split("## Exit codes").nth(1).unwrap();
        let table = table.split("\n## ").next().unwrap();
        let documented: Vec<u8> = table
            .lines()
            .filter_map(|line| line.strip_prefix("| ")?.split(' ').next()?.parse().ok())
            .collect();
        assert_eq!(documented, Exit::ALL.map(|exit| exit as u8));
    }

    #[test]
    fn the_name_of_a_kind_leads_to_the_same_code() {
        for kind in [
            ErrorKind::NotFound,
            ErrorKind::InvalidInput,
            ErrorKind::Timeout,
            ErrorKind::Unavailable,
            ErrorKind::Backend,
            ErrorKind::Denied,
            ErrorKind::Cancelled,
            ErrorKind::Config,
            ErrorKind::Internal,
        ] {
            assert_eq!(Exit::of_code(kind.code()), Exit::of_kind(kind), "{kind:?}");
        }
    }
}
