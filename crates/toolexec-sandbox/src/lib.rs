//! Sandboxes: where programs that call tools run.
//!
//! Each sandbox starts the same guest, bounds it and ends it, and hands out the byte stream to
//! it; see [`toolexec_core::sandbox`] for the contract and [`toolexec_core::code`] for what is
//! said on the stream.
//!
//! | feature | sandbox | isolation |
//! |---|---|---|
//! | `wasm` | [`wasm`]: the guest as a WebAssembly module in this process | an engine's |
//! | `process` | [`process`]: the guest as a child process that the kernel locks in (Linux) | the kernel's |
//! | `runc` | [`runc`]: the guest in a container that runc starts (Linux) | the kernel's |
//! | `gvisor` | [`gvisor`]: the guest on a kernel of its own, gVisor's (Linux) | a kernel of its own |
//! | `containerd` | [`containerd`]: the guest in a container of containerd (Linux) | the kernel's, or its runtime's |
//! | `docker` | [`docker`]: the guest in a container of a Docker daemon, of any image (Linux) | the kernel's, or a kernel of its own |
//! | `firecracker` | [`firecracker`]: the guest in a virtual machine of Firecracker (Linux) | a kernel of its own |
//! | `qemu` | [`qemu`]: the guest in a virtual machine (Linux) | a kernel of its own |
//! | `host` | [`host`]: the guest as a child process | none; for `dev` only |

// What sandboxes share is whole in every build; without some of them parts of it have no user.
#![cfg_attr(
    not(all(
        feature = "containerd",
        feature = "docker",
        feature = "firecracker",
        feature = "gvisor",
        feature = "host",
        feature = "process",
        feature = "qemu",
        feature = "runc",
        feature = "wasm"
    )),
    allow(dead_code, unused_imports, unused_macros)
)]

#[cfg(any(feature = "host", feature = "linux-guest", feature = "process"))]
#[macro_use]
mod stream;

#[cfg(all(
    target_os = "linux",
    any(
        feature = "firecracker",
        feature = "gvisor",
        feature = "process",
        feature = "qemu",
        feature = "runc"
    )
))]
mod cgroup;
#[cfg(all(
    target_os = "linux",
    any(
        feature = "containerd",
        feature = "docker",
        feature = "firecracker",
        feature = "gvisor",
        feature = "qemu",
        feature = "runc"
    )
))]
mod container;
#[cfg(all(feature = "containerd", target_os = "linux"))]
pub mod containerd;
#[cfg(all(feature = "docker", target_os = "linux"))]
pub mod docker;
pub mod doctor;
#[cfg(all(feature = "firecracker", target_os = "linux"))]
pub mod firecracker;
#[cfg(all(feature = "linux-guest", target_os = "linux"))]
mod first_process;
#[cfg(all(feature = "gvisor", target_os = "linux"))]
pub mod gvisor;
#[cfg(feature = "linux-guest")]
mod hex;
#[cfg(feature = "host")]
pub mod host;
#[cfg(all(
    target_os = "linux",
    any(
        feature = "containerd",
        feature = "firecracker",
        feature = "gvisor",
        feature = "qemu",
        feature = "runc"
    )
))]
mod installed;
#[cfg(all(any(feature = "linux-guest", feature = "process"), target_os = "linux"))]
mod label;
#[cfg(all(feature = "linux-guest", target_os = "linux"))]
pub mod linux_guest;
#[cfg(all(
    target_os = "linux",
    any(feature = "containerd", feature = "gvisor", feature = "runc")
))]
mod oci;
#[cfg(all(any(feature = "firecracker", feature = "qemu"), target_os = "linux"))]
mod owner;
#[cfg(any(feature = "linux-guest", feature = "wasm"))]
mod packed;
#[cfg(any(feature = "host", feature = "linux-guest", feature = "process"))]
mod piped;
#[cfg(any(feature = "host", feature = "linux-guest", feature = "process"))]
mod pool;
#[cfg(any(feature = "linux-guest", feature = "wasm"))]
mod private;
#[cfg(all(feature = "process", target_os = "linux"))]
pub mod process;
#[cfg(all(feature = "qemu", target_os = "linux"))]
pub mod qemu;
mod registry;
#[cfg(all(feature = "linux-guest", target_os = "linux"))]
pub mod roots;
#[cfg(all(feature = "runc", target_os = "linux"))]
pub mod runc;
#[cfg(all(feature = "linux-guest", target_os = "linux"))]
mod seccomp;
mod share;
#[cfg(all(feature = "linux-guest", target_os = "linux"))]
mod toolchain_cache;
#[cfg(any(feature = "host", feature = "linux-guest", feature = "process"))]
pub mod tools;
#[cfg(any(feature = "host", feature = "linux-guest", feature = "process"))]
mod usage;
#[cfg(all(any(feature = "firecracker", feature = "qemu"), target_os = "linux"))]
pub mod vm;
#[cfg(feature = "wasm")]
pub mod wasm;

pub use registry::{
    ContainerdSetup, DockerSetup, FirecrackerSetup, GvisorSetup, QemuSetup, RuncSetup, Setup,
};

/// An error of a sandbox that cannot be used.
fn unavailable(message: &str) -> toolexec_core::Error {
    toolexec_core::Error::new(toolexec_core::ErrorKind::SandboxUnavailable, message)
}
