//! Descriptors that children keep.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};

/// Leaves a descriptor open in the child.
#[expect(
    unsafe_code,
    reason = "only code in the forked child can run before its exec"
)]
pub(crate) fn keep(descriptor: &Arc<OwnedFd>, command: &mut tokio::process::Command) {
    // Held by the closure, so that it is still open when the child is forked.
    let descriptor = descriptor.clone();
    let keep = move || {
        fcntl(descriptor.as_fd(), FcntlArg::F_SETFD(FdFlag::empty()))?;
        Ok(())
    };
    // SAFETY: between fork and exec `keep` only calls fcntl, which is async-signal-safe, and takes
    // no lock and allocates nothing (`io::Error` of an OS error holds its number only).
    unsafe { command.pre_exec(keep) };
}
