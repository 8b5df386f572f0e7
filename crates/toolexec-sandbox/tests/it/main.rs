//! The sandboxes, with the real guest in each of them.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod contract;
mod hostile;
mod programs;
mod support;
mod traces;
