//! Why a module does not go on, where that is no trap.

use std::fmt;

use toolexec_wire::{Failure, FailureKind};

/// Why a module does not go on, where that is no trap.
#[derive(Debug)]
pub(super) enum Stop {
    /// It ended itself with this status.
    Exit(i32),
    /// It failed in a way of its own, or used its host wrongly.
    Failed(Box<Failure>),
    /// The host loop ends it.
    Cancelled(String),
    /// It needs more memory than it may have.
    Memory,
    /// The host loop is gone.
    Closed,
}

impl Stop {
    /// It used its host wrongly.
    pub(super) fn failed(message: impl Into<String>) -> Self {
        Self::Failed(failure(FailureKind::Exception, message))
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exit(status) => write!(f, "it exited with status {status}"),
            Self::Failed(failure) => f.write_str(&failure.message),
            Self::Cancelled(reason) => f.write_str(reason),
            Self::Memory => f.write_str("it needs more memory than it may have"),
            Self::Closed => f.write_str("its host is gone"),
        }
    }
}

impl std::error::Error for Stop {}

/// A failure of this kind.
pub(super) fn failure(kind: FailureKind, message: impl Into<String>) -> Box<Failure> {
    Box::new(Failure {
        kind,
        message: message.into(),
        ..Failure::default()
    })
}
