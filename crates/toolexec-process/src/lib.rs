//! Child processes that cannot outlive their parent.
//!
//! The only crate of the workspace that spawns. A [`Command`] starts with an empty environment,
//! in a process group of its own, with piped standard streams; the end of its standard error is
//! kept for diagnosis. The group ends
//!
//! - when the [`Child`] is dropped (SIGKILL at once), or shut down (end of input, then SIGTERM,
//!   then SIGKILL);
//! - when its first process ends: what that left behind in the group is killed;
//! - on Linux, when this process ends in any way, SIGKILL included: a small watchdog process,
//!   forked at the first spawn, notices and kills every group. On other systems only the first
//!   two hold.
//!
//! A process that leaves its group (`setsid`) is out of reach of all three, unless it is
//! [adopted](Child::adopt).
//!
//! This crate reads the environment in one function only, [`base_env`], for callers that ask.

#[cfg(not(unix))]
compile_error!("toolexec-process needs process groups, which only Unix has");

#[cfg(target_os = "linux")]
mod adopted;
mod child;
mod command;
mod confine;
#[cfg(target_os = "linux")]
mod control_group;
mod descriptor;
mod env;
mod error;
mod limit;
mod tail;
mod watchdog;

pub use child::{Child, Exit};
pub use command::{Command, Output, Stdin};
pub use confine::{Confine, Keeper, ProbeFuture, SpawnFuture};
pub use env::{BASE_ENV, base_env};
pub use error::{ConfineError, RunError, SpawnError};
pub use limit::{ReadError, read_to_limit};
pub use tail::Tail;
pub use watchdog::watchdog_pid;
