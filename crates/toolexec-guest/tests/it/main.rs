//! Programs in a guest of this process, against a host that the tests script.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failure of a test's own steps is a failure of the test"
)]

mod harness;
#[cfg(feature = "javascript")]
mod javascript;
mod protocol;
#[cfg(feature = "python")]
mod python;
#[cfg(feature = "javascript")]
mod script;
#[cfg(all(feature = "toolchain", unix))]
mod toolchain;
