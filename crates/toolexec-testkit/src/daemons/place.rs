//! Where the daemons that tests talk to live, with everything that is theirs.
//!
//! `xtask` installs and starts them there and the tests find them there; the file is compiled
//! into both.

use std::path::PathBuf;

/// The directory of our own daemons: `TOOLEXEC_DAEMONS`, or `toolexec/daemons` in the user's
/// cache.
pub fn root() -> Option<PathBuf> {
    if let Some(own) = set("TOOLEXEC_DAEMONS") {
        return Some(own);
    }
    let cache = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")))?;
    Some(cache.join("toolexec").join("daemons"))
}

/// The socket of Docker, below the root.
pub const DOCKER: &str = "docker.sock";
/// The socket of containerd, below the root.
pub const CONTAINERD: &str = "containerd.sock";
/// gVisor's program, below the root.
pub const RUNSC: &str = "bin/runsc";
/// gVisor's program with the options that containerd does not pass on, below the root.
pub const RUNSC_SYSTRAP: &str = "bin/runsc-systrap";
/// An unpacked package of a kernel, for virtual machines, below the root.
pub const KERNEL: &str = "kernel";

fn set(name: &str) -> Option<PathBuf> {
    std::env::var_os(name)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}
