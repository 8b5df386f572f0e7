//! The sandboxes, with the real guest in each of them.

#![cfg_attr(
    any(
        all(feature = "host", feature = "process", feature = "wasm"),
        all(feature = "containerd", feature = "process", target_os = "linux"),
        all(feature = "firecracker", feature = "process", target_os = "linux")
    ),
    expect(
        clippy::expect_used,
        clippy::panic,
        clippy::unwrap_used,
        reason = "a test fails by panicking"
    )
)]
#![cfg_attr(
    all(
        feature = "docker",
        feature = "process",
        target_os = "linux",
        not(any(
            feature = "containerd",
            feature = "firecracker",
            all(feature = "host", feature = "wasm")
        ))
    ),
    expect(clippy::unwrap_used, reason = "a test fails by panicking")
)]

#[cfg(all(feature = "docker", feature = "process", target_os = "linux"))]
mod docker;
mod features;
#[cfg(all(feature = "firecracker", feature = "process", target_os = "linux"))]
mod firecracker;
#[cfg(all(
    any(feature = "firecracker", feature = "qemu"),
    feature = "process",
    target_os = "linux"
))]
mod machines;

#[cfg(all(
    feature = "containerd",
    feature = "docker",
    feature = "gvisor",
    feature = "host",
    feature = "process",
    feature = "qemu",
    feature = "runc",
    feature = "wasm",
    target_os = "linux"
))]
mod roots;
#[cfg(all(
    any(feature = "containerd", feature = "firecracker"),
    feature = "process",
    target_os = "linux"
))]
mod shared_root;

// Needs a program that is built with `process`.
#[cfg(all(feature = "containerd", feature = "process", target_os = "linux"))]
mod containerd;

// The others hold the sandboxes against each other. First what they share, and the macros by
// which a suite runs in every sandbox.
#[cfg(all(feature = "host", feature = "process", feature = "wasm"))]
#[cfg(target_os = "linux")]
#[macro_use]
mod support;

#[cfg(all(feature = "host", feature = "process", feature = "wasm"))]
#[cfg(target_os = "linux")]
mod bait;
#[cfg(all(feature = "host", feature = "process", feature = "wasm"))]
#[cfg(target_os = "linux")]
mod contract;
#[cfg(all(feature = "host", feature = "process", feature = "wasm"))]
#[cfg(target_os = "linux")]
mod doctor;
#[cfg(all(feature = "host", feature = "process", feature = "wasm"))]
#[cfg(target_os = "linux")]
mod files;
#[cfg(target_os = "linux")]
#[cfg(all(feature = "host", feature = "process", feature = "wasm"))]
mod groups;
#[cfg(all(feature = "host", feature = "process", feature = "wasm"))]
#[cfg(target_os = "linux")]
mod hostile;
#[cfg(all(feature = "host", feature = "process", feature = "wasm"))]
#[cfg(target_os = "linux")]
mod leftovers;
#[cfg(all(feature = "host", feature = "process", feature = "wasm"))]
#[cfg(target_os = "linux")]
mod many;
#[cfg(all(feature = "host", feature = "process", feature = "wasm"))]
#[cfg(target_os = "linux")]
mod modules;
#[cfg(all(feature = "host", feature = "process", feature = "wasm"))]
#[cfg(target_os = "linux")]
mod native;
#[cfg(all(feature = "gvisor", feature = "runc"))]
#[cfg(all(feature = "host", feature = "process", feature = "wasm"))]
#[cfg(target_os = "linux")]
mod oci;
#[cfg(all(feature = "host", feature = "process", feature = "wasm"))]
#[cfg(target_os = "linux")]
mod programs;
#[cfg(target_os = "linux")]
#[cfg(all(
    feature = "host",
    feature = "process",
    feature = "qemu",
    feature = "wasm"
))]
mod qemu;
#[cfg(all(feature = "host", feature = "process", feature = "wasm"))]
#[cfg(target_os = "linux")]
mod remains;
#[cfg(all(feature = "host", feature = "process", feature = "wasm"))]
#[cfg(target_os = "linux")]
mod results;
#[cfg(all(feature = "host", feature = "process", feature = "wasm"))]
#[cfg(target_os = "linux")]
mod rules;
#[cfg(all(feature = "host", feature = "process", feature = "wasm"))]
#[cfg(target_os = "linux")]
mod same;
#[cfg(all(feature = "host", feature = "process", feature = "wasm"))]
#[cfg(target_os = "linux")]
mod sessions;
#[cfg(all(feature = "host", feature = "process", feature = "wasm"))]
#[cfg(target_os = "linux")]
mod toolchains;
#[cfg(all(feature = "host", feature = "process", feature = "wasm"))]
#[cfg(target_os = "linux")]
mod traces;
