//! A directory of one program, for its user alone.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use toolexec_wire::{Failure, FailureKind};

use crate::host::failure;

/// How their names begin; the number of the guest's process follows.
const PREFIX: &str = "toolexec-program-";
/// How many levels of what a program left are made writable to be removed.
const DEPTH: usize = 64;

/// A directory of one program; removed when dropped.
#[derive(Debug)]
pub(super) struct WorkDir(PathBuf);

impl WorkDir {
    /// A new one, below `TMPDIR` or `/tmp`.
    pub(super) fn new() -> Result<Self, Box<Failure>> {
        let base = std::env::var_os("TMPDIR").filter(|dir| !dir.is_empty());
        let base = base.map_or_else(|| PathBuf::from("/tmp"), PathBuf::from);
        Self::below(&base).map_err(|_| {
            let mut failure = failure(
                FailureKind::Unsupported,
                "this sandbox has no directory that a toolchain may write to",
            );
            failure.hints = vec!["give the sandbox a writable /tmp".into()];
            failure
        })
    }

    fn below(base: &Path) -> io::Result<Self> {
        let mut random = [0; 8];
        sweep(base);
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let (own, random) = (std::process::id(), u64::from_ne_bytes(random));
        let path = base.join(format!("{PREFIX}{own}-{random:016x}"));
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// A file in it.
    pub(super) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file in it.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<PathBuf, Box<Failure>> {
        let path = self.join(name);
        fs::write(&path, text).map_err(|error| no_room(&error))?;
        Ok(path)
    }
}

impl Drop for WorkDir {
    fn drop(&mut self) {
        if fs::remove_dir_all(&self.0).is_err() {
            open(&self.0, DEPTH);
            // What cannot be removed now is the sandbox's to remove.
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}

/// A file could not be written.
pub(super) fn no_room(error: &io::Error) -> Box<Failure> {
    let mut failure = failure(
        FailureKind::Unsupported,
        format!(
            "the directory of the program cannot be written: {}",
            error.kind()
        ),
    );
    failure.hints = vec!["give the sandbox more room in /tmp".into()];
    failure
}

/// Removes what guests left that were killed.
fn sweep(base: &Path) {
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        let number = number.and_then(|rest| rest.split('-').next());
        let is_orphan = number.is_some_and(|number| !Path::new("/proc").join(number).exists());
        // Of another user's the removal fails.
        if is_orphan && Path::new("/proc/self").exists() {
            open(&entry.path(), DEPTH);
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Makes directories writable that a program made read-only.
fn open(dir: &Path, levels: usize) {
    let _ = fs::set_permissions(dir, fs::Permissions::from_mode(0o700));
    if levels == 0 {
        return;
    }
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            open(&entry.path(), levels - 1);
        }
    }
}
