//! The watchdog: one small process that kills our children's groups when we are gone.
//!
//! It is forked at the first spawn and never executes another program. It holds one end of a
//! socket pair whose other end only this process has. A child announces its own group on that
//! socket after the fork and before the exec, so there is no moment at which it runs unknown: if
//! this process is killed in between, the announcement is read first and the end of the socket
//! after it. At the end of the socket, which the kernel guarantees however we end, the watchdog
//! sends SIGKILL to every group that was announced and not withdrawn.
//!
//! Should the watchdog die, a thread of ours that waits for just that starts another and
//! announces every group to it.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod process;
#[cfg(target_os = "linux")]
pub use linux::watchdog_pid;
#[cfg(target_os = "linux")]
pub(crate) use linux::{Registrar, forget, is_gone, register, registrar};

#[cfg(not(target_os = "linux"))]
mod absent;
#[cfg(not(target_os = "linux"))]
pub use absent::watchdog_pid;
#[cfg(not(target_os = "linux"))]
pub(crate) use absent::{Registrar, forget, is_gone, registrar};
