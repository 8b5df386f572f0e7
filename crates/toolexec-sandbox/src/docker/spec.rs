//! What the daemon is asked for. Nothing here talks to it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, HostConfigLogConfig, Mount, MountType,
    ResourcesUlimits,
};

use super::wall::Wall;
use crate::container::Kind;
use crate::piped::warm;
use crate::seccomp;
use crate::share::{PERIOD, quota};
use crate::toolchain_cache;

/// The label of all that is ours; its value is the name that tells whose.
pub(super) const OURS: &str = "toolexec.name";
/// The label that says on which machine the host runs.
pub(super) const MACHINE: &str = "toolexec.machine";
/// The label of the image that holds the guest alone.
pub(super) const GUEST_IMAGE: &str = "toolexec.guest";

/// Where the guest is in the image that holds it alone, and where it is mounted as a file.
const GUEST: &str = "/toolexec-guest";
/// Where the volume is mounted that holds the guest.
pub(super) const VOLUME: &str = "/.toolexec";

/// A user that owns nothing, in no group that owns anything.
const NOBODY: &str = "65534:65534";
/// What a program may write to /tmp that did not ask.
const TMP: u64 = 64 << 20;
/// The threads of a guest itself.
const GUEST_PIDS: u64 = 8;
/// What a program may start that did not ask.
const PIDS: u64 = 64;
/// The same in an image, whose programs have helpers and threads.
const IMAGE_PIDS: u64 = 256;
/// The threads and the helpers of gVisor, which the kernel counts as the container's.
const GVISOR_PIDS: u64 = 512;
/// What gVisor itself holds, which the kernel counts as the container's.
const GVISOR_MEMORY: u64 = 64 << 20;
const PAGE: u64 = 4096;

/// How the guest gets into a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Delivery {
    /// It is in the image.
    Image,
    /// As a file of this machine, which the daemon sees too.
    File(PathBuf),
    /// In a volume of this name.
    Volume(String),
}

/// What a container is made of besides its [`Kind`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Making<'a> {
    pub(super) image: &'a str,
    /// Where the image wants to write, which it may not.
    pub(super) image_volumes: &'a [String],
    pub(super) runtime: Option<&'a str>,
    pub(super) delivery: &'a Delivery,
    /// The part of a cache of compiled programs that containers see.
    pub(super) cache: Option<&'a Path>,
    pub(super) name: &'a str,
    pub(super) machine: &'a str,
}

/// The body of the request that creates a container.
pub(super) fn container(kind: &Kind, making: &Making<'_>) -> ContainerCreateBody {
    let program = match making.delivery {
        Delivery::Image | Delivery::File(_) => GUEST.to_owned(),
        Delivery::Volume(_) => format!("{VOLUME}{GUEST}"),
    };
    let yes = Some(true);
    ContainerCreateBody {
        image: Some(making.image.to_owned()),
        entrypoint: Some(vec![program]),
        cmd: Some(warm(kind.language).map(str::to_owned).to_vec()),
        user: Some(NOBODY.to_owned()),
        env: making.cache.map(|_| vec![toolchain_cache::variable()]),
        // That of the image may be one that this user cannot enter.
        working_dir: Some("/".to_owned()),
        // That of the image would run programs of its own beside the guest.
        healthcheck: Some(HealthConfig {
            test: Some(vec!["NONE".to_owned()]),
            ..HealthConfig::default()
        }),
        open_stdin: yes,
        // The guest reads its end when the host is gone, and ends.
        stdin_once: yes,
        attach_stdin: yes,
        attach_stdout: yes,
        attach_stderr: yes,
        tty: Some(false),
        network_disabled: yes,
        labels: Some(labels(making.name, making.machine)),
        host_config: Some(host(kind, making)),
        ..ContainerCreateBody::default()
    }
}

/// The body of the request that creates a container through which the volume `volume` is filled,
/// and which is never started.
pub(super) fn volume_holder(image: &str, volume: &str, machine: &str) -> ContainerCreateBody {
    let mount = Mount {
        typ: Some(MountType::VOLUME),
        source: Some(volume.to_owned()),
        target: Some(VOLUME.to_owned()),
        ..Mount::default()
    };
    ContainerCreateBody {
        image: Some(image.to_owned()),
        entrypoint: Some(vec![GUEST.to_owned()]),
        network_disabled: Some(true),
        labels: Some(labels(volume, machine)),
        host_config: Some(HostConfig {
            network_mode: Some("none".to_owned()),
            mounts: Some(vec![mount]),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}

/// What all that is ours is labelled with.
pub(super) fn labels(name: &str, machine: &str) -> HashMap<String, String> {
    [(OURS, name), (MACHINE, machine)]
        .map(|(label, value)| (label.to_owned(), value.to_owned()))
        .into()
}

/// Whether a text can be the name of an image. The daemon is asked for it by path.
pub(super) fn is_image_name(name: &str) -> bool {
    let is_plain = |part: &str| {
        let inner = |c: char| c.is_ascii_alphanumeric() || "._-:@".contains(c);
        part.starts_with(|c: char| c.is_ascii_alphanumeric()) && part.chars().all(inner)
    };
    name.len() <= 512 && name.split('/').all(is_plain)
}

fn host(kind: &Kind, making: &Making<'_>) -> HostConfig {
    let wall = Wall::of(making.runtime);
    let resources = &kind.resources;
    let own = if wall == Wall::Gvisor {
        GVISOR_MEMORY
    } else {
        0
    };
    let memory = resources
        .memory
        .map(|memory| signed(memory.saturating_add(own)));
    HostConfig {
        runtime: making.runtime.map(str::to_owned),
        auto_remove: Some(true),
        network_mode: Some("none".to_owned()),
        ipc_mode: Some("none".to_owned()),
        readonly_rootfs: Some(true),
        cap_drop: Some(vec!["ALL".to_owned()]),
        security_opt: Some(security(wall, making.delivery)),
        // What a guest says is not kept on the daemon's disk.
        log_config: Some(HostConfigLogConfig {
            typ: Some("none".to_owned()),
            config: None,
        }),
        memory,
        // As much as the memory: no swap.
        memory_swap: memory,
        cpu_period: resources.cpus.map(|_| signed(PERIOD)),
        cpu_quota: resources.cpus.map(|cpus| signed(quota(cpus))),
        pids_limit: Some(signed(pids(wall, kind))),
        ulimits: Some(ulimits(wall, kind)),
        tmpfs: Some([("/tmp".to_owned(), tmp(resources.disk))].into()),
        mounts: Some(mounts(making)),
        ..HostConfig::default()
    }
}

/// The daemon's own filter leaves more open than a guest needs, sockets to the hypervisor for one.
fn security(wall: Wall, delivery: &Delivery) -> Vec<String> {
    let mut all = vec!["no-new-privileges:true".to_owned()];
    if wall == Wall::Kernel {
        let filter = match delivery {
            Delivery::Image => seccomp::for_guest(),
            Delivery::File(_) | Delivery::Volume(_) => seccomp::for_programs(),
        };
        all.push(format!("seccomp={filter}"));
    }
    all
}

fn pids(wall: Wall, kind: &Kind) -> u64 {
    match wall {
        Wall::Gvisor => GVISOR_PIDS,
        Wall::Kernel | Wall::Vm => processes(kind),
    }
}

fn processes(kind: &Kind) -> u64 {
    let usual = if kind.image.is_some() {
        IMAGE_PIDS
    } else {
        PIDS
    };
    let own = kind.resources.pids.unwrap_or(usual);
    own.saturating_add(GUEST_PIDS)
}

fn ulimits(wall: Wall, kind: &Kind) -> Vec<ResourcesUlimits> {
    let limit = |name: &str, most: u64| ResourcesUlimits {
        name: Some(name.to_owned()),
        soft: Some(signed(most)),
        hard: Some(signed(most)),
    };
    let mut all = vec![limit("core", 0), limit("nofile", 1024)];
    if let Some(seconds) = kind.resources.cpu_time {
        all.push(limit("cpu", seconds));
    }
    if wall == Wall::Gvisor {
        // The kernel counts the processes of a user over all containers; gVisor counts its own.
        all.push(limit("nproc", processes(kind)));
    } else {
        all.push(limit("msgqueue", 0));
    }
    all
}

/// The options of the file system on /tmp, the only one that can be written to.
fn tmp(disk: Option<u64>) -> String {
    let bytes = disk.unwrap_or(TMP);
    // A size of 0 would be no limit at all; less than a page cannot be kept.
    let (access, size) = if bytes < PAGE {
        ("ro", PAGE)
    } else {
        ("rw", bytes / PAGE * PAGE)
    };
    format!("{access},nosuid,nodev,noexec,size={size},mode=1777")
}

fn mounts(making: &Making<'_>) -> Vec<Mount> {
    let read_only = |typ, source: Option<String>, target: &str| Mount {
        typ: Some(typ),
        source,
        target: Some(target.to_owned()),
        read_only: Some(true),
        ..Mount::default()
    };
    let guest = match making.delivery {
        Delivery::Image => None,
        Delivery::File(path) => {
            let path = path.to_string_lossy().into_owned();
            Some(read_only(MountType::BIND, Some(path), GUEST))
        }
        Delivery::Volume(name) => Some(read_only(MountType::VOLUME, Some(name.clone()), VOLUME)),
    };
    let cache = making.cache.map(|directory| Mount {
        read_only: Some(false),
        ..read_only(
            MountType::BIND,
            Some(directory.to_string_lossy().into_owned()),
            toolchain_cache::MOUNTED,
        )
    });
    // A volume that the image declares would be one without a limit that can be written to.
    let volumes = making.image_volumes.iter();
    let volumes = volumes.filter(|path| path.as_str() != "/tmp");
    let empty = volumes.map(|path| read_only(MountType::TMPFS, None, path));
    guest.into_iter().chain(cache).chain(empty).collect()
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use toolexec_core::sandbox::{Language, Limits};

    use super::*;

    fn body(runtime: Option<&str>, delivery: &Delivery, limits: &Limits) -> Value {
        let making = Making {
            image: "python:3",
            image_volumes: &["/data".to_owned(), "/tmp".to_owned()],
            runtime,
            delivery,
            cache: None,
            name: "toolexec-1-2-3-4",
            machine: "here",
        };
        let kind = Kind::new(Language::Python, None, limits);
        serde_json::to_value(container(&kind, &making)).unwrap()
    }

    fn ulimits(all: &[(&str, i64)]) -> Value {
        let one = |(name, most): &(&str, i64)| json!({"Name": name, "Soft": most, "Hard": most});
        all.iter().map(one).collect()
    }

    #[test]
    fn a_container_is_locked_down_and_holds_what_was_asked() {
        let limits = Limits {
            memory: Some(100 << 20),
            cpus: Some(0.5),
            pids: Some(4),
            disk: Some(1 << 20),
            cpu_time: Some(std::time::Duration::from_secs(1)),
            ..Limits::default()
        };
        let memory = 164 << 20;
        let filter = format!("seccomp={}", seccomp::for_programs());
        let expected = json!({
            "Image": "python:3",
            "Entrypoint": ["/toolexec-guest"],
            "Cmd": ["--warm", "python"],
            "User": "65534:65534",
            "WorkingDir": "/",
            "Healthcheck": {"Test": ["NONE"]},
            "OpenStdin": true,
            "StdinOnce": true,
            "AttachStdin": true,
            "AttachStdout": true,
            "AttachStderr": true,
            "Tty": false,
            "NetworkDisabled": true,
            "Labels": {"toolexec.name": "toolexec-1-2-3-4", "toolexec.machine": "here"},
            "HostConfig": {
                "AutoRemove": true,
                "NetworkMode": "none",
                "IpcMode": "none",
                "ReadonlyRootfs": true,
                "CapDrop": ["ALL"],
                "SecurityOpt": ["no-new-privileges:true", filter],
                "LogConfig": {"Type": "none"},
                "Memory": memory,
                "MemorySwap": memory,
                "CpuPeriod": 100_000,
                "CpuQuota": 50_000,
                "PidsLimit": 12,
                "Ulimits": ulimits(&[("core", 0), ("nofile", 1024), ("cpu", 3), ("msgqueue", 0)]),
                "Tmpfs": {"/tmp": "rw,nosuid,nodev,noexec,size=1048576,mode=1777"},
                "Mounts": [
                    {"Type": "bind", "Source": "/guest", "Target": "/toolexec-guest", "ReadOnly": true},
                    {"Type": "tmpfs", "Target": "/data", "ReadOnly": true},
                ],
            },
        });
        assert_eq!(
            body(None, &Delivery::File("/guest".into()), &limits),
            expected
        );
    }

    #[test]
    fn gvisor_counts_its_own_processes_and_memory() {
        let limits = Limits {
            memory: Some(100 << 20),
            pids: Some(4),
            ..Limits::default()
        };
        let host = body(Some("runsc"), &Delivery::Image, &limits)["HostConfig"].clone();
        let found = ["Runtime", "Memory", "PidsLimit", "Ulimits"].map(|key| host[key].clone());
        let nproc = ulimits(&[("core", 0), ("nofile", 1024), ("nproc", 12)]);
        assert_eq!(found, [json!("runsc"), json!(228 << 20), json!(512), nproc]);
    }

    #[test]
    fn a_guest_alone_has_the_fewest_calls_and_a_kernel_of_its_own_filters_for_itself() {
        let options = |runtime| {
            let body = body(runtime, &Delivery::Image, &Limits::default());
            body["HostConfig"]["SecurityOpt"].clone()
        };
        let filter = format!("seccomp={}", seccomp::for_guest());
        assert_eq!(options(None), json!(["no-new-privileges:true", filter]));
        assert_eq!(options(Some("runsc")), json!(["no-new-privileges:true"]));
    }

    #[test]
    fn a_guest_in_a_volume_is_read_only_too() {
        let body = body(None, &Delivery::Volume("v".to_owned()), &Limits::default());
        assert_eq!(body["Entrypoint"], json!(["/.toolexec/toolexec-guest"]));
        assert_eq!(
            body["HostConfig"]["Mounts"][0],
            json!({"Type": "volume", "Source": "v", "Target": "/.toolexec", "ReadOnly": true})
        );
        assert_eq!(body["HostConfig"]["Memory"], Value::Null);
    }

    #[test]
    fn an_image_has_room_for_helpers_and_a_cache_is_mounted_where_there_is_one() {
        let making = Making {
            image: "golang",
            image_volumes: &[],
            runtime: None,
            delivery: &Delivery::Image,
            cache: Some(Path::new("/cache/containers")),
            name: "toolexec-1-2-3-4",
            machine: "here",
        };
        let image = Some("golang".into());
        let kind = Kind::new(Language::Go, image, &Limits::default());
        let body = serde_json::to_value(container(&kind, &making)).unwrap();
        let env = json!(["TOOLEXEC_TOOLCHAIN_CACHE=/toolexec-cache"]);
        let cache = json!([{
            "Type": "bind", "Source": "/cache/containers", "Target": "/toolexec-cache",
            "ReadOnly": false
        }]);
        let host = &body["HostConfig"];
        let found = [&body["Env"], &host["Mounts"], &host["PidsLimit"]];
        assert_eq!(found, [&env, &cache, &json!(264)]);
    }

    #[test]
    fn no_size_is_not_taken_for_no_limit() {
        let rest = "nosuid,nodev,noexec,size";
        assert_eq!(tmp(Some(0)), format!("ro,{rest}=4096,mode=1777"));
        assert_eq!(tmp(Some(10_000)), format!("rw,{rest}=8192,mode=1777"));
        assert_eq!(tmp(None), format!("rw,{rest}=67108864,mode=1777"));
    }

    #[test]
    fn names_of_images_are_no_paths() {
        for name in ["python:3", "a/b/c:1.0", "r.io:5000/a_b@sha256:00ff", "x"] {
            assert!(is_image_name(name), "{name}");
        }
        for name in [
            "", "/a", "a/", "a//b", "../a", "a/../b", "a b", "a?b", "a#b", "a%2fb", "-a",
        ] {
            assert!(!is_image_name(name), "{name}");
        }
    }
}
