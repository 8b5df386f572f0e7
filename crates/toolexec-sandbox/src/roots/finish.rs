//! What a root loses that containers do not need, or that differs each time; and what it holds.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::hex::hex;

/// Directories whose content goes: logs and lists of when the root was made, devices that the
/// runtime makes, and what tells of the machine.
const EMPTIED: [&str; 12] = [
    "dev",
    "proc",
    "run",
    "sys",
    "tmp",
    "usr/share/info",
    "usr/share/lintian",
    "usr/share/locale",
    "usr/share/man",
    "var/cache/apt",
    "var/lib/apt/lists",
    "var/log",
];
/// Files that go.
const REMOVED: [&str; 9] = [
    "etc/.pwd.lock",
    "etc/hostname",
    "etc/resolv.conf",
    "var/cache/debconf/config.dat-old",
    "var/cache/debconf/templates.dat-old",
    "var/cache/ldconfig/aux-cache",
    "var/lib/dpkg/diversions-old",
    "var/lib/dpkg/status-old",
    "var/lib/systemd/random-seed",
];
/// Of each package's documents the licence stays.
const DOCUMENTS: &str = "usr/share/doc";
const LICENCE: &str = "copyright";
/// Where compiled packages of Go are.
const GO: &str = "usr/lib/toolexec/go-build";
/// The time in an entry of Go's cache: nanoseconds, right-aligned.
const GO_TIME: usize = 20;
/// Where sandboxes mount things: they are there, so that no runtime makes them.
const MOUNT_FILE: &str = "toolexec-guest";
const MOUNT_DIRECTORY: &str = "toolexec-cache";

/// Removes what containers do not need, and what would be different the next time.
pub(super) fn clean(files: &Path) -> io::Result<()> {
    for directory in EMPTIED {
        empty(&files.join(directory))?;
    }
    for file in REMOVED {
        remove(&files.join(file))?;
    }
    for document in entries(&files.join(DOCUMENTS))? {
        if !document.is_dir() {
            continue;
        }
        for file in entries(&document)? {
            if file.file_name() != Some(LICENCE.as_ref()) {
                remove(&file)?;
            }
        }
    }
    for go in entries(&files.join("usr/share"))? {
        let name = go.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("go-") {
            empty(&go.join("test"))?;
        }
    }
    undate(&files.join(GO))?;
    // Each machine has its own; an empty one says that there is none yet.
    fs::write(files.join("etc/machine-id"), "")?;
    fs::write(files.join(MOUNT_FILE), "")?;
    fs::create_dir_all(files.join(MOUNT_DIRECTORY))?;
    fs::set_permissions(files.join("tmp"), fs::Permissions::from_mode(0o1777))?;
    fs::set_permissions(files, fs::Permissions::from_mode(0o755))
}

/// The version of Python that the packages are for: `3.11`.
pub(super) fn python(files: &Path) -> Option<String> {
    let program = fs::read_link(files.join("usr/bin/python3")).ok()?;
    let name = program.file_name()?.to_str()?.to_owned();
    Some(name.strip_prefix("python")?.to_owned())
}

/// The packages that are installed, with their versions.
pub(super) fn packages(files: &Path) -> io::Result<Vec<String>> {
    let status = fs::read_to_string(files.join("var/lib/dpkg/status"))?;
    let of = |stanza: &str| {
        let field = |name: &str| stanza.lines().find_map(|line| line.strip_prefix(name));
        Some(format!("{}={}", field("Package: ")?, field("Version: ")?))
    };
    let mut all: Vec<String> = status.split("\n\n").filter_map(of).collect();
    all.sort();
    Ok(all)
}

/// The bytes of all files, and a hash of them with their names, owners and permissions.
pub(super) fn measure(files: &Path) -> io::Result<(u64, String)> {
    let (mut bytes, mut hash) = (0, Sha256::new());
    for path in walk(files)? {
        let found = fs::symlink_metadata(&path)?;
        let name = path.strip_prefix(files).unwrap_or(&path);
        let head = format!("{:o} {} {} ", found.mode(), found.uid(), found.gid());
        let content = if found.is_file() {
            bytes += found.len();
            Sha256::digest(fs::read(&path)?).to_vec()
        } else if found.is_symlink() {
            fs::read_link(&path)?.as_os_str().as_bytes().to_vec()
        } else {
            Vec::new()
        };
        for part in [head.as_bytes(), name.as_os_str().as_bytes(), &content] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    }
    Ok((bytes, hex(&hash.finalize())))
}

/// Everything below a directory, each directory before what is in it, in the order of names.
pub(super) fn walk(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    let mut next = entries(directory)?;
    next.reverse();
    while let Some(path) = next.pop() {
        if fs::symlink_metadata(&path)?.is_dir() {
            next.extend(entries(&path)?.into_iter().rev());
        }
        all.push(path);
    }
    Ok(all)
}

/// What is in a directory, in the order of names; nothing, where there is none.
fn entries(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let found = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        found => found?,
    };
    let paths = found.map(|entry| entry.map(|entry| entry.path()));
    let mut paths = paths.collect::<io::Result<Vec<PathBuf>>>()?;
    paths.sort();
    Ok(paths)
}

fn empty(directory: &Path) -> io::Result<()> {
    entries(directory)?.iter().try_for_each(|path| remove(path))
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Takes out of the entries of Go's cache when they were made: `v1 ACTION OUTPUT SIZE TIME`.
fn undate(cache: &Path) -> io::Result<()> {
    for part in entries(cache)? {
        if !part.is_dir() {
            remove(&part)?;
            continue;
        }
        for entry in entries(&part)? {
            if !entry.to_string_lossy().ends_with("-a") {
                continue;
            }
            let mut text = fs::read(&entry)?;
            let end = text.len().saturating_sub(1);
            if let Some(time) = end
                .checked_sub(GO_TIME)
                .and_then(|from| text.get_mut(from..end))
            {
                time.fill(b' ');
                time[GO_TIME - 1] = b'1';
            }
            fs::write(&entry, text)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(files: &Path, path: &str, text: &str) {
        let path = files.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn two_roots_that_differ_in_their_time_are_the_same_when_they_are_clean() {
        let made = ["1", "2"].map(|time| {
            let files = tempfile::tempdir().unwrap();
            put(files.path(), "etc/machine-id", time);
            put(files.path(), "tmp/x", time);
            put(files.path(), "var/log/dpkg.log", time);
            put(files.path(), "usr/share/doc/a/changelog", time);
            put(files.path(), "usr/share/doc/a/copyright", "(c)");
            put(files.path(), "usr/lib/toolexec/go-build/trim.txt", time);
            let entry = format!("v1 0a 0b {:>20} {:>20}\n", 7, format!("1{time}34567890"));
            put(files.path(), "usr/lib/toolexec/go-build/0a/0a-a", &entry);
            clean(files.path()).unwrap();
            files
        });
        let [one, other] = [&made[0], &made[1]].map(|files| measure(files.path()).unwrap());
        assert_eq!(one, other);
        let names: Vec<String> = walk(made[0].path())
            .unwrap()
            .iter()
            .filter(|path| path.is_file())
            .map(|path| {
                path.strip_prefix(made[0].path())
                    .unwrap()
                    .display()
                    .to_string()
            })
            .collect();
        let expected = [
            "etc/machine-id",
            "toolexec-guest",
            "usr/lib/toolexec/go-build/0a/0a-a",
            "usr/share/doc/a/copyright",
        ];
        assert_eq!(names, expected);
        let entry = fs::read_to_string(made[0].path().join(expected[2])).unwrap();
        assert_eq!(entry, format!("v1 0a 0b {:>20} {:>20}\n", 7, 1));
        put(made[1].path(), "etc/passwd", "x");
        assert_ne!(measure(made[1].path()).unwrap().1, one.1);
    }

    #[test]
    fn installed_packages_are_read() {
        let files = tempfile::tempdir().unwrap();
        let status =
            "Package: b\nStatus: install ok installed\nVersion: 2:1\n\nPackage: a\nVersion: 1-1\n";
        put(files.path(), "var/lib/dpkg/status", status);
        assert_eq!(packages(files.path()).unwrap(), ["a=1-1", "b=2:1"]);
    }
}
