//! The sections `[code.NAME]`: what a sandbox is to use.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

/// What the sandbox docker is to use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DockerSection {
    /// Where the daemon listens: `unix:///run/docker.sock` or `tcp://host:port`. Default: what
    /// `DOCKER_HOST` says, else `unix:///var/run/docker.sock`.
    pub host: Option<String>,
    /// The image of programs that name none; it must be on the daemon. Default: one with nothing
    /// in it but the guest.
    pub image: Option<String>,
    /// Which of the daemon's runtimes is used, such as runsc. Default: the daemon's own.
    pub runtime: Option<String>,
    /// A directory in which compiled programs in Go are kept, for programs that trust each other:
    /// what one leaves there others run. Default: none.
    pub toolchain_cache: Option<PathBuf>,
    /// How many containers of a kind are started ahead. Default: 0.
    pub warm: Option<usize>,
}

/// What the sandbox runc is to use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RuncSection {
    /// The program, by name or path. Default: runc.
    pub program: Option<PathBuf>,
    /// A directory that becomes the root of containers, read-only, or the name of a root that
    /// `toolexec image build --with` made. Default: one with nothing in it but the guest.
    pub root: Option<PathBuf>,
    /// A directory in which compiled programs in Go are kept, for programs that trust each other:
    /// what one leaves there others run. Default: none.
    pub toolchain_cache: Option<PathBuf>,
    /// How many containers of a kind are started ahead. Default: 0.
    pub warm: Option<usize>,
}

/// What the sandbox gvisor is to use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GvisorSection {
    /// The program, by name or path. Default: runsc.
    pub program: Option<PathBuf>,
    /// How it gets hold of system calls. Default: systrap.
    pub platform: Option<GvisorPlatform>,
    /// A directory that becomes the root of containers, read-only, or the name of a root that
    /// `toolexec image build --with` made. Default: one with nothing in it but the guest.
    pub root: Option<PathBuf>,
    /// A directory in which compiled programs in Go are kept, for programs that trust each other:
    /// what one leaves there others run. Default: none.
    pub toolchain_cache: Option<PathBuf>,
    /// How many guests of a kind are started ahead. Default: 0.
    pub warm: Option<usize>,
}

/// How gVisor gets hold of system calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum GvisorPlatform {
    /// With a filter that traps.
    Systrap,
    /// As a debugger does.
    Ptrace,
    /// With the machine's virtualization.
    Kvm,
}

impl GvisorPlatform {
    /// The name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Systrap => "systrap",
            Self::Ptrace => "ptrace",
            Self::Kvm => "kvm",
        }
    }
}

/// What the sandbox qemu is to use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct QemuSection {
    /// The program, by name or path. Default: qemu-system-x86_64.
    pub program: Option<PathBuf>,
    /// The directory of an image. Default: the one that `toolexec image build` made, else one of
    /// the installed kernel.
    pub image: Option<PathBuf>,
    /// The name of a root of `toolexec image build --with`, whose toolchains machines have.
    /// Default: none.
    pub root: Option<String>,
    /// What runs the machines. Default: kvm where a machine really starts with it.
    pub accel: Option<QemuAccel>,
    /// Whether machines are restored from one that was saved when its guest was ready, which is
    /// kept beside the image. Default: true.
    pub snapshots: Option<bool>,
    /// How many machines of a kind are started ahead. Default: 0.
    pub warm: Option<usize>,
}

/// What runs the machines of qemu.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum QemuAccel {
    /// The machine's virtualization.
    Kvm,
    /// Emulation, which is slower and works everywhere.
    Tcg,
}

/// What the sandbox firecracker is to use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FirecrackerSection {
    /// The program, by name or path; its jailer is looked for beside it. Default: what
    /// `FIRECRACKER_BIN` says, else firecracker.
    pub program: Option<PathBuf>,
    /// The directory of an image. Default: the one that `toolexec image build` made, else one of
    /// the installed kernel.
    pub image: Option<PathBuf>,
    /// The name of a root of `toolexec image build --with`, whose toolchains machines have.
    /// Default: none.
    pub root: Option<String>,
    /// Whether a machine with the usual limits is saved, and later ones are restored from it.
    /// Default: true.
    pub snapshots: Option<bool>,
    /// How many machines of a kind are started ahead. Default: 0.
    pub warm: Option<usize>,
}

impl super::Config {
    /// Where the configuration says that the Docker daemon listens.
    pub fn docker_host(&self) -> Option<&str> {
        self.sections.code.docker.host.as_deref()
    }
}

#[cfg(feature = "sandbox")]
impl super::Config {
    /// Adds what the configuration says about single sandboxes.
    pub fn set_up(&self, setup: crate::sandbox::Setup) -> crate::sandbox::Setup {
        use crate::sandbox::{DockerSetup, FirecrackerSetup, GvisorSetup, QemuSetup, RuncSetup};
        let code = &self.sections.code;
        let setup = setup
            .containerd(code.containerd.setup())
            .kata(code.kata.setup());
        let docker = &self.sections.code.docker;
        let (runc, gvisor) = (&self.sections.code.runc, &self.sections.code.gvisor);
        let qemu = &self.sections.code.qemu;
        let firecracker = &self.sections.code.firecracker;
        setup
            .usual_limits(self.code_settings().defaults)
            .docker(DockerSetup {
                host: docker.host.clone(),
                image: docker.image.clone(),
                runtime: docker.runtime.clone(),
                toolchain_cache: docker.toolchain_cache.clone(),
                warm: docker.warm,
            })
            .runc(RuncSetup {
                program: runc.program.clone(),
                root: runc.root.clone(),
                toolchain_cache: runc.toolchain_cache.clone(),
                warm: runc.warm,
            })
            .gvisor(GvisorSetup {
                program: gvisor.program.clone(),
                platform: gvisor.platform.map(|platform| platform.as_str().to_owned()),
                root: gvisor.root.clone(),
                toolchain_cache: gvisor.toolchain_cache.clone(),
                warm: gvisor.warm,
            })
            .qemu(QemuSetup {
                program: qemu.program.clone(),
                image: qemu.image.clone(),
                root: qemu.root.clone(),
                kvm: qemu.accel.map(|accel| accel == QemuAccel::Kvm),
                snapshots: qemu.snapshots,
                warm: qemu.warm,
            })
            .firecracker(FirecrackerSetup {
                program: firecracker.program.clone(),
                image: firecracker.image.clone(),
                root: firecracker.root.clone(),
                snapshots: firecracker.snapshots,
                warm: firecracker.warm,
            })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    #[test]
    fn what_a_sandbox_is_to_use_is_read() {
        let text = "[code.runc]\nroot = \"/srv/debian\"\nwarm = 3\n[code.gvisor]\n\
                    program = \"runsc-2\"\nplatform = \"ptrace\"\n[code.qemu]\naccel = \"tcg\"\n\
                    image = \"/srv/image\"\nroot = \"all\"\nsnapshots = false\n[code.firecracker]\nsnapshots = false\n";
        let config = Config::parse(Path::new("t.toml"), text, &|_| None).unwrap();
        let code = &config.sections.code;
        let runc = RuncSection {
            root: Some("/srv/debian".into()),
            warm: Some(3),
            ..RuncSection::default()
        };
        let gvisor = GvisorSection {
            program: Some("runsc-2".into()),
            platform: Some(GvisorPlatform::Ptrace),
            ..GvisorSection::default()
        };
        let qemu = QemuSection {
            image: Some("/srv/image".into()),
            root: Some("all".to_owned()),
            accel: Some(QemuAccel::Tcg),
            snapshots: Some(false),
            ..QemuSection::default()
        };
        let firecracker = FirecrackerSection {
            snapshots: Some(false),
            ..FirecrackerSection::default()
        };
        assert_eq!(
            (&code.runc, &code.gvisor, &code.qemu, &code.firecracker),
            (&runc, &gvisor, &qemu, &firecracker)
        );
    }
}
