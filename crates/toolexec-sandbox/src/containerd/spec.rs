//! What containerd is told of a container. Nothing here touches the machine.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use prost::Message;
use prost_types::Any;
use toolexec_core::Result;
use toolexec_core::sandbox::{Enforcement, Enforcer, Isolation, LimitName};

use super::api::{Container, PrepareSnapshot, RuncOptions, Runtime, RuntimeOptions, SPEC_TYPE};
use super::container::Plan;
use crate::container::{Kind, Resources};
use crate::linux_guest::GUEST_PATH;
use crate::oci::spec::{self, Root};
use crate::piped::warm;
use crate::unavailable;

/// The label of our containers.
pub(super) const LABEL: &str = "toolexec.guest";
/// Where a shim mounts the snapshot of an image, below its bundle.
const SNAPSHOT_ROOT: &str = "rootfs";

/// The threads of gVisor's kernel and the processes in which it runs a guest.
const GVISOR_THREADS: u64 = 512;
/// What that kernel takes of the memory of a control group.
const GVISOR_MEMORY: u64 = 64 << 20;
/// The least memory with which it starts.
const GVISOR_LEAST: u64 = 128 << 20;

/// What containerd starts containers with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shim {
    /// Its name, such as `io.containerd.runc.v2`.
    pub(super) runtime: String,
    /// The program that it calls, where it is runc's.
    pub(super) binary: Option<PathBuf>,
    /// Its configuration file, where it is not runc's.
    pub(super) config: Option<PathBuf>,
}

/// What separates a program in a container from the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wall {
    /// The host's kernel.
    Kernel,
    /// gVisor's kernel.
    Gvisor,
    /// A virtual machine.
    Machine,
}

/// The root of a container.
#[derive(Debug, Clone, Copy)]
pub(super) enum Origin<'a> {
    /// A directory with nothing in it but the guest.
    Guest(&'a Path),
    /// A directory with other programs in it.
    Directory(&'a Path),
    /// An image that was unpacked.
    Image(&'a Unpacked),
}

/// An image that containerd has unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unpacked {
    pub(super) name: String,
    pub(super) snapshotter: String,
    /// The name of its last layer's snapshot.
    pub(super) chain_id: String,
}

impl Shim {
    pub(super) fn wall(&self) -> Wall {
        let is_gvisor = |program: &PathBuf| {
            let name = program.file_name().unwrap_or_default();
            name.to_string_lossy().starts_with("runsc")
        };
        if self.runtime.starts_with("io.containerd.kata") {
            Wall::Machine
        } else if self.runtime.starts_with("io.containerd.runsc")
            || self.binary.as_ref().is_some_and(is_gvisor)
        {
            Wall::Gvisor
        } else {
            Wall::Kernel
        }
    }

    fn is_runc(&self) -> bool {
        self.runtime.starts_with("io.containerd.runc.")
    }

    fn told(&self) -> Runtime {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let options = match (self.is_runc(), &self.binary, &self.config) {
            (true, Some(binary), _) => Some(Any {
                type_url: RuncOptions::TYPE.to_owned(),
                value: RuncOptions {
                    binary_name: text(binary),
                }
                .encode_to_vec(),
            }),
            (false, _, Some(config)) => Some(Any {
                type_url: RuntimeOptions::TYPE.to_owned(),
                value: RuntimeOptions {
                    type_url: self.options_type().to_owned(),
                    config_path: text(config),
                }
                .encode_to_vec(),
            }),
            _ => None,
        };
        Runtime {
            name: self.runtime.clone(),
            options,
        }
    }

    /// What the configuration file is of, where a shim asks for that.
    fn options_type(&self) -> &'static str {
        if self.runtime.starts_with("io.containerd.runsc") {
            "io.containerd.runsc.v1.options"
        } else {
            ""
        }
    }
}

impl Wall {
    pub(super) fn isolation(self) -> Isolation {
        match self {
            Self::Kernel => Isolation::Kernel,
            Self::Gvisor | Self::Machine => Isolation::Vm,
        }
    }

    /// Looks at what the first process of a container was started as, on the host: whether the
    /// guest is where it is said to be.
    pub(super) fn check(self, command_line: &[u8]) -> Result<()> {
        let is_guest = command_line.starts_with(GUEST_PATH.as_bytes());
        let is_behind = match self {
            Self::Kernel => true,
            Self::Gvisor => command_line.starts_with(b"runsc-sandbox"),
            Self::Machine => !command_line.is_empty() && !is_guest,
        };
        if is_behind {
            return Ok(());
        }
        Err(
            unavailable("the runtime of containerd gives no guest a kernel of its own")
                .with_hint("name gVisor's runsc or Kata: [code.containerd] runtime"),
        )
    }

    /// What the control group must hold for a guest that needs so much.
    fn resources(self, guest: &Resources) -> Resources {
        let with_kernel = |memory: u64| memory.saturating_add(GVISOR_MEMORY).max(GVISOR_LEAST);
        Resources {
            memory: match self {
                Self::Gvisor => guest.memory.map(with_kernel),
                _ => guest.memory,
            },
            ..*guest
        }
    }

    /// Who holds a program to its limits.
    pub(super) fn enforcement(self) -> Enforcement {
        let guest = (LimitName::Memory, Enforcer::Guest);
        if self == Self::Machine {
            // What a machine makes of the rest nobody here has seen.
            return vec![guest];
        }
        let mut all = vec![
            guest,
            (LimitName::Memory, Enforcer::Kernel),
            (LimitName::CpuTime, Enforcer::Host),
            (LimitName::Cpus, Enforcer::Kernel),
            (LimitName::Pids, Enforcer::Kernel),
            (LimitName::Disk, Enforcer::Kernel),
        ];
        // gVisor's kernel lets the first process of a container go on.
        if self == Self::Kernel {
            all.push((LimitName::CpuTime, Enforcer::Kernel));
        }
        all
    }
}

/// The container of a guest.
pub(super) fn plan(
    id: &str,
    shim: &Shim,
    kind: &Kind,
    origin: Origin<'_>,
    guest: &Path,
    caps_swap: bool,
    cache: Option<&Path>,
) -> Plan {
    let root = match origin {
        Origin::Guest(directory) => Root::Guest(directory),
        Origin::Directory(directory) => Root::Programs { directory, guest },
        Origin::Image(_) => Root::Programs {
            directory: Path::new(SNAPSHOT_ROOT),
            guest,
        },
    };
    let wall = shim.wall();
    let resources = wall.resources(&kind.resources);
    let mut told = spec::spec(&spec::Plan {
        root,
        args: &warm(kind.language),
        resources: &resources,
        cgroup: Some(&format!("/{id}")),
        caps_swap,
        counts_processes: wall == Wall::Gvisor,
        cache,
        rootless: None,
    });
    if wall == Wall::Gvisor {
        // Those of its kernel; that counts the processes of the guest.
        told["linux"]["resources"]["pids"]["limit"] = GVISOR_THREADS.into();
    }
    let mut container = Container {
        id: id.to_owned(),
        labels: HashMap::from([(LABEL.to_owned(), "true".to_owned())]),
        runtime: Some(shim.told()),
        spec: Some(Any {
            type_url: SPEC_TYPE.to_owned(),
            value: told.to_string().into_bytes(),
        }),
        ..Container::default()
    };
    let mut snapshot = None;
    if let Origin::Image(image) = origin {
        container.image.clone_from(&image.name);
        container.snapshotter.clone_from(&image.snapshotter);
        id.clone_into(&mut container.snapshot_key);
        snapshot = Some(PrepareSnapshot {
            snapshotter: image.snapshotter.clone(),
            key: id.to_owned(),
            parent: image.chain_id.clone(),
        });
    }
    Plan {
        container,
        snapshot,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use toolexec_core::sandbox::{Language, Limits};

    use super::*;

    const RUNC: &str = "io.containerd.runc.v2";

    fn shim(runtime: &str, binary: Option<&str>, config: Option<&str>) -> Shim {
        Shim {
            runtime: runtime.to_owned(),
            binary: binary.map(PathBuf::from),
            config: config.map(PathBuf::from),
        }
    }

    fn kind() -> Kind {
        let limits = Limits {
            memory: Some(16 << 20),
            ..Limits::default()
        };
        Kind::new(Language::Python, None, &limits)
    }

    fn told(plan: &Plan) -> Value {
        let spec = plan.container.spec.as_ref().unwrap();
        assert_eq!(spec.type_url, SPEC_TYPE);
        serde_json::from_slice(&spec.value).unwrap()
    }

    #[test]
    fn what_a_runtime_is_decides_what_it_is_worth() {
        let cases = [
            (shim(RUNC, None, None), Wall::Kernel),
            (shim(RUNC, Some("/bin/crun"), None), Wall::Kernel),
            (shim(RUNC, Some("/opt/runsc-systrap"), None), Wall::Gvisor),
            (shim("io.containerd.runsc.v1", None, None), Wall::Gvisor),
            (shim("io.containerd.kata.v2", None, None), Wall::Machine),
            (
                shim("io.containerd.kata-qemu.v2", None, None),
                Wall::Machine,
            ),
            (shim("io.containerd.wasmtime.v1", None, None), Wall::Kernel),
        ];
        for (shim, wall) in cases {
            assert_eq!(shim.wall(), wall, "{shim:?}");
        }
    }

    #[test]
    fn a_guest_must_be_behind_the_wall_that_is_promised() {
        let (guest, kernel) = (b"/toolexec-guest\0--warm\0", b"runsc-sandbox\0--root=x\0");
        let checked = |wall: Wall, line: &[u8]| wall.check(line).is_ok();
        let all = |wall| {
            [
                checked(wall, guest),
                checked(wall, kernel),
                checked(wall, b""),
            ]
        };
        assert_eq!(all(Wall::Kernel), [true, true, true]);
        assert_eq!(all(Wall::Gvisor), [false, true, false]);
        assert_eq!(all(Wall::Machine), [false, true, false]);
    }

    #[test]
    fn options_are_told_in_the_words_of_the_shim() {
        let options = |shim: Shim| shim.told().options;
        let any = |kind: &str, value: Vec<u8>| {
            Some(Any {
                type_url: kind.to_owned(),
                value,
            })
        };
        assert_eq!(options(shim(RUNC, None, Some("/etc/a"))), None);
        let binary_name = "/bin/runsc".to_owned();
        let expected = RuncOptions { binary_name }.encode_to_vec();
        let told = options(shim(RUNC, Some("/bin/runsc"), None));
        assert_eq!(told, any("containerd.runc.v1.Options", expected));
        for (runtime, inner) in [
            ("io.containerd.runsc.v1", "io.containerd.runsc.v1.options"),
            ("io.containerd.kata.v2", ""),
        ] {
            let expected = RuntimeOptions {
                type_url: inner.to_owned(),
                config_path: "/etc/a".to_owned(),
            };
            let told = options(shim(runtime, None, Some("/etc/a")));
            assert_eq!(
                told,
                any("runtimeoptions.v1.Options", expected.encode_to_vec())
            );
        }
    }

    #[test]
    fn a_container_of_an_image_has_a_snapshot_of_its_own() {
        let image = Unpacked {
            name: "a:1".to_owned(),
            snapshotter: "native".to_owned(),
            chain_id: "sha256:1".to_owned(),
        };
        let guest = Path::new("/cache/guest");
        let shim = shim(RUNC, None, None);
        let made = plan(
            "t-1",
            &shim,
            &kind(),
            Origin::Image(&image),
            guest,
            false,
            None,
        );
        assert_eq!(
            told(&made)["root"],
            json!({"path": "rootfs", "readonly": true})
        );
        let container = &made.container;
        let names = [
            &container.image,
            &container.snapshotter,
            &container.snapshot_key,
        ];
        assert_eq!(names, ["a:1", "native", "t-1"]);
        let snapshot = PrepareSnapshot {
            snapshotter: "native".to_owned(),
            key: "t-1".to_owned(),
            parent: "sha256:1".to_owned(),
        };
        assert_eq!(made.snapshot, Some(snapshot));
    }

    #[test]
    fn the_kernel_of_gvisor_has_room_for_itself() {
        let (root, guest) = (Path::new("/root"), Path::new("/cache/guest"));
        let resources = |shim: &Shim| {
            let made = plan(
                "t-1",
                shim,
                &kind(),
                Origin::Guest(root),
                guest,
                false,
                None,
            );
            told(&made)["linux"]["resources"].take()
        };
        let shared = resources(&shim(RUNC, None, None));
        assert_eq!(shared["memory"], json!({"limit": 80 << 20}));
        assert_eq!(shared["pids"], json!({"limit": 80}));
        let own = resources(&shim(RUNC, Some("runsc"), None));
        assert_eq!(own["memory"], json!({"limit": 144 << 20}));
        assert_eq!(own["pids"], json!({"limit": 512}));
    }
}
