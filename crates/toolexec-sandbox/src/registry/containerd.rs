//! What the sandboxes of containerd need to know.

use std::path::PathBuf;

#[cfg(all(feature = "containerd", target_os = "linux"))]
use toolexec_core::sandbox::Limits;

/// What the sandboxes `containerd` and `kata` are to use, where it is not what they use by
/// themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContainerdSetup {
    /// Where containerd listens.
    pub socket: Option<PathBuf>,
    /// The namespace of the containers.
    pub namespace: Option<String>,
    /// What starts the containers, such as `io.containerd.runc.v2`.
    pub runtime: Option<String>,
    /// The program that `io.containerd.runc.v2` calls instead of runc.
    pub binary: Option<PathBuf>,
    /// The configuration file of another runtime.
    pub config: Option<PathBuf>,
    /// A directory that becomes the root of containers, or the name of a root.
    pub root: Option<PathBuf>,
    /// Where compiled programs are kept, for programs that trust each other.
    pub toolchain_cache: Option<PathBuf>,
    /// An image that becomes the root of containers; containerd must have it.
    pub image: Option<String>,
    /// Which snapshotter has unpacked the image.
    pub snapshotter: Option<String>,
    /// How many guests of a kind are started ahead.
    pub warm: Option<usize>,
}

#[cfg(all(feature = "containerd", target_os = "linux"))]
impl ContainerdSetup {
    /// The sandbox, with so many guests started ahead where nothing is said.
    pub(super) fn sandbox(
        &self,
        mut builder: crate::containerd::Builder,
        warm: usize,
        usual: Limits,
    ) -> crate::containerd::ContainerdSandbox {
        if let Some(socket) = &self.socket {
            builder = builder.socket(socket);
        }
        if let Some(namespace) = &self.namespace {
            builder = builder.namespace(namespace);
        }
        if let Some(runtime) = &self.runtime {
            builder = builder.runtime(runtime);
        }
        if let Some(binary) = &self.binary {
            builder = builder.binary(binary);
        }
        if let Some(config) = &self.config {
            builder = builder.config(config);
        }
        if let Some(root) = &self.root {
            builder = builder.root(root);
        }
        if let Some(cache) = &self.toolchain_cache {
            builder = builder.toolchain_cache(cache);
        }
        if let Some(image) = &self.image {
            builder = builder.image(image);
        }
        if let Some(snapshotter) = &self.snapshotter {
            builder = builder.snapshotter(snapshotter);
        }
        let builder = builder.warm(self.warm.unwrap_or(warm));
        builder.usual_limits(usual.or(Limits::standard())).build()
    }
}
