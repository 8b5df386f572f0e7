//! Locks in a program that knows nothing of it, such as somebody's MCP server: it runs as the
//! child of the first process of its own namespaces, with a root that holds what it needs and
//! nothing else, without rights, and with the system calls of ordinary programs.
//!
//! ```text
//! host ─spawns─▶ launcher ─clone3─▶ first process ─▶ the program
//!   ▲              │  waits for both ends   reaps        its own root, network and processes
//!   └── socket ────┘
//! ```
//!
//! A host starts a launcher (a program that calls [`run`] when [`is_asked`]) with one end of a
//! socket and [`give`]s it a [`Spec`]; the answer is a [`Started`]. The standard streams are the
//! program's from its first instruction. The launcher ends as the program does; when the other
//! end of the socket is closed, it ends the program.
//!
//! It needs Linux 5.12 and, for ordinary users, user namespaces.

#[cfg(target_os = "linux")]
mod filter;
#[cfg(target_os = "linux")]
mod inmate;
#[cfg(target_os = "linux")]
mod launcher;
#[cfg(target_os = "linux")]
mod network;
#[cfg(target_os = "linux")]
mod report;
#[cfg(target_os = "linux")]
mod root;
mod spec;
#[cfg(target_os = "linux")]
mod sys;

#[cfg(target_os = "linux")]
pub use launcher::{is_asked, run};
#[cfg(target_os = "linux")]
pub use report::{GiveError, Started, give};
pub use spec::{ARGUMENT, File, Link, Mount, PORT, Spec, USER};
