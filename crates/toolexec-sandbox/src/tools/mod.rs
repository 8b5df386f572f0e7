//! Sandboxes for programs that are tools or servers of tools: commands, and MCP servers behind
//! pipes.
//!
//! Such a program knows nothing of its sandbox. [`ToolSandbox`] says what it may see and use, and
//! [`ToolSandbox::confine`] makes of it what starts programs, or says why this machine cannot:
//!
//! | kind | what it is | root |
//! |---|---|---|
//! | `process` | a process that the kernel locks in (Linux) | the system's programs or those of an image, read-only, and what the program itself is made of |
//! | `gvisor` | a process on a kernel of its own, gVisor's (Linux) | the same |

#[cfg(all(feature = "process", target_os = "linux"))]
mod bounds;
#[cfg(all(feature = "process", target_os = "linux"))]
mod cell;
#[cfg(all(feature = "process", target_os = "linux"))]
mod code;
#[cfg(all(feature = "process", feature = "gvisor", target_os = "linux"))]
mod gvisor;
mod network;
mod settings;
#[cfg(all(feature = "process", target_os = "linux"))]
mod view;

pub use network::{Egress, Listener};
pub use settings::{ToolKind, ToolLimits, ToolMount, ToolPlaces, ToolSandbox};
