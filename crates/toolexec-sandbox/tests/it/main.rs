//! The sandboxes, with the real guest in each of them.

#![cfg_attr(
    all(feature = "host", feature = "process", feature = "wasm"),
    expect(
        clippy::expect_used,
        clippy::panic,
        clippy::unwrap_used,
        reason = "a test fails by panicking"
    )
)]

mod features;

// The others hold the sandboxes against each other.
#[cfg(all(feature = "host", feature = "process", feature = "wasm"))]
mod contract;
#[cfg(target_os = "linux")]
#[cfg(all(feature = "host", feature = "process", feature = "wasm"))]
mod doctor;
#[cfg(all(feature = "host", feature = "process", feature = "wasm"))]
mod hostile;
#[cfg(target_os = "linux")]
#[cfg(all(feature = "host", feature = "process", feature = "wasm"))]
mod leftovers;
#[cfg(target_os = "linux")]
#[cfg(all(feature = "host", feature = "process", feature = "wasm"))]
mod native;
#[cfg(all(feature = "host", feature = "process", feature = "wasm"))]
mod programs;
#[cfg(all(feature = "host", feature = "process", feature = "wasm"))]
mod rules;
#[cfg(all(feature = "host", feature = "process", feature = "wasm"))]
mod support;
#[cfg(all(feature = "host", feature = "process", feature = "wasm"))]
mod traces;
