//! A guest that was taken over: what native code tries behind the wall of a sandbox, and how each
//! attempt must end.
//!
//! The program of this crate speaks like the real guest and then does what the text of its
//! "program" names. It depends on little, so that it builds in seconds, also as a static program
//! for containers and virtual machines. It refuses to do anything outside of a sandbox.

#[cfg(target_os = "linux")]
pub mod calls;
pub mod tricks;
pub mod ways_out;
