//! What a program that is a tool may see and use, and which kind of sandbox gives it that.

use std::fmt;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use toolexec_core::sandbox::Profile;
use toolexec_core::{Error, Result};
use toolexec_process::Confine;

use crate::unavailable;

/// What a program that is a tool may see and use.
#[derive(Debug, Clone, Default)]
pub struct ToolSandbox {
    /// How much it must be isolated; [`Profile::Standard`] when nothing is said.
    pub profile: Option<Profile>,
    /// Which sandbox it runs in; the first that the profile allows, when nothing is said.
    pub kind: Option<ToolKind>,
    /// What it may use.
    pub limits: ToolLimits,
    /// What it sees of this machine, besides the system's programs and what it is made of.
    pub mounts: Vec<ToolMount>,
    /// Files and directories that it is made of, such as a script: read-only.
    pub code: Vec<PathBuf>,
    /// Who takes its connections; without anybody it has no network.
    pub network: Option<Arc<dyn Egress>>,
}

/// A sandbox for programs that are tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ToolKind {
    /// A process that the kernel locks in.
    Process,
}

/// What a program that is a tool may use. What is not said is what the sandbox usually allows.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ToolLimits {
    /// Bytes of memory, of all its processes and of its `/tmp`.
    pub memory: Option<u64>,
    /// Processors: a share.
    pub cpus: Option<f64>,
    /// Processes and threads.
    pub pids: Option<u64>,
    /// Bytes of its `/tmp`.
    pub disk: Option<u64>,
}

/// A file or directory of this machine that a program sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolMount {
    /// Where it is.
    pub path: PathBuf,
    /// Where the program sees it.
    pub at: PathBuf,
    /// Whether the program may change it.
    pub write: bool,
}

/// Takes the connections of a program that has no other network.
pub trait Egress: fmt::Debug + Send + Sync {
    /// What it lets pass, in a few words: `https://example.com`.
    fn describe(&self) -> String;

    /// What programs look for in their environment to find it at this port of the loopback
    /// address. `authority` is where they find [`authority`](Self::authority).
    fn environment(&self, port: u16, authority: &str) -> Vec<(String, String)>;

    /// The certificates that it signs with, as PEM, where it looks into what is encrypted.
    fn authority(&self) -> Option<String>;

    /// Takes connections until it is dropped.
    fn serve(&self, listener: TcpListener) -> BoxFuture<'static, ()>;
}

/// What sandboxes for tools need to know of this machine.
#[derive(Debug, Clone, Default)]
pub struct ToolPlaces {
    /// A program that calls `toolexec_cell::run`, for the kind `process`.
    pub launcher: Option<PathBuf>,
}

impl ToolKind {
    /// Its name in configurations.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Process => "process",
        }
    }
}

impl ToolSandbox {
    /// What starts programs as it says.
    ///
    /// # Errors
    /// [`ErrorKind::SandboxUnavailable`](toolexec_core::ErrorKind::SandboxUnavailable) when no
    /// sandbox here isolates as much as was asked for; a weaker one is never taken.
    pub fn confine(&self, places: &ToolPlaces) -> Result<Arc<dyn Confine>> {
        match (self.kind, self.profile.unwrap_or_default()) {
            (None | Some(ToolKind::Process), Profile::Standard) => self.cell(places),
            (_, Profile::Dev) => Err(unavailable("tools have no sandbox in the profile dev")
                .with_hint("leave `sandbox` out, and the tool runs without one")),
            (kind, profile) => Err(too_weak(kind, profile)),
        }
    }

    #[cfg(all(feature = "process", target_os = "linux"))]
    fn cell(&self, places: &ToolPlaces) -> Result<Arc<dyn Confine>> {
        let launcher = places.launcher.clone().ok_or_else(|| {
            unavailable("it is not known which program locks tools in")
                .with_hint("say where toolexec or toolexec-cell is: ToolPlaces::launcher")
        })?;
        Ok(Arc::new(super::cell::Cell::new(launcher, self.clone())))
    }

    #[cfg(not(all(feature = "process", target_os = "linux")))]
    #[expect(clippy::unused_self, reason = "the other build needs it")]
    fn cell(&self, _: &ToolPlaces) -> Result<Arc<dyn Confine>> {
        Err(unavailable("the sandbox process is not there for tools")
            .with_hint("it needs Linux, and the feature `process`"))
    }
}

fn too_weak(kind: Option<ToolKind>, profile: Profile) -> Error {
    let message = match kind {
        Some(kind) => format!(
            "the sandbox {} does not isolate tools as much as the profile {profile} demands",
            kind.as_str()
        ),
        None => format!("no sandbox isolates tools as much as the profile {profile} demands"),
    };
    unavailable(&message).with_hint(
        "the kernel's own walls are what there is for tools: the profile standard; nothing runs \
         in less than was asked for",
    )
}
