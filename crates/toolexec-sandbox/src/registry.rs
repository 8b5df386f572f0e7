//! The sandboxes that are built in.

mod containerd;

use std::path::PathBuf;

use toolexec_core::sandbox::{Limits, Sandboxes};

pub use containerd::ContainerdSetup;

/// What the sandboxes that are built in need to know of this machine.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Setup {
    guest_program: Option<PathBuf>,
    cache: Option<PathBuf>,
    warm: usize,
    usual_limits: Limits,
    docker: DockerSetup,
    runc: RuncSetup,
    gvisor: GvisorSetup,
    containerd: ContainerdSetup,
    kata: ContainerdSetup,
    qemu: QemuSetup,
    firecracker: FirecrackerSetup,
}

/// What the sandbox `docker` is to use, where it is not what it uses by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DockerSetup {
    /// Where the daemon listens: `unix:///run/docker.sock`, a path, `tcp://host:port`.
    pub host: Option<String>,
    /// The image of programs that name none; one of the guest alone, when nothing is said.
    pub image: Option<String>,
    /// Which of the daemon's runtimes is used, such as `runsc`.
    pub runtime: Option<String>,
    /// Where compiled programs are kept, for programs that trust each other.
    pub toolchain_cache: Option<PathBuf>,
    /// How many guests of a kind are started ahead.
    pub warm: Option<usize>,
}

/// What the sandbox `runc` is to use, where it is not what it uses by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuncSetup {
    /// The program, by name or path.
    pub program: Option<PathBuf>,
    /// A directory that becomes the root of containers, or the name of a root.
    pub root: Option<PathBuf>,
    /// Where compiled programs are kept, for programs that trust each other.
    pub toolchain_cache: Option<PathBuf>,
    /// How many guests of a kind are started ahead.
    pub warm: Option<usize>,
}

/// What the sandbox `gvisor` is to use, where it is not what it uses by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GvisorSetup {
    /// The program, by name or path.
    pub program: Option<PathBuf>,
    /// How it gets hold of system calls: `systrap`, `ptrace`, `kvm`.
    pub platform: Option<String>,
    /// A directory that becomes the root of containers, or the name of a root.
    pub root: Option<PathBuf>,
    /// Where compiled programs are kept, for programs that trust each other.
    pub toolchain_cache: Option<PathBuf>,
    /// How many guests of a kind are started ahead.
    pub warm: Option<usize>,
}

/// What the sandbox `qemu` is to use, where it is not what it uses by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QemuSetup {
    /// The program, by name or path.
    pub program: Option<PathBuf>,
    /// The directory of an image.
    pub image: Option<PathBuf>,
    /// The name of a root, whose toolchains machines have.
    pub root: Option<String>,
    /// Whether machines are run by KVM; what works, when nothing is said.
    pub kvm: Option<bool>,
    /// Whether machines are restored from one that was saved; they are, when nothing is said.
    pub snapshots: Option<bool>,
    /// How many machines of a kind are started ahead.
    pub warm: Option<usize>,
}

/// What the sandbox `firecracker` is to use, where it is not what it uses by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FirecrackerSetup {
    /// The program, by name or path.
    pub program: Option<PathBuf>,
    /// The directory of an image.
    pub image: Option<PathBuf>,
    /// The name of a root, whose toolchains machines have.
    pub root: Option<String>,
    /// Whether machines with the usual limits are saved and restored.
    pub snapshots: Option<bool>,
    /// How many machines of a kind are started ahead.
    pub warm: Option<usize>,
}

#[cfg(any(feature = "host", feature = "process"))]
const NO_GUEST: &str = "the guest program is not there: build toolexec-guest and say where it is";

impl Setup {
    /// Nothing known: no guest program, no cache, no guests started ahead.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says where the native guest program is, for the `host` and `process` sandboxes.
    pub fn guest_program(mut self, program: impl Into<PathBuf>) -> Self {
        self.guest_program = Some(program.into());
        self
    }

    /// Says where compiled guests are kept, for the `wasm` sandbox. Only the user may write there.
    pub fn cache(mut self, directory: impl Into<PathBuf>) -> Self {
        self.cache = Some(directory.into());
        self
    }

    /// Says how many child processes are started ahead, for the `host` and `process` sandboxes.
    pub fn warm(mut self, guests: usize) -> Self {
        self.warm = guests;
        self
    }

    /// Says what programs may use that ask for nothing: containers are started ahead for them.
    pub fn usual_limits(mut self, limits: Limits) -> Self {
        self.usual_limits = limits;
        self
    }

    /// Says what the `docker` sandbox is to use.
    pub fn docker(mut self, setup: DockerSetup) -> Self {
        self.docker = setup;
        self
    }

    /// Says where the Docker daemon listens, unless that was said.
    pub fn docker_host(mut self, host: impl Into<String>) -> Self {
        self.docker.host.get_or_insert_with(|| host.into());
        self
    }

    /// Says what the `runc` sandbox is to use.
    pub fn runc(mut self, setup: RuncSetup) -> Self {
        self.runc = setup;
        self
    }

    /// Says what the `gvisor` sandbox is to use.
    pub fn gvisor(mut self, setup: GvisorSetup) -> Self {
        self.gvisor = setup;
        self
    }

    /// Says what the `containerd` sandbox is to use.
    pub fn containerd(mut self, setup: ContainerdSetup) -> Self {
        self.containerd = setup;
        self
    }

    /// Says what the `kata` sandbox is to use: a containerd with Kata's shim.
    pub fn kata(mut self, setup: ContainerdSetup) -> Self {
        self.kata = setup;
        self
    }

    /// Says how many guests every sandbox starts ahead, whatever was said before.
    pub fn always_warm(mut self, guests: usize) -> Self {
        self.warm = guests;
        let own = [
            &mut self.docker.warm,
            &mut self.runc.warm,
            &mut self.gvisor.warm,
            &mut self.containerd.warm,
            &mut self.kata.warm,
            &mut self.qemu.warm,
            &mut self.firecracker.warm,
        ];
        for warm in own {
            *warm = None;
        }
        self
    }

    /// Says what the `qemu` sandbox is to use.
    pub fn qemu(mut self, setup: QemuSetup) -> Self {
        self.qemu = setup;
        self
    }

    /// Says what the `firecracker` sandbox is to use.
    pub fn firecracker(mut self, setup: FirecrackerSetup) -> Self {
        self.firecracker = setup;
        self
    }

    /// Says where Firecracker is, unless that was said.
    pub fn firecracker_program(mut self, program: impl Into<PathBuf>) -> Self {
        let program = || program.into();
        self.firecracker.program.get_or_insert_with(program);
        self
    }

    /// The sandboxes that are built in; of the others, why they are not there.
    pub fn sandboxes(&self) -> Sandboxes {
        let all = self.with_wasm(Sandboxes::new());
        let all = self.with_process(all);
        let all = self.with_docker(all);
        let all = self.with_runc(all);
        let all = self.with_gvisor(all);
        let all = self.with_containerd(all);
        let all = self.with_qemu(all);
        let all = self.with_firecracker(all);
        self.with_host(all)
    }

    #[cfg(all(feature = "process", target_os = "linux"))]
    fn with_process(&self, all: Sandboxes) -> Sandboxes {
        match &self.guest_program {
            Some(program) => {
                let process = crate::process::ProcessSandbox::with_warm(program, self.warm);
                all.with(std::sync::Arc::new(process))
            }
            None => all.without("process", NO_GUEST),
        }
    }

    #[cfg(not(all(feature = "process", target_os = "linux")))]
    #[expect(clippy::unused_self, reason = "the other build needs it")]
    fn with_process(&self, all: Sandboxes) -> Sandboxes {
        all.without(
            "process",
            on_linux("it is not built in: the feature `process` is off"),
        )
    }

    #[cfg(all(feature = "docker", target_os = "linux"))]
    fn with_docker(&self, all: Sandboxes) -> Sandboxes {
        let setup = &self.docker;
        let mut builder = crate::docker::DockerSandbox::builder(self.linux_guest());
        if let Some(host) = &setup.host {
            builder = builder.host(host);
        }
        if let Some(image) = &setup.image {
            builder = builder.image(image);
        }
        if let Some(runtime) = &setup.runtime {
            builder = builder.runtime(runtime);
        }
        if let Some(cache) = &setup.toolchain_cache {
            builder = builder.toolchain_cache(cache);
        }
        let usual = self.usual_limits.or(Limits::standard());
        let builder = builder.usual_limits(usual);
        match builder.warm(setup.warm.unwrap_or(self.warm)).build() {
            Ok(docker) => all.with(std::sync::Arc::new(docker)),
            Err(error) => all.without("docker", error.guest_message()),
        }
    }

    #[cfg(not(all(feature = "docker", target_os = "linux")))]
    #[expect(clippy::unused_self, reason = "the other build needs it")]
    fn with_docker(&self, all: Sandboxes) -> Sandboxes {
        all.without(
            "docker",
            on_linux("it is not built in: the feature `docker` is off"),
        )
    }

    #[cfg(all(feature = "runc", target_os = "linux"))]
    fn with_runc(&self, all: Sandboxes) -> Sandboxes {
        let setup = &self.runc;
        let mut builder = crate::runc::RuncSandbox::builder(self.linux_guest());
        if let Some(program) = &setup.program {
            builder = builder.program(program);
        }
        if let Some(root) = &setup.root {
            builder = builder.root(root);
        }
        if let Some(cache) = &setup.toolchain_cache {
            builder = builder.toolchain_cache(cache);
        }
        let builder = builder.roots(self.roots());
        let builder = builder.warm(setup.warm.unwrap_or(self.warm));
        all.with(std::sync::Arc::new(builder.build()))
    }

    #[cfg(not(all(feature = "runc", target_os = "linux")))]
    #[expect(clippy::unused_self, reason = "the other build needs it")]
    fn with_runc(&self, all: Sandboxes) -> Sandboxes {
        all.without(
            "runc",
            on_linux("it is not built in: the feature `runc` is off"),
        )
    }

    #[cfg(all(feature = "gvisor", target_os = "linux"))]
    fn with_gvisor(&self, all: Sandboxes) -> Sandboxes {
        let setup = &self.gvisor;
        let mut builder = crate::gvisor::GvisorSandbox::builder(self.linux_guest());
        if let Some(program) = &setup.program {
            builder = builder.program(program);
        }
        if let Some(platform) = &setup.platform {
            builder = builder.platform(platform);
        }
        if let Some(root) = &setup.root {
            builder = builder.root(root);
        }
        if let Some(cache) = &setup.toolchain_cache {
            builder = builder.toolchain_cache(cache);
        }
        let builder = builder.roots(self.roots());
        let builder = builder.warm(setup.warm.unwrap_or(self.warm));
        all.with(std::sync::Arc::new(builder.build()))
    }

    #[cfg(not(all(feature = "gvisor", target_os = "linux")))]
    #[expect(clippy::unused_self, reason = "the other build needs it")]
    fn with_gvisor(&self, all: Sandboxes) -> Sandboxes {
        all.without(
            "gvisor",
            on_linux("it is not built in: the feature `gvisor` is off"),
        )
    }

    #[cfg(all(feature = "containerd", target_os = "linux"))]
    fn with_containerd(&self, all: Sandboxes) -> Sandboxes {
        use crate::containerd::ContainerdSandbox;
        let with = |all: Sandboxes, setup: &ContainerdSetup, builder| {
            all.with(std::sync::Arc::new(setup.sandbox(
                builder,
                self.warm,
                self.usual_limits,
            )))
        };
        let containerd = ContainerdSandbox::builder(self.linux_guest()).roots(self.roots());
        let kata = ContainerdSandbox::kata(self.linux_guest()).roots(self.roots());
        let all = with(all, &self.containerd, containerd);
        with(all, &self.kata, kata)
    }

    #[cfg(not(all(feature = "containerd", target_os = "linux")))]
    #[expect(clippy::unused_self, reason = "the other build needs it")]
    fn with_containerd(&self, all: Sandboxes) -> Sandboxes {
        let reason = on_linux("it is not built in: the feature `containerd` is off");
        all.without("containerd", reason).without("kata", reason)
    }

    #[cfg(all(feature = "qemu", target_os = "linux"))]
    fn with_qemu(&self, all: Sandboxes) -> Sandboxes {
        use crate::qemu::{Accel, QemuSandbox};
        let setup = &self.qemu;
        let images = crate::vm::Images::below(self.cache.as_deref());
        let mut builder = QemuSandbox::builder(self.linux_guest(), images);
        if let Some(program) = &setup.program {
            builder = builder.program(program);
        }
        if let Some(image) = &setup.image {
            builder = builder.image(image);
        }
        if let Some(root) = &setup.root {
            builder = builder.root(root.as_str());
        }
        if let Some(kvm) = setup.kvm {
            builder = builder.accel(if kvm { Accel::Kvm } else { Accel::Tcg });
        }
        if let Some(are_used) = setup.snapshots {
            builder = builder.snapshots(are_used);
        }
        let builder = builder.roots(self.roots());
        let builder = builder.warm(setup.warm.unwrap_or(self.warm));
        all.with(std::sync::Arc::new(builder.build()))
    }

    #[cfg(not(all(feature = "qemu", target_os = "linux")))]
    #[expect(clippy::unused_self, reason = "the other build needs it")]
    fn with_qemu(&self, all: Sandboxes) -> Sandboxes {
        all.without(
            "qemu",
            on_linux("it is not built in: the feature `qemu` is off"),
        )
    }

    #[cfg(all(feature = "firecracker", target_os = "linux"))]
    fn with_firecracker(&self, all: Sandboxes) -> Sandboxes {
        use crate::firecracker::FirecrackerSandbox;
        let setup = &self.firecracker;
        let cache = self.cache.as_deref();
        let images = crate::vm::Images::below(cache);
        let state = FirecrackerSandbox::state_below(cache);
        let mut builder = FirecrackerSandbox::builder(self.linux_guest(), images, state)
            .usual_limits(self.usual_limits.or(Limits::standard()));
        if let Some(program) = &setup.program {
            builder = builder.program(program);
        }
        if let Some(image) = &setup.image {
            builder = builder.image(image);
        }
        if let Some(root) = &setup.root {
            builder = builder.root(root.as_str());
        }
        if let Some(snapshots) = setup.snapshots {
            builder = builder.snapshots(snapshots);
        }
        let builder = builder.roots(self.roots());
        let builder = builder.warm(setup.warm.unwrap_or(self.warm));
        all.with(std::sync::Arc::new(builder.build()))
    }

    #[cfg(not(all(feature = "firecracker", target_os = "linux")))]
    #[expect(clippy::unused_self, reason = "the other build needs it")]
    fn with_firecracker(&self, all: Sandboxes) -> Sandboxes {
        all.without(
            "firecracker",
            on_linux("it is not built in: the feature `firecracker` is off"),
        )
    }

    /// The guest that containers run.
    #[cfg(all(
        any(
            feature = "containerd",
            feature = "docker",
            feature = "firecracker",
            feature = "gvisor",
            feature = "qemu",
            feature = "runc"
        ),
        target_os = "linux"
    ))]
    fn linux_guest(&self) -> crate::linux_guest::LinuxGuest {
        crate::linux_guest::LinuxGuest::built_in(self.cache.clone())
    }

    /// Roots that containers and virtual machines may be told to start from.
    #[cfg(all(
        any(
            feature = "containerd",
            feature = "firecracker",
            feature = "gvisor",
            feature = "qemu",
            feature = "runc"
        ),
        target_os = "linux"
    ))]
    fn roots(&self) -> crate::roots::Roots {
        crate::roots::Roots::below(self.cache.as_deref())
    }

    #[cfg(feature = "wasm")]
    fn with_wasm(&self, all: Sandboxes) -> Sandboxes {
        let mut builder = crate::wasm::WasmSandbox::builder();
        if let Some(cache) = &self.cache {
            builder = builder.cache(cache);
        }
        all.with(std::sync::Arc::new(builder.build()))
    }

    #[cfg(not(feature = "wasm"))]
    #[expect(clippy::unused_self, reason = "the other build needs it")]
    fn with_wasm(&self, all: Sandboxes) -> Sandboxes {
        all.without("wasm", "it is not built in: the feature `wasm` is off")
    }

    #[cfg(feature = "host")]
    fn with_host(&self, all: Sandboxes) -> Sandboxes {
        match &self.guest_program {
            Some(program) => {
                let toolchains = crate::host::Toolchains {
                    cache: self.cache.as_ref().map(|cache| cache.join("toolchains")),
                    ..crate::host::Toolchains::default()
                };
                let host =
                    crate::host::HostSandbox::with_toolchains(program, self.warm, toolchains);
                all.with(std::sync::Arc::new(host))
            }
            None => all.without("host", NO_GUEST),
        }
    }

    #[cfg(not(feature = "host"))]
    #[expect(clippy::unused_self, reason = "the other build needs it")]
    fn with_host(&self, all: Sandboxes) -> Sandboxes {
        all.without("host", "it is not built in: the feature `host` is off")
    }
}

/// Why something is not there on Linux; nowhere else could it be.
#[cfg(not(all(
    feature = "containerd",
    feature = "docker",
    feature = "firecracker",
    feature = "gvisor",
    feature = "process",
    feature = "qemu",
    feature = "runc",
    target_os = "linux"
)))]
fn on_linux(reason: &'static str) -> &'static str {
    if cfg!(target_os = "linux") {
        reason
    } else {
        "it needs Linux"
    }
}
