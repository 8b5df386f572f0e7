//! Locks a program in: it starts itself anew as the first process of empty namespaces, with an
//! empty root, no rights and a short list of system calls.
//!
//! The program that is to be locked in calls [`enter`] at the beginning of its `main`, while it
//! has one thread, and [`Seal::close`] when all its threads are started. From then on nothing
//! needs to be executed, opened or connected any more, so nothing of that is allowed: the root
//! holds no file, not even the program itself.
//!
//! ```text
//! launcher ─spawns─▶ supervisor ─clone3─▶ inmate, process 1 of its namespaces
//!                    waits for the         no file, no network, no other process
//!                    inmate and for
//!                    the launcher's end
//! ```
//!
//! It needs Linux and, for ordinary users, user namespaces; see [`Spec`] for what a launcher
//! says. Elsewhere [`enter`] is an error.

mod error;
#[cfg(target_os = "linux")]
mod filter;
#[cfg(target_os = "linux")]
mod inmate;
mod spec;
#[cfg(target_os = "linux")]
mod supervisor;
#[cfg(target_os = "linux")]
mod sys;

pub use error::JailError;
#[cfg(target_os = "linux")]
pub use inmate::Seal;
pub use spec::{ParseSpecError, Spec};

/// The steps that are the same for other ways of locking in.
#[cfg(target_os = "linux")]
#[doc(hidden)]
pub mod steps {
    pub use crate::error::Step;
    pub use crate::inmate::{die_with_supervisor, drop_capabilities, wait_for};
    pub use crate::supervisor::{threads, write};
    pub use crate::sys::{
        Clone, block_signals, clone_into, close_from, flag, group_of, leave_key_ring,
    };
}

/// The first bytes on standard output are the inmate's process id, as the launcher sees it: a
/// `u32` in little endian. The inmate cannot write before that.
pub const PID_BYTES: usize = 4;

/// Enters the jail. It returns in the inmate only; the supervisor ends this process with the
/// status of the inmate.
///
/// # Errors
/// [`JailError`] that names the step and why it failed. The caller must end then.
///
/// # Panics
/// When this process has more than one thread.
#[cfg(target_os = "linux")]
pub fn enter(spec: &Spec) -> Result<Seal, JailError> {
    supervisor::start(spec)
}

/// Enters the jail, which only Linux has.
///
/// # Errors
/// Always.
#[cfg(not(target_os = "linux"))]
pub fn enter(_spec: &Spec) -> Result<Seal, JailError> {
    Err(JailError::NotLinux)
}

/// What is still to be done; there is nothing on this system.
#[cfg(not(target_os = "linux"))]
#[derive(Debug)]
pub enum Seal {}

#[cfg(not(target_os = "linux"))]
impl Seal {
    /// Closes the jail.
    ///
    /// # Errors
    /// None.
    pub fn close(self) -> Result<(), JailError> {
        match self {}
    }
}
