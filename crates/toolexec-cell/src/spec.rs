//! What a host says about a program that is to be locked in.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The first argument of a launcher. The second is the number of the descriptor of its socket, and
/// the rest is the program with its arguments.
pub const ARGUMENT: &str = "--toolexec-cell";

/// The port on the loopback address of the program's network where the host listens, with
/// [`Spec::listen`].
pub const PORT: u16 = 3128;
/// The user and the group that a program is for itself.
pub const USER: u32 = 1000;

/// What a host says about a program that is to be locked in. The program itself stands in the
/// launcher's arguments; without one the launcher ends once everything is locked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Its whole environment.
    pub env: Vec<(String, String)>,
    /// Its working directory, as it sees it.
    pub dir: PathBuf,
    /// What it sees of the host, in the order in which it is mounted.
    pub mounts: Vec<Mount>,
    /// Symbolic links of its root.
    pub links: Vec<Link>,
    /// Files that are made for it.
    pub files: Vec<File>,
    /// Bytes of its `/tmp`, which is in memory.
    pub disk: u64,
    /// The most processes and threads; ordinary users are held to it.
    pub processes: Option<u64>,
    /// Control groups that it joins, as directories. The launcher removes them when the host is
    /// gone.
    pub cgroups: Vec<PathBuf>,
    /// Whether it has somebody to connect to: a listener at [`PORT`] that the host gets.
    pub listen: bool,
}

/// A file or directory of the host that a program sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Where it is.
    pub source: PathBuf,
    /// Where the program sees it.
    pub target: PathBuf,
    /// Whether the program may change it.
    pub write: bool,
}

/// A symbolic link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Where it is.
    pub path: PathBuf,
    /// Where it leads.
    pub to: PathBuf,
}

/// A file that is made for a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Where it is.
    pub path: PathBuf,
    /// What is in it.
    pub text: String,
}
