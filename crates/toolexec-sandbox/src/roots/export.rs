//! A root as an archive, which every tool for containers can read.

use std::fs;
use std::io::{self, Write};

use super::{Root, finish};

impl Root {
    /// Writes all its files as a tar archive, such as `docker import` takes.
    ///
    /// # Errors
    /// When a file cannot be read, or the archive not be written.
    pub fn export(&self, to: impl Write) -> io::Result<()> {
        let files = self.directory();
        let mut archive = tar::Builder::new(to);
        archive.follow_symlinks(false);
        for path in finish::walk(&files)? {
            let name = path.strip_prefix(&files).unwrap_or(&path);
            let found = fs::symlink_metadata(&path)?;
            // Sockets and devices are no part of it.
            if found.is_dir() || found.is_file() || found.is_symlink() {
                archive.append_path_with_name(&path, name)?;
            }
        }
        archive.into_inner()?.flush()
    }
}
