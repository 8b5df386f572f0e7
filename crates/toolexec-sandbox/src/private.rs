//! Directories that nobody but the user may write to.

use std::fs::{self, DirBuilder};
use std::io;
use std::path::{Path, PathBuf};

/// The cache that was named, or one of this user below the directory of temporary files.
#[cfg(unix)]
pub(crate) fn cache(named: Option<&Path>) -> PathBuf {
    let user = rustix::process::geteuid().as_raw();
    let own = || std::env::temp_dir().join(format!("toolexec-{user}"));
    named.map_or_else(own, Path::to_owned)
}

/// Makes a directory that only the user may write to, or checks the one that is there.
pub(crate) fn create_dir(directory: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
        builder.mode(0o700);
        builder.create(directory)?;
        let found = fs::symlink_metadata(directory)?;
        let user = rustix::process::geteuid().as_raw();
        if !found.is_dir() || found.uid() != user || found.permissions().mode() & 0o022 != 0 {
            let message = "the directory belongs to others, or they may write to it";
            return Err(io::Error::other(message));
        }
    }
    #[cfg(not(unix))]
    builder.create(directory)?;
    Ok(())
}
