//! A root as a disk, for virtual machines: a file system of the kind ext4, which is made once.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use toolexec_core::Result;

use super::build::{DATE, Failed, command, run};
use super::{Root, finish};
use crate::unavailable;

/// The file with the disk, beside the directory with the files.
const DISK: &str = "disk.ext4";
/// What a file takes at least, in bytes.
const BLOCK: u64 = 4096;
/// Room for what the file system itself takes. Nothing is written there, and the file has holes.
const SPARE: u64 = 64 << 20;
/// The same in every disk, so that the same files make the same one.
const UUID: &str = "5f3a44c1-7d0e-4c0b-9a55-70e1ec000000";

impl Root {
    /// Its files as a disk, which is made at the first call. That takes a while, and as much room
    /// as the files.
    ///
    /// # Errors
    /// [`ErrorKind::SandboxUnavailable`](toolexec_core::ErrorKind::SandboxUnavailable) when
    /// `mke2fs` is not there, or it cannot be made.
    ///
    /// # Cancel safety
    /// Safe: what was not finished is removed.
    pub(crate) async fn disk(&self) -> Result<PathBuf> {
        let path = self.directory.join(DISK);
        if path.is_file() {
            return Ok(path);
        }
        let cannot = |error: io::Error| {
            unavailable("the disk of a root cannot be made")
                .with_hint("the directory of roots must be writable, with room for one more")
                .with_source(error)
        };
        let files = self.directory();
        let (bytes, entries) = size(&files).map_err(cannot)?;
        // Under another name first, so that nobody finds half of it.
        let unfinished = tempfile::Builder::new()
            .prefix("disk-")
            .tempfile_in(&self.directory)
            .map_err(cannot)?;
        let fixed = format!("lazy_itable_init=0,nodiscard,root_owner=0:0,hash_seed={UUID}");
        let make = command("mke2fs")
            .args(["-q", "-F", "-t", "ext4", "-O", "^has_journal", "-m", "0"])
            .args(["-E", &fixed, "-U", UUID, "-N", &(entries + 64).to_string()])
            .arg("-d")
            .arg(&files)
            .arg(unfinished.path())
            .arg(format!("{}k", bytes.div_ceil(1024)))
            .env("E2FSPROGS_FAKE_TIME", DATE);
        run("mke2fs", make).await.map_err(Failed::into_error)?;
        // Whoever runs machines may be another user; the directory of roots is closed to others.
        let readable = fs::Permissions::from_mode(0o444);
        fs::set_permissions(unfinished.path(), readable).map_err(cannot)?;
        unfinished
            .persist(&path)
            .map_err(|error| cannot(error.error))?;
        Ok(path)
    }
}

/// The bytes of a file system with these files, and how many they are.
fn size(files: &Path) -> io::Result<(u64, u64)> {
    let all = finish::walk(files)?;
    let mut bytes = SPARE;
    for path in &all {
        // With what it takes in tables and in its directory.
        let content = fs::symlink_metadata(path)?.len();
        bytes += content.next_multiple_of(BLOCK) + content / 64 + BLOCK;
    }
    Ok((bytes, all.len() as u64))
}
