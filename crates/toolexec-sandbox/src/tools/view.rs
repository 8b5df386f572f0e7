//! What programs see of this machine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use toolexec_cell::{File, Link, Mount, Spec};
use toolexec_process::{Command, base_env};

use super::code::{Program, made_of};
use super::settings::ToolSandbox;

/// The name of the user that a program is for itself.
const USER: &str = "tool";
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

/// Where the system's programs are looked for that an image brings.
const IMAGE_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// What of our environment programs get.
const PASSED: [&str; 5] = ["PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ"];
/// What they get besides: the only place of their own, and the name of their user there.
const OWN: [(&str, &str); 4] = [
    ("HOME", "/tmp"),
    ("TMPDIR", "/tmp"),
    ("USER", USER),
    ("LOGNAME", USER),
];

/// Whose programs are those of the system, to whoever is inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum System {
    /// This machine's.
    Host,
    /// Those of a root directory.
    Image(PathBuf),
}

impl System {
    /// Where a path of the system is on this machine.
    fn source(&self, path: &Path) -> PathBuf {
        match self {
            Self::Host => path.to_owned(),
            Self::Image(root) => root.join(path.strip_prefix("/").unwrap_or(path)),
        }
    }
}

/// The environment of programs, but for what their own configuration says and the network needs.
pub(super) fn environment(system: &System) -> Vec<(String, String)> {
    let passed = base_env().into_iter();
    let mut env: Vec<_> = passed
        .filter(|(name, _)| PASSED.contains(&name.as_str()))
        .collect();
    let text = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    env.extend(OWN.map(text));
    if let System::Image(_) = system {
        env.retain(|(name, _)| name != "PATH");
        env.push(text(("PATH", IMAGE_PATH)));
    }
    env
}

/// What the program of a command sees, and where it starts. `user` is the number of its user there.
pub(super) fn of(
    settings: &ToolSandbox,
    system: &System,
    program: &Program,
    command: &Command,
    user: u32,
    disk: u64,
) -> io::Result<Spec> {
    let told = settings.code.iter().flat_map(|path| made_of(path));
    let code: Vec<PathBuf> = program.code.iter().cloned().chain(told).collect();
    let mut spec = spec(settings, system, &code, disk);
    spec.files = files(settings, user);
    // The last of equal names counts, and programs would take the first.
    let env: BTreeMap<_, _> = command.environment().iter().cloned().collect();
    spec.env = env.into_iter().collect();
    if let Some(dir) = command.directory() {
        spec.dir = std::path::absolute(dir)?;
    }
    Ok(spec)
}

/// What a program that is made of `code` sees.
fn spec(settings: &ToolSandbox, system: &System, code: &[PathBuf], disk: u64) -> Spec {
    let mut spec = Spec {
        dir: "/tmp".into(),
        disk,
        listen: settings.network.is_some(),
        ..Spec::default()
    };
    for path in SYSTEM.map(Path::new) {
        let source = system.source(path);
        match fs::read_link(&source) {
            Ok(to) => spec.links.push(Link {
                path: path.to_owned(),
                to,
            }),
            Err(_) if source.is_dir() => spec.mounts.push(shown(source, path)),
            Err(_) => {}
        }
    }
    let etc = ETC.map(|path| (system.source(Path::new(path)), Path::new(path)));
    let etc = etc.into_iter().filter(|(source, _)| source.exists());
    spec.mounts
        .extend(etc.map(|(source, path)| shown(source, path)));
    let code = code.iter().map(|path| shown(path.clone(), path));
    spec.mounts.extend(code);
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

fn shown(source: PathBuf, path: &Path) -> Mount {
    Mount {
        source,
        target: path.to_owned(),
        write: false,
    }
}

/// The small files of `/etc` that programs look for.
fn files(settings: &ToolSandbox, user: u32) -> Vec<File> {
    let file = |path: &str, text: &str| File {
        path: path.into(),
        text: text.to_owned(),
    };
    let mut all = vec![
        file(
            "/etc/passwd",
            &format!("{USER}:x:{user}:{user}::/tmp:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n"),
        ),
        file(
            "/etc/group",
            &format!("{USER}:x:{user}:\nnogroup:x:65534:\n"),
        ),
        file("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"),
        file("/etc/nsswitch.conf", "hosts: files\n"),
    ];
    let network = settings.network.as_ref();
    if let Some(authority) = network.and_then(|network| network.authority()) {
        all.push(file(AUTHORITY, &authority));
    }
    all
}
