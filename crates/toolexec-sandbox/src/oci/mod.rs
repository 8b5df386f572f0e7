//! Containers that a runtime of the OCI runs from a bundle.

pub(crate) mod spec;

#[cfg(any(feature = "gvisor", feature = "runc"))]
mod bundle;
#[cfg(any(feature = "gvisor", feature = "runc"))]
mod guest;
#[cfg(any(feature = "gvisor", feature = "runc"))]
mod launch;
#[cfg(any(feature = "gvisor", feature = "runc"))]
mod leftovers;
#[cfg(any(feature = "gvisor", feature = "runc"))]
mod runtime;
#[cfg(any(feature = "gvisor", feature = "runc"))]
mod sandbox;

#[cfg(any(feature = "gvisor", feature = "runc"))]
pub(crate) use {
    bundle::Bundle,
    leftovers::{Leftovers, sweep},
    runtime::Runtime,
    sandbox::{Containers, Options},
};
