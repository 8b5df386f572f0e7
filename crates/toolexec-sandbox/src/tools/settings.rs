//! What a program that is a tool may see and use, and which kind of sandbox gives it that.

use std::path::PathBuf;
use std::sync::Arc;

use toolexec_core::sandbox::Profile;
use toolexec_core::{Error, Result};
use toolexec_process::Confine;

use super::network::Egress;
use crate::unavailable;

/// What a program that is a tool may see and use.
#[derive(Debug, Clone, Default)]
pub struct ToolSandbox {
    /// How much it must be isolated; [`Profile::Standard`] when nothing is said.
    pub profile: Option<Profile>,
    /// Which sandbox it runs in; the first that the profile allows, when nothing is said.
    pub kind: Option<ToolKind>,
    /// The root whose programs it sees instead of this machine's: the name of one that
    /// `toolexec image build --with` made, or a directory.
    pub image: Option<String>,
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
    /// A process on a kernel of its own, gVisor's.
    Gvisor,
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

/// What sandboxes for tools need to know of this machine.
#[derive(Debug, Clone, Default)]
pub struct ToolPlaces {
    /// A program that calls `toolexec_cell::run`, for the kind `process`.
    pub launcher: Option<PathBuf>,
    /// gVisor's `runsc`, by name or path, for the kind `gvisor`. `runsc` otherwise.
    pub runsc: Option<PathBuf>,
    /// How gVisor gets hold of system calls. `systrap` otherwise.
    pub platform: Option<String>,
    /// Where this user keeps images and containers; below the directory of temporary files
    /// otherwise.
    pub cache: Option<PathBuf>,
}

impl ToolKind {
    /// Its name in configurations.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Gvisor => "gvisor",
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
            (Some(ToolKind::Gvisor), Profile::Standard)
            | (None | Some(ToolKind::Gvisor), Profile::Hardened) => self.gvisor(places),
            (_, Profile::Dev) => Err(unavailable("tools have no sandbox in the profile dev")
                .with_hint("leave `sandbox` out, and the tool runs without one")),
            (Some(kind), profile) => Err(too_weak(kind, profile)),
        }
    }

    /// What a sandbox is, in a few words: its name, the network, and what the program is held to.
    #[cfg(all(feature = "process", target_os = "linux"))]
    pub(super) fn describe(&self, name: &str, bounds: Vec<String>) -> String {
        let image = self.image.as_ref().map(|image| format!("image {image}"));
        let network = match &self.network {
            None => "no network".to_owned(),
            Some(network) => format!("network {}", network.describe()),
        };
        let parts = [name.to_owned()].into_iter().chain(image);
        let parts: Vec<String> = parts.chain([network]).chain(bounds).collect();
        parts.join(", ")
    }

    #[cfg(all(feature = "process", target_os = "linux"))]
    fn cell(&self, places: &ToolPlaces) -> Result<Arc<dyn Confine>> {
        let launcher = places.launcher.clone().ok_or_else(|| {
            unavailable("it is not known which program locks tools in")
                .with_hint("say where toolexec or toolexec-cell is: ToolPlaces::launcher")
        })?;
        let cell = super::cell::Cell::new(launcher, self.clone(), self.system(places)?);
        Ok(Arc::new(cell))
    }

    /// Whose programs it sees.
    #[cfg(all(feature = "process", feature = "linux-guest", target_os = "linux"))]
    fn system(&self, places: &ToolPlaces) -> Result<super::view::System> {
        use super::view::System;
        use crate::roots::{Roots, resolve};
        let Some(image) = &self.image else {
            return Ok(System::Host);
        };
        let roots = Roots::below(places.cache.as_deref());
        let hint = "name one that `toolexec image ls` shows, or the directory of a system, with its \
                    usr";
        let root = resolve(Some(&roots), std::path::Path::new(image)).map_err(|error| {
            let told = unavailable("the image of a tool is not there").with_hint(hint);
            told.with_source(error)
        })?;
        if !["usr", "bin"].iter().any(|name| root.join(name).is_dir()) {
            return Err(unavailable("the image of a tool has no programs in it").with_hint(hint));
        }
        Ok(System::Image(root))
    }

    #[cfg(all(feature = "process", not(feature = "linux-guest"), target_os = "linux"))]
    fn system(&self, _: &ToolPlaces) -> Result<super::view::System> {
        match self.image {
            None => Ok(super::view::System::Host),
            Some(_) => Err(unavailable(
                "images are not built in: the feature `linux-guest` is off",
            )),
        }
    }

    #[cfg(all(feature = "process", feature = "gvisor", target_os = "linux"))]
    fn gvisor(&self, places: &ToolPlaces) -> Result<Arc<dyn Confine>> {
        let gvisor = super::gvisor::Gvisor::new(self.clone(), self.system(places)?, places);
        Ok(Arc::new(gvisor))
    }

    #[cfg(not(all(feature = "process", feature = "gvisor", target_os = "linux")))]
    #[expect(clippy::unused_self, reason = "the other build needs it")]
    fn gvisor(&self, _: &ToolPlaces) -> Result<Arc<dyn Confine>> {
        Err(unavailable("the sandbox gvisor is not there for tools")
            .with_hint("it needs Linux, and the features `gvisor` and `process`"))
    }

    #[cfg(not(all(feature = "process", target_os = "linux")))]
    #[expect(clippy::unused_self, reason = "the other build needs it")]
    fn cell(&self, _: &ToolPlaces) -> Result<Arc<dyn Confine>> {
        Err(unavailable("the sandbox process is not there for tools")
            .with_hint("it needs Linux, and the feature `process`"))
    }
}

fn too_weak(kind: ToolKind, profile: Profile) -> Error {
    let message = format!(
        "the sandbox {} does not isolate tools as much as the profile {profile} demands",
        kind.as_str()
    );
    unavailable(&message).with_hint(
        "use the kind gvisor, or the profile standard; nothing runs in less than was asked for",
    )
}
