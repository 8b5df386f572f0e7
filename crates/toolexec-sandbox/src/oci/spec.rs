//! What a runtime is told about a container: the `config.json` of the OCI runtime specification.
//! Nothing here touches the machine.

use std::path::Path;

use serde_json::{Value, json};

use crate::container::{PROGRAM_PIDS, Resources, tmp};
use crate::linux_guest::GUEST_PATH;
use crate::seccomp;
use crate::share::{PERIOD, quota};
use crate::toolchain_cache;

/// The user and the group of a guest: the one that owns nothing.
const NOBODY: u32 = 65534;
/// How many descriptors a guest may have; its runtime has some before it is there.
const DESCRIPTORS: u64 = 64;
/// The same in a root with programs: compilers and interpreters open many files.
const PROGRAM_DESCRIPTORS: u64 = 1024;
/// The threads of the guest itself and, while it starts, of its runtime.
const GUEST_PIDS: u64 = 16;
/// How many processes and threads programs may have where nobody set a limit.
const PIDS: u64 = 64;

const MASKED: [&str; 10] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/firmware",
];
const READ_ONLY: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

/// A container that is to be started.
#[derive(Debug, Clone)]
pub(crate) struct Plan<'a> {
    pub(crate) root: Root<'a>,
    /// The guest's arguments.
    pub(crate) args: &'a [&'a str],
    pub(crate) resources: &'a Resources,
    /// The control group that the runtime makes, from the top of the tree. Without one nothing is
    /// limited but by resource limits.
    pub(crate) cgroup: Option<&'a str>,
    /// Whether what is swapped out is counted, and so can be capped.
    pub(crate) caps_swap: bool,
    /// Whether the runtime counts processes for each container, and not for each user.
    pub(crate) counts_processes: bool,
    /// The part of a cache of compiled programs that containers see.
    pub(crate) cache: Option<&'a Path>,
    /// The user and the group of a host that is not root: what the container's own are outside.
    pub(crate) rootless: Option<(u32, u32)>,
}

/// The root directory of a container.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Root<'a> {
    /// It holds nothing but the guest.
    Guest(&'a Path),
    /// It holds other programs; the guest is mounted into it.
    Programs {
        directory: &'a Path,
        guest: &'a Path,
    },
}

/// What the runtime is told.
pub(crate) fn spec(plan: &Plan<'_>) -> Value {
    let user = plan.user();
    let args = std::iter::once(&GUEST_PATH).chain(plan.args);
    json!({
        "ociVersion": "1.0.2",
        "process": {
            "terminal": false,
            "user": {"uid": user, "gid": user},
            "args": args.collect::<Vec<_>>(),
            "env": plan.cache.map(|_| toolchain_cache::variable()).into_iter().collect::<Vec<_>>(),
            "cwd": "/",
            "capabilities": {
                "bounding": [], "effective": [], "permitted": [], "inheritable": [], "ambient": []
            },
            "rlimits": rlimits(plan),
            "noNewPrivileges": true,
        },
        "root": {"path": plan.root.directory(), "readonly": true},
        "hostname": "sandbox",
        "mounts": mounts(plan),
        "linux": linux(plan),
    })
}

impl Plan<'_> {
    /// Who the guest is. An ordinary user has one user to give, who is root of the namespace.
    fn user(&self) -> u32 {
        if self.rootless.is_some() { 0 } else { NOBODY }
    }

    /// How many processes and threads there may be, the guest's own included. Where nobody set a
    /// limit there is one still: a machine has only so many.
    fn pids(&self) -> u64 {
        self.resources
            .pids
            .unwrap_or(if self.root.has_programs() {
                PROGRAM_PIDS
            } else {
                PIDS
            })
            .saturating_add(GUEST_PIDS)
    }
}

impl Root<'_> {
    fn has_programs(&self) -> bool {
        matches!(self, Self::Programs { .. })
    }

    fn directory(&self) -> &Path {
        match self {
            Self::Guest(directory) | Self::Programs { directory, .. } => directory,
        }
    }
}

fn rlimits(plan: &Plan<'_>) -> Vec<Value> {
    let one = |kind: &str, most: u64| json!({"type": kind, "hard": most, "soft": most});
    let descriptors = if plan.root.has_programs() {
        PROGRAM_DESCRIPTORS
    } else {
        DESCRIPTORS
    };
    let mut all = vec![
        one("RLIMIT_CORE", 0),
        one("RLIMIT_MEMLOCK", 0),
        one("RLIMIT_MSGQUEUE", 0),
        one("RLIMIT_NOFILE", descriptors),
    ];
    // The first process of a namespace takes no signal that it does not ask for, SIGXCPU included:
    // the hard limit, which kills, is the one that counts.
    if let Some(seconds) = plan.resources.cpu_time {
        all.push(one("RLIMIT_CPU", seconds));
    }
    if plan.counts_processes {
        all.push(one("RLIMIT_NPROC", plan.pids()));
    }
    all
}

fn mounts(plan: &Plan<'_>) -> Vec<Value> {
    let mount = |destination: &str, kind: &str, options: &[&str]| json!({"destination": destination, "type": kind, "source": kind, "options": options});
    let mut all = vec![
        mount("/proc", "proc", &["nosuid", "noexec", "nodev"]),
        mount(
            "/dev",
            "tmpfs",
            &["nosuid", "noexec", "mode=755", "size=65536"],
        ),
    ];
    let disk = match plan.root {
        Root::Guest(_) => plan.resources.disk.filter(|most| *most > 0),
        Root::Programs { .. } => Some(tmp(plan.resources)),
    };
    if let Some(most) = disk {
        let size = format!("size={most}");
        // The owner besides the mode: runc before 1.1.6 takes the mode from the directory below.
        let user = plan.user();
        let owner = [format!("uid={user}"), format!("gid={user}")];
        let mut options = vec!["nosuid", "noexec", "nodev", "mode=1777", size.as_str()];
        options.extend(owner.iter().map(String::as_str));
        all.push(mount("/tmp", "tmpfs", &options));
    }
    if let Root::Programs { guest, .. } = plan.root {
        all.push(json!({
            "destination": GUEST_PATH,
            "type": "bind",
            "source": guest,
            "options": ["bind", "ro", "nosuid", "nodev"],
        }));
    }
    if let Some(directory) = plan.cache {
        // What is run from there is run from memory.
        all.push(json!({
            "destination": toolchain_cache::MOUNTED,
            "type": "bind",
            "source": directory,
            "options": ["bind", "rw", "nosuid", "nodev", "noexec"],
        }));
    }
    all
}

fn linux(plan: &Plan<'_>) -> Value {
    let mut namespaces = vec!["pid", "network", "ipc", "uts", "mount", "cgroup"];
    namespaces.extend(plan.rootless.map(|_| "user"));
    let namespaces: Vec<Value> = namespaces
        .into_iter()
        .map(|kind| json!({"type": kind}))
        .collect();
    let mut linux = json!({
        "namespaces": namespaces,
        "maskedPaths": MASKED,
        "readonlyPaths": READ_ONLY,
        "seccomp": match plan.root {
            Root::Guest(_) => seccomp::for_guest(),
            Root::Programs { .. } => seccomp::for_programs(),
        },
    });
    if let Some(path) = plan.cgroup {
        linux["cgroupsPath"] = json!(path);
        linux["resources"] = resources(plan);
    }
    if let Some((user, group)) = plan.rootless {
        let only = |outside: u32| json!([{"containerID": 0, "hostID": outside, "size": 1}]);
        linux["uidMappings"] = only(user);
        linux["gidMappings"] = only(group);
    }
    linux
}

fn resources(plan: &Plan<'_>) -> Value {
    let mut all = json!({
        "devices": [{"allow": false, "access": "rwm"}],
        "pids": {"limit": plan.pids()},
    });
    if let Some(memory) = plan.resources.memory {
        all["memory"] = json!({"limit": memory});
        if plan.caps_swap {
            // With the memory itself: nothing may be swapped out.
            all["memory"]["swap"] = json!(memory);
        }
    }
    if let Some(cpus) = plan.resources.cpus {
        all["cpu"] = json!({"quota": quota(cpus), "period": PERIOD});
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn plan(resources: &Resources) -> Plan<'_> {
        Plan {
            root: Root::Guest(Path::new("/guest-root")),
            args: &["--warm", "python"],
            resources,
            cgroup: Some("/toolexec-1"),
            caps_swap: true,
            counts_processes: false,
            cache: None,
            rootless: None,
        }
    }

    #[test]
    fn a_container_has_nothing_but_the_guest() {
        let mut told = spec(&plan(&Resources::default()));
        assert_eq!(told["linux"]["seccomp"].take(), seccomp::for_guest());
        let none: [&str; 0] = [];
        let limit = |kind: &str, most: u64| json!({"type": kind, "hard": most, "soft": most});
        let expected = json!({
            "ociVersion": "1.0.2",
            "process": {
                "terminal": false,
                "user": {"uid": 65534, "gid": 65534},
                "args": ["/toolexec-guest", "--warm", "python"],
                "env": none,
                "cwd": "/",
                "capabilities": {
                    "bounding": none, "effective": none, "permitted": none, "inheritable": none,
                    "ambient": none
                },
                "rlimits": [
                    limit("RLIMIT_CORE", 0), limit("RLIMIT_MEMLOCK", 0),
                    limit("RLIMIT_MSGQUEUE", 0), limit("RLIMIT_NOFILE", 64)
                ],
                "noNewPrivileges": true
            },
            "root": {"path": "/guest-root", "readonly": true},
            "hostname": "sandbox",
            "mounts": [
                {
                    "destination": "/proc", "type": "proc", "source": "proc",
                    "options": ["nosuid", "noexec", "nodev"]
                },
                {
                    "destination": "/dev", "type": "tmpfs", "source": "tmpfs",
                    "options": ["nosuid", "noexec", "mode=755", "size=65536"]
                }
            ],
            "linux": {
                "namespaces": [
                    {"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"},
                    {"type": "mount"}, {"type": "cgroup"}
                ],
                "maskedPaths": MASKED,
                "readonlyPaths": READ_ONLY,
                "seccomp": null,
                "cgroupsPath": "/toolexec-1",
                "resources": {
                    "devices": [{"allow": false, "access": "rwm"}],
                    "pids": {"limit": 80}
                }
            }
        });
        assert_eq!(told, expected);
    }

    #[test]
    fn limits_are_told_as_the_kernel_counts_them() {
        let resources = Resources {
            memory: Some(65 * MIB),
            cpus: Some(500),
            pids: Some(3),
            disk: Some(MIB),
            cpu_time: Some(4),
        };
        let told = spec(&Plan {
            counts_processes: true,
            ..plan(&resources)
        });
        let memory = json!({"limit": 65 * MIB, "swap": 65 * MIB});
        let expected = json!({
            "devices": [{"allow": false, "access": "rwm"}],
            "memory": memory,
            "cpu": {"quota": 50_000, "period": 100_000},
            "pids": {"limit": 19},
        });
        assert_eq!(told["linux"]["resources"], expected);
        let limit = |kind: &str, most: u64| json!({"type": kind, "hard": most, "soft": most});
        let rlimits = &told["process"]["rlimits"];
        assert_eq!(rlimits[4], limit("RLIMIT_CPU", 4));
        assert_eq!(rlimits[5], limit("RLIMIT_NPROC", 19));
        let tmp = json!({
            "destination": "/tmp", "type": "tmpfs", "source": "tmpfs",
            "options": [
                "nosuid", "noexec", "nodev", "mode=1777", "size=1048576", "uid=65534", "gid=65534"
            ]
        });
        assert_eq!(told["mounts"][2], tmp);
        let told = spec(&Plan {
            caps_swap: false,
            ..plan(&resources)
        });
        let memory = &told["linux"]["resources"]["memory"];
        assert_eq!(memory, &json!({"limit": 65 * MIB}));
    }

    #[test]
    fn a_root_with_programs_gets_the_guest_and_room_for_files() {
        let root = Root::Programs {
            directory: Path::new("/debian"),
            guest: Path::new("/cache/guest"),
        };
        let told = spec(&Plan {
            root,
            ..plan(&Resources::default())
        });
        assert_eq!(told["root"], json!({"path": "/debian", "readonly": true}));
        let guest = json!({
            "destination": "/toolexec-guest", "type": "bind", "source": "/cache/guest",
            "options": ["bind", "ro", "nosuid", "nodev"]
        });
        let tmp = json!([
            "nosuid",
            "noexec",
            "nodev",
            "mode=1777",
            "size=67108864",
            "uid=65534",
            "gid=65534"
        ]);
        assert_eq!(told["mounts"][2]["options"], tmp);
        assert_eq!(told["mounts"][3], guest);
        assert_eq!(told["linux"]["seccomp"], seccomp::for_programs());
        let nofile = json!({"type": "RLIMIT_NOFILE", "hard": PROGRAM_DESCRIPTORS, "soft": PROGRAM_DESCRIPTORS});
        assert_eq!(told["process"]["rlimits"][3], nofile);
        assert_eq!(told["linux"]["resources"]["pids"], json!({"limit": 272}));
    }

    #[test]
    fn a_cache_is_mounted_and_told() {
        let told = spec(&Plan {
            cache: Some(Path::new("/cache/containers")),
            ..plan(&Resources::default())
        });
        let env = json!(["TOOLEXEC_TOOLCHAIN_CACHE=/toolexec-cache"]);
        let mount = json!({
            "destination": "/toolexec-cache", "type": "bind", "source": "/cache/containers",
            "options": ["bind", "rw", "nosuid", "nodev", "noexec"]
        });
        assert_eq!(
            [&told["process"]["env"], &told["mounts"][2]],
            [&env, &mount]
        );
    }

    #[test]
    fn an_ordinary_user_is_root_of_a_user_namespace_without_control_groups() {
        let told = spec(&Plan {
            cgroup: None,
            rootless: Some((1000, 100)),
            ..plan(&Resources::default())
        });
        let linux = &told["linux"];
        let map = |outside: u32| json!([{"containerID": 0, "hostID": outside, "size": 1}]);
        assert_eq!(linux["uidMappings"], map(1000));
        assert_eq!(linux["gidMappings"], map(100));
        assert_eq!(linux["namespaces"][6], json!({"type": "user"}));
        assert_eq!(
            [&linux["cgroupsPath"], &linux["resources"]],
            [&Value::Null, &Value::Null]
        );
        assert_eq!(told["process"]["user"], json!({"uid": 0, "gid": 0}));
    }
}
