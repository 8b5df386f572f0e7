//! Containers that a runtime of the OCI runs from a bundle.

mod seccomp;
pub(crate) mod spec;
