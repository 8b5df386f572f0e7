//! What gVisor's runtime is told about a program: the `config.json` of the OCI runtime
//! specification, and the root that it names.

use std::ffi::OsStr;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::{fs, io};

use serde_json::{Value, json};
use toolexec_cell::{Mount, Spec};
use toolexec_process::ConfineError;

/// How many descriptors a program may have.
const DESCRIPTORS: u64 = 4096;

/// Refuses what would be mounted on nothing in a place that is mounted itself: the runtime would
/// make something there, on this machine.
pub(super) fn check(view: &Spec) -> Result<(), ConfineError> {
    let refused = |hint: &str| {
        let error = ConfineError::new("something that the sandbox shows cannot be mounted");
        Err(error.with_hint(hint))
    };
    if view.mounts.iter().any(|mount| !mount.source.exists()) {
        return refused(
            "see whether every path of `mounts` is there, and may be read by this user",
        );
    }
    let is_missing = |inner: &Mount| {
        view.mounts.iter().any(|outer| {
            let below = inner.target.strip_prefix(&outer.target);
            let below = below.ok().filter(|below| !below.as_os_str().is_empty());
            below.is_some_and(|below| !outer.source.join(below).exists())
        })
    };
    if view.mounts.iter().any(is_missing) {
        return refused(
            "on gVisor, what is mounted in a place of the system, or in another mount, must be \
             there already: choose another `at`",
        );
    }
    Ok(())
}

/// The user and group of programs: root without root's rights. Where an ordinary user runs
/// toolexec, that is who they are outside, and the only one that gVisor knows.
pub(super) const USER: u32 = 0;

/// What the runtime is told.
pub(super) fn spec<'a>(
    root: &Path,
    args: impl Iterator<Item = &'a OsStr>,
    view: &Spec,
    processes: Option<u64>,
) -> Result<Value, ConfineError> {
    let args: Option<Vec<&str>> = args.map(OsStr::to_str).collect();
    let args = args.ok_or_else(|| ConfineError::new("gVisor takes no argument but Unicode"))?;
    let env = view.env.iter();
    let env: Vec<String> = env.map(|(name, value)| format!("{name}={value}")).collect();
    let limit = |kind: &str, most: u64| json!({"type": kind, "hard": most, "soft": most});
    let mut rlimits = vec![limit("RLIMIT_CORE", 0), limit("RLIMIT_NOFILE", DESCRIPTORS)];
    rlimits.extend(processes.map(|most| limit("RLIMIT_NPROC", most)));
    let namespaces = ["pid", "network", "ipc", "uts", "mount"];
    Ok(json!({
        "ociVersion": "1.0.2",
        "process": {
            "terminal": false,
            "user": {"uid": USER, "gid": USER},
            "args": args,
            "env": env,
            "cwd": view.dir,
            "capabilities": {
                "bounding": [], "effective": [], "permitted": [], "inheritable": [], "ambient": []
            },
            "rlimits": rlimits,
            "noNewPrivileges": true,
        },
        "root": {"path": root, "readonly": true},
        "hostname": "sandbox",
        "mounts": mounts(view),
        "linux": {"namespaces": namespaces.map(|kind| json!({"type": kind}))},
    }))
}

fn mounts(view: &Spec) -> Vec<Value> {
    let size = format!("size={}", view.disk);
    let mut all = vec![
        json!({
            "destination": "/proc", "type": "proc", "source": "proc",
            "options": ["nosuid", "noexec", "nodev"],
        }),
        json!({
            "destination": "/tmp", "type": "tmpfs", "source": "tmpfs",
            "options": ["nosuid", "nodev", "mode=1777", size],
        }),
    ];
    all.extend(view.mounts.iter().map(|mount| {
        let write = if mount.write { "rw" } else { "ro" };
        json!({
            "destination": mount.target, "type": "bind", "source": mount.source,
            "options": ["rbind", write, "nosuid", "nodev"],
        })
    }));
    all
}

/// Makes what a root has besides what is mounted: links, small files, and where to mount.
pub(super) fn fill(root: &Path, view: &Spec) -> io::Result<()> {
    let inside = |path: &Path| root.join(path.strip_prefix("/").unwrap_or(path));
    let above = |path: &Path| fs::create_dir_all(path.parent().unwrap_or(root));
    for link in &view.links {
        symlink(&link.to, inside(&link.path))?;
    }
    for file in &view.files {
        let path = inside(&file.path);
        above(&path)?;
        fs::write(path, &file.text)?;
    }
    for mount in &view.mounts {
        let path = inside(&mount.target);
        // What is below something that is mounted itself is there.
        if mount
            .target
            .ancestors()
            .skip(1)
            .any(|dir| view.mounts.iter().any(|one| one.target == dir))
        {
            continue;
        }
        above(&path)?;
        if mount.source.is_dir() {
            fs::create_dir_all(&path)?;
        } else {
            fs::write(&path, "")?;
        }
    }
    for dir in ["proc", "tmp"] {
        fs::create_dir_all(root.join(dir))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn nothing_is_made_on_this_machine() {
        let work = tempfile::tempdir().unwrap();
        fs::create_dir_all(work.path().join("system/share")).unwrap();
        fs::create_dir(work.path().join("data")).unwrap();
        let mount = |source: &str, target: &str| Mount {
            source: work.path().join(source),
            target: PathBuf::from(target),
            write: false,
        };
        let hints = |mounts: &[Mount]| {
            let view = Spec {
                mounts: mounts.to_vec(),
                ..Spec::default()
            };
            check(&view).err().map(|error| error.hints)
        };
        let system = mount("system", "/usr");
        let fine = [
            system.clone(),
            mount("data", "/usr/share"),
            mount("data", "/data"),
        ];
        assert_eq!(hints(&fine), None);
        let hint = hints(&[mount("nothing", "/data")]).unwrap();
        assert!(hint[0].starts_with("see whether every path"), "{hint:?}");
        let hint = hints(&[system, mount("data", "/usr/made")]).unwrap();
        assert!(hint[0].starts_with("on gVisor"), "{hint:?}");
        assert!(!work.path().join("system/made").exists());
    }
}
