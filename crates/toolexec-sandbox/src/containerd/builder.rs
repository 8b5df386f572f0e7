//! What a sandbox of containerd is made from.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{OnceCell, Semaphore};
use toolexec_core::sandbox::Limits;

use super::ContainerdSandbox;
use super::daemon::Daemon;
use super::launch::Launcher;
use super::spec::Shim;
use crate::label::Label;
use crate::linux_guest::LinuxGuest;
use crate::pool::{Pool, Size};
use crate::roots::Roots;
use crate::toolchain_cache::Cache;

/// How many guests are started ahead, unless it is said otherwise.
const WARM: usize = 1;

/// What a [`ContainerdSandbox`] is made from.
#[derive(Debug, Clone)]
#[must_use]
pub struct Builder {
    name: &'static str,
    guest: LinuxGuest,
    socket: PathBuf,
    namespace: String,
    shim: Shim,
    root: Option<PathBuf>,
    roots: Option<Roots>,
    cache: Option<Cache>,
    image: Option<String>,
    snapshotter: String,
    streams: PathBuf,
    warm: usize,
    usual: Limits,
}

impl ContainerdSandbox {
    /// A sandbox named `containerd`, whose containers hold nothing but the guest and are started
    /// by runc.
    pub fn builder(guest: LinuxGuest) -> Builder {
        Builder {
            name: "containerd",
            guest,
            socket: PathBuf::from("/run/containerd/containerd.sock"),
            namespace: "toolexec".to_owned(),
            shim: Shim {
                runtime: "io.containerd.runc.v2".to_owned(),
                binary: None,
                config: None,
            },
            root: None,
            roots: None,
            cache: None,
            image: None,
            snapshotter: "overlayfs".to_owned(),
            streams: std::env::temp_dir().join(format!(
                "toolexec-streams-{}",
                rustix::process::geteuid().as_raw()
            )),
            warm: WARM,
            usual: Limits::standard(),
        }
    }

    /// A sandbox named `kata`: each container is in a virtual machine of Kata.
    pub fn kata(guest: LinuxGuest) -> Builder {
        Builder {
            name: "kata",
            ..Self::builder(guest).runtime("io.containerd.kata.v2")
        }
    }
}

impl Builder {
    /// Where containerd listens. Default: `/run/containerd/containerd.sock`.
    pub fn socket(mut self, socket: impl Into<PathBuf>) -> Self {
        self.socket = socket.into();
        self
    }

    /// The namespace of the containers. Default: `toolexec`.
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// What starts the containers. Default: `io.containerd.runc.v2`.
    pub fn runtime(mut self, runtime: impl Into<String>) -> Self {
        self.shim.runtime = runtime.into();
        self
    }

    /// The program that `io.containerd.runc.v2` calls instead of runc. One whose name begins with
    /// `runsc` is taken to be gVisor, and each container is looked at whether it is.
    pub fn binary(mut self, binary: impl Into<PathBuf>) -> Self {
        self.shim.binary = Some(binary.into());
        self
    }

    /// The configuration file of another runtime.
    pub fn config(mut self, config: impl Into<PathBuf>) -> Self {
        self.shim.config = Some(config.into());
        self
    }

    /// A directory with other programs that is the root of the containers, or the name of one of
    /// the [roots](Self::roots).
    pub fn root(mut self, root: impl Into<PathBuf>) -> Self {
        self.root = Some(root.into());
        self
    }

    /// Roots with programs in them, which programs and [`root`](Self::root) may name.
    pub fn roots(mut self, roots: Roots) -> Self {
        self.roots = Some(roots);
        self
    }

    /// Keeps compiled programs in a directory of this machine. What one program leaves there
    /// others run, and how much that is is not limited: it is for programs that trust each other.
    pub fn toolchain_cache(mut self, directory: impl Into<PathBuf>) -> Self {
        self.cache = Some(Cache::new(directory));
        self
    }

    /// An image that containerd has, that is the root of the containers.
    pub fn image(mut self, image: impl Into<String>) -> Self {
        self.image = Some(image.into());
        self
    }

    /// Which snapshotter has unpacked the image. Default: `overlayfs`.
    pub fn snapshotter(mut self, snapshotter: impl Into<String>) -> Self {
        self.snapshotter = snapshotter.into();
        self
    }

    /// A directory, which only the user may write to, where the streams of the containers are
    /// made. Default: one below that of temporary files.
    pub fn streams(mut self, directory: impl Into<PathBuf>) -> Self {
        self.streams = directory.into();
        self
    }

    /// How many guests are started ahead for each language; none, with 0.
    pub fn warm(mut self, guests: usize) -> Self {
        self.warm = guests;
        self
    }

    /// What programs may use that ask for nothing: containers are started ahead for them.
    pub fn usual_limits(mut self, limits: Limits) -> Self {
        self.usual = limits;
        self
    }

    /// The sandbox. Nothing is connected to or started yet.
    pub fn build(self) -> ContainerdSandbox {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let launcher = Launcher {
            daemon: Arc::new(Daemon::new(self.socket, self.namespace)),
            guest: self.guest,
            shim: self.shim,
            root: self.root,
            roots: self.roots,
            cache: self.cache,
            snapshotter: self.snapshotter,
            streams: self.streams,
            label: Label::own(),
            is_swept: OnceCell::new(),
            slots: Semaphore::new(2 * processors),
        };
        ContainerdSandbox {
            pool: Pool::new(launcher, Size::warm(self.warm)),
            name: self.name,
            image: self.image.map(Arc::from),
            usual: self.usual,
        }
    }
}
