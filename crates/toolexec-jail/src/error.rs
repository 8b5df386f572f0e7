//! Why a jail cannot be entered.

use std::io;

/// Why a jail cannot be entered. For operators: it may name paths of the host.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JailError {
    /// A step failed.
    #[error("{step} failed: {source}")]
    Step {
        /// What was being done.
        step: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// Only Linux has what it takes.
    #[error("only Linux has the means to lock a program in")]
    NotLinux,
}

/// Names the step that failed.
#[cfg(target_os = "linux")]
pub trait Step<T> {
    /// The error of this step.
    ///
    /// # Errors
    /// [`JailError::Step`].
    fn step(self, step: &'static str) -> Result<T, JailError>;
}

#[cfg(target_os = "linux")]
impl<T, E: Into<io::Error>> Step<T> for Result<T, E> {
    fn step(self, step: &'static str) -> Result<T, JailError> {
        self.map_err(|source| JailError::Step {
            step,
            source: source.into(),
        })
    }
}
