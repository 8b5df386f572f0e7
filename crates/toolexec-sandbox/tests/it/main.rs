//! The sandboxes, with the real guest in each of them.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod contract;
#[cfg(target_os = "linux")]
mod doctor;
mod hostile;
#[cfg(target_os = "linux")]
mod leftovers;
#[cfg(target_os = "linux")]
mod native;
mod programs;
mod support;
mod traces;
