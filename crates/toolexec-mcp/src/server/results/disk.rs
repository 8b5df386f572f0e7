//! Files of results: private, gone with the process, and swept after one that was killed.

use std::fs::{self, DirBuilder, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

/// What the names of our directories begin with.
const PREFIX: &str = "toolexec-results-";
/// The file that is locked while the directory is used.
const LOCK: &str = "lock";

/// A directory for the files of one store, made when the first is written.
#[derive(Debug)]
pub(super) struct Directory {
    base: PathBuf,
    own: Mutex<Option<Arc<Own>>>,
}

/// The directory of this store; it is removed with all that is in it when the last file is
/// dropped.
#[derive(Debug)]
struct Own {
    path: PathBuf,
    // Locked as long as it is open.
    _lock: fs::File,
}

/// A file of a result; it is removed when it is dropped.
#[derive(Debug)]
pub(super) struct File {
    path: PathBuf,
    _own: Arc<Own>,
}

impl Directory {
    pub(super) fn new(base: Option<PathBuf>) -> Self {
        let base = base.unwrap_or_else(std::env::temp_dir);
        sweep(&base);
        Self {
            base,
            own: Mutex::default(),
        }
    }

    /// Writes a new file. Blocks.
    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<File> {
        let own = self.own()?;
        let path = own.path.join(Uuid::new_v4().simple().to_string());
        let mut file = private(&path)?;
        // From here on it is removed when something fails.
        let kept = File { path, _own: own };
        file.write_all(bytes)?;
        Ok(kept)
    }

    fn own(&self) -> io::Result<Arc<Own>> {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = &*own {
            return Ok(own.clone());
        }
        let made = Arc::new(Own::new(&self.base)?);
        *own = Some(made.clone());
        Ok(made)
    }
}

impl Own {
    fn new(base: &Path) -> io::Result<Self> {
        loop {
            let path = base.join(format!("{PREFIX}{}", Uuid::new_v4().simple()));
            DirBuilder::new()
                .mode(0o700)
                .recursive(false)
                .create(&path)?;
            let made = private(&path.join(LOCK)).and_then(|lock| lock.lock().map(|()| lock));
            match made {
                // Between the two steps a sweep of another process may have taken it.
                Ok(lock) if path.join(LOCK).exists() => {
                    return Ok(Self { path, _lock: lock });
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl File {
    /// Reads it. Blocks.
    pub(super) fn read(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        fs::File::open(&self.path)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(%error, "a file of a result was not removed");
        }
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!(%error, "the directory of results was not removed");
        }
    }
}

fn private(path: &Path) -> io::Result<fs::File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options.open(path)
}

/// Removes directories of ours that nobody uses: those of processes that were killed.
fn sweep(base: &Path) {
    let Ok(entries) = fs::read_dir(base) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if name.to_string_lossy().starts_with(PREFIX)
            && let Err(error) = sweep_one(&entry.path())
        {
            tracing::debug!(%error, "a directory of old results stays");
        }
    }
}

fn sweep_one(path: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(path)?;
    if !metadata.is_dir() || metadata.uid() != nix::unistd::geteuid().as_raw() {
        return Ok(());
    }
    match fs::File::open(path.join(LOCK))?.try_lock() {
        Ok(()) => fs::remove_dir_all(path),
        Err(TryLockError::WouldBlock) => Ok(()),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn names(base: &Path) -> Vec<String> {
        let entries = fs::read_dir(base).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name());
        names
            .map(|name| name.to_string_lossy().into_owned())
            .collect()
    }

    #[test]
    fn files_are_private_and_go_with_the_store() {
        let base = tempfile::tempdir().unwrap();
        let directory = Directory::new(Some(base.path().to_owned()));
        assert_eq!(names(base.path()), [""; 0], "nothing before the first file");
        let file = directory.write(b"[1]").unwrap();
        assert_eq!(file.read().unwrap(), b"[1]");
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&file.path), 0o600);
        assert_eq!(mode(file.path.parent().unwrap()), 0o700);
        drop(directory);
        assert_eq!(file.read().unwrap(), b"[1]", "a file in use stays");
        drop(file);
        assert_eq!(names(base.path()), [""; 0]);
    }

    #[test]
    fn what_a_killed_process_left_is_swept_and_what_is_used_is_not() {
        let base = tempfile::tempdir().unwrap();
        let used = Directory::new(Some(base.path().to_owned()));
        let file = used.write(b"1").unwrap();
        let left = base.path().join(format!("{PREFIX}left"));
        fs::create_dir(&left).unwrap();
        fs::write(left.join(LOCK), "").unwrap();
        fs::write(left.join("secret"), "2").unwrap();
        let elsewhere = base.path().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, base.path().join(format!("{PREFIX}link"))).unwrap();
        drop(Directory::new(Some(base.path().to_owned())));
        assert_eq!(file.read().unwrap(), b"1");
        assert!(elsewhere.exists() && !left.exists());
    }
}
