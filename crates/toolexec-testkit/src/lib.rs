//! Fixtures for the tests of toolexec: real programs to talk to, and what to do without them.

pub mod build;
pub mod contract;
#[cfg(unix)]
pub mod daemons;
pub mod fake;
mod hostile;
pub mod peers;
pub mod require;

pub use require::{Missing, require, require_named};
