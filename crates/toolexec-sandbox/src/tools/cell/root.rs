//! What programs see of this machine.

use std::fs;
use std::path::{Path, PathBuf};

use toolexec_cell::{File, Link, Mount, Spec};

use crate::tools::settings::ToolSandbox;

/// The name of the user that a program is for itself.
pub(super) const USER: &str = "tool";
/// Where it finds the certificates of whoever takes its connections.
pub(super) const AUTHORITY: &str = "/etc/toolexec/authority.pem";

/// Where the system's programs are, which every program sees.
const SYSTEM: [&str; 8] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/nix/store",
];
/// What it sees of `/etc`: where libraries are, which program is meant by a name, the time zone,
/// and whom to trust.
const ETC: [&str; 6] = [
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
];

/// What a program that is made of `code` sees, and where it starts.
pub(super) fn spec(settings: &ToolSandbox, code: &[PathBuf], disk: u64) -> Spec {
    let mut spec = Spec {
        dir: "/tmp".into(),
        disk,
        listen: settings.network.is_some(),
        files: files(settings),
        ..Spec::default()
    };
    for path in SYSTEM.map(Path::new) {
        match fs::read_link(path) {
            Ok(to) => spec.links.push(Link {
                path: path.to_owned(),
                to,
            }),
            Err(_) if path.is_dir() => spec.mounts.push(same(path)),
            Err(_) => {}
        }
    }
    let etc = ETC.map(Path::new).into_iter().filter(|path| path.exists());
    spec.mounts.extend(etc.map(same));
    spec.mounts.extend(code.iter().map(|path| same(path)));
    spec.mounts
        .extend(settings.mounts.iter().map(|mount| Mount {
            source: mount.path.clone(),
            target: mount.at.clone(),
            write: mount.write,
        }));
    // What is mounted on something else comes after it.
    spec.mounts
        .sort_by_key(|mount| mount.target.components().count());
    spec.mounts.dedup();
    spec
}

/// Whether every program sees this path anyway.
pub(super) fn is_system(path: &Path) -> bool {
    SYSTEM.iter().any(|dir| path.starts_with(dir))
}

fn same(path: &Path) -> Mount {
    Mount {
        source: path.to_owned(),
        target: path.to_owned(),
        write: false,
    }
}

/// The small files of `/etc` that programs look for.
fn files(settings: &ToolSandbox) -> Vec<File> {
    let file = |path: &str, text: &str| File {
        path: path.into(),
        text: text.to_owned(),
    };
    let mut all = vec![
        file(
            "/etc/passwd",
            "tool:x:1000:1000::/tmp:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n",
        ),
        file("/etc/group", "tool:x:1000:\nnogroup:x:65534:\n"),
        file("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"),
        file("/etc/nsswitch.conf", "hosts: files\n"),
    ];
    let network = settings.network.as_ref();
    if let Some(authority) = network.and_then(|network| network.authority()) {
        all.push(file(AUTHORITY, &authority));
    }
    all
}
