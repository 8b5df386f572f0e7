//! What Firecracker is asked for. Nothing here touches the machine.

use std::ffi::OsString;
use std::path::Path;

use serde_json::{Value, json};

use crate::container::Resources;
use crate::vm::memory;

/// The port on which the first process of a machine waits for its host.
pub(super) const PORT: u32 = 1024;
/// What Firecracker finds in its directory, and makes there.
pub(super) const KERNEL: &str = "kernel";
pub(super) const INITRD: &str = "initrd";
pub(super) const DISK: &str = "disk";
pub(super) const API: &str = "api.sock";
pub(super) const VSOCK: &str = "v.sock";
/// The two files of a saved machine: its devices, and its memory.
pub(super) const STATE: &str = "state";
pub(super) const MEMORY: &str = "memory";
/// The number of a machine on its virtual socket. Each has a socket of its own.
const CID: u32 = 3;
const MIB: u64 = 1 << 20;
/// What Firecracker takes besides the memory of its machine.
const OWN_MEMORY: u64 = 64 * MIB;
/// The threads of Firecracker besides those of processors.
const THREADS: u64 = 16;
/// More than Firecracker gives a machine.
const MOST_PROCESSORS: u64 = 32;
/// Bytes of random numbers that a machine gets in each [`REFILL`] of milliseconds.
const RANDOM: u64 = 64 << 10;
const REFILL: u64 = 1000;

/// A call of the API.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Call {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) body: Value,
}

/// The machine that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    processors: u64,
    memory_mib: u64,
    has_disk: bool,
}

impl Plan {
    pub(super) fn new(resources: &Resources, has_disk: bool) -> Self {
        let processors = resources.cpus.map_or(1, |cpus| cpus.div_ceil(1000));
        Self {
            processors: processors.clamp(1, MOST_PROCESSORS),
            memory_mib: memory(resources) / MIB,
            has_disk,
        }
    }

    /// The calls that make the machine and start it.
    pub(super) fn boot(&self) -> Vec<Call> {
        let disk = put(
            "/drives/root",
            json!({
                "drive_id": "root",
                "path_on_host": DISK,
                "is_root_device": false,
                "is_read_only": true,
            }),
        );
        let mut all = vec![
            put(
                "/machine-config",
                json!({
                    "vcpu_count": self.processors,
                    "mem_size_mib": self.memory_mib,
                    "smt": false,
                    "track_dirty_pages": false,
                }),
            ),
            put(
                "/boot-source",
                json!({
                    "kernel_image_path": KERNEL,
                    "initrd_path": INITRD,
                    "boot_args": kernel_args(),
                }),
            ),
            put("/vsock", json!({ "guest_cid": CID, "uds_path": VSOCK })),
            put(
                "/entropy",
                json!({
                    "rate_limiter": { "bandwidth": { "size": RANDOM, "refill_time": REFILL } },
                }),
            ),
        ];
        all.extend(self.has_disk.then_some(disk));
        all.push(put("/actions", json!({ "action_type": "InstanceStart" })));
        all
    }

    /// What a saved machine must have been made with to be taken for this one.
    pub(super) fn describe(&self) -> String {
        let Self {
            processors,
            memory_mib,
            has_disk: _,
        } = self;
        format!(
            "{processors} processors, {memory_mib} MiB, {}",
            kernel_args()
        )
    }
}

/// The calls that save a running machine into its directory and let it run on.
pub(super) fn save() -> Vec<Call> {
    vec![
        state("Paused"),
        put(
            "/snapshot/create",
            json!({
                "snapshot_type": "Full",
                "snapshot_path": STATE,
                "mem_file_path": MEMORY,
            }),
        ),
        state("Resumed"),
    ]
}

/// The call that restores a machine and lets it run. Its virtual socket is where it was: at the
/// same name in the directory of Firecracker, which is another now.
pub(super) fn restore() -> Call {
    put(
        "/snapshot/load",
        json!({
            "snapshot_path": STATE,
            "mem_backend": { "backend_type": "File", "backend_path": MEMORY },
            "resume_vm": true,
        }),
    )
}

/// The arguments of Firecracker itself.
pub(super) fn args(id: &str) -> Vec<OsString> {
    ["--id", id, "--api-sock", API, "--level", "Warn"]
        .map(OsString::from)
        .to_vec()
}

/// The arguments of the jailer, which starts Firecracker as this user in a root of its own below
/// `base`. It gives Firecracker the identifier itself.
pub(super) fn jail_args(program: &Path, base: &Path, id: &str, user: u32) -> Vec<OsString> {
    let user = user.to_string();
    let mut all: Vec<OsString> = ["--id", id, "--uid", &user, "--gid", &user]
        .map(OsString::from)
        .to_vec();
    all.extend(["--exec-file".into(), program.into()]);
    all.extend(["--chroot-base-dir".into(), base.into()]);
    all.extend(["--", "--api-sock", API, "--level", "Warn"].map(OsString::from));
    all
}

/// What the control group of Firecracker holds: threads, and bytes of memory. What it saves counts
/// too where files are in memory, as in many a directory of temporary files.
pub(super) fn caps(resources: &Resources, is_saved: bool) -> (u64, u64) {
    let plan = Plan::new(resources, false);
    let machine = memory(resources);
    let saved = if is_saved { machine } else { 0 };
    let memory = machine.saturating_add(saved).saturating_add(OWN_MEMORY);
    (THREADS + plan.processors, memory)
}

fn kernel_args() -> String {
    let port = format!("toolexec.vsock={PORT}");
    [
        "console=ttyS0",
        "quiet",
        "loglevel=1",
        "rdinit=/init",
        // A machine that panics, or ends, tells Firecracker through the keyboard's controller.
        "reboot=k",
        "panic=-1",
        // There is one console, and no keyboard.
        "8250.nr_uarts=1",
        "i8042.noaux",
        "i8042.nomux",
        "i8042.dumbkbd",
        // The guest reserves more for its stack than a small machine has.
        "sysctl.vm.overcommit_memory=1",
        &port,
    ]
    .join(" ")
}

fn put(path: &'static str, body: Value) -> Call {
    Call {
        method: "PUT",
        path,
        body,
    }
}

fn state(state: &str) -> Call {
    Call {
        method: "PATCH",
        path: "/vm",
        body: json!({ "state": state }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(args: Vec<OsString>) -> String {
        let args: Vec<String> = args
            .into_iter()
            .map(|arg| arg.into_string().unwrap())
            .collect();
        args.join(" ")
    }

    #[test]
    fn a_machine_is_as_large_as_its_program_may_be() {
        let of = |memory, cpus| {
            let resources = Resources {
                memory,
                cpus,
                ..Resources::default()
            };
            Plan::new(&resources, false)
        };
        let plan = |processors, memory_mib| Plan {
            processors,
            memory_mib,
            has_disk: false,
        };
        assert_eq!(of(Some(64 * MIB), None), plan(1, 192));
        assert_eq!(of(None, Some(500)), plan(1, 640));
        assert_eq!(of(None, Some(1500)), plan(2, 640));
        assert_eq!(of(None, Some(64_000)), plan(32, 640));
    }

    #[test]
    fn there_is_room_for_what_is_saved() {
        let resources = Resources {
            memory: Some(64 * MIB),
            ..Resources::default()
        };
        assert_eq!(caps(&resources, false), (17, (192 + 64) * MIB));
        assert_eq!(caps(&resources, true), (17, (192 + 192 + 64) * MIB));
    }

    #[test]
    fn the_jailer_is_told_who_and_where_and_firecracker_the_rest() {
        let jailed = jail_args(Path::new("/bin/firecracker"), Path::new("/state"), "one", 7);
        assert_eq!(
            texts(jailed),
            "--id one --uid 7 --gid 7 --exec-file /bin/firecracker --chroot-base-dir \
             /state -- --api-sock api.sock --level Warn"
        );
        assert_eq!(
            texts(args("one")),
            "--id one --api-sock api.sock --level Warn"
        );
    }
}
