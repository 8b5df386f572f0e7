//! The first process of what runs on a kernel of its own: a static program that this crate carries.
//! `cargo xtask guest` builds it.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use sha2::{Digest, Sha256};
use toolexec_core::Result;

use crate::hex::hex;
use crate::{packed, private, unavailable};

/// The largest one, unpacked.
const MOST: u64 = 16 << 20;

#[cfg(guest_init)]
const BUILT_IN: Option<&[u8]> = Some(include_bytes!("../guest/init-x86_64.zst"));
#[cfg(not(guest_init))]
const BUILT_IN: Option<&[u8]> = None;

/// The program itself.
///
/// # Errors
/// When none is carried for this kind of machine.
pub(crate) fn bytes() -> Result<Vec<u8>> {
    let packed = BUILT_IN.ok_or_else(|| {
        unavailable("no first process for other kernels is built in")
            .with_hint("build it with `cargo xtask guest` on x86_64 Linux")
    })?;
    let unpacked = packed::unpack(packed, MOST).map_err(|error| {
        unavailable("the first process for other kernels is damaged").with_source(error)
    })?;
    Ok(unpacked.into_owned())
}

/// The program as a file of a cache, which is written unless it is there.
///
/// # Errors
/// As those of [`bytes`]; or when it cannot be written.
pub(crate) fn file(cache: &Path) -> Result<PathBuf> {
    let bytes = bytes()?;
    keep(cache, &bytes).map_err(|error| {
        unavailable("the first process for other kernels cannot be unpacked")
            .with_hint("the cache directory must be writable, and only for this user")
            .with_source(error)
    })
}

fn keep(cache: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
    private::create_dir(cache)?;
    let path = cache.join(format!("init-{}", &hex(&Sha256::digest(bytes))[..16]));
    if fs::metadata(&path).is_ok_and(|file| file.len() == bytes.len() as u64) {
        return Ok(path);
    }
    // Under another name first, so that nobody finds half of it.
    let mut unfinished = tempfile::Builder::new()
        .prefix("init-")
        .tempfile_in(cache)?;
    unfinished.write_all(bytes)?;
    let everybody = fs::Permissions::from_mode(0o755);
    unfinished.as_file().set_permissions(everybody)?;
    unfinished.persist(&path)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_once_and_again_where_it_was_cut_off() {
        let work = tempfile::tempdir().unwrap();
        let cache = work.path().join("cache");
        let path = keep(&cache, b"program").unwrap();
        assert_eq!(keep(&cache, b"program").unwrap(), path);
        fs::write(&path, "prog").unwrap();
        assert_eq!(keep(&cache, b"program").unwrap(), path);
        assert_eq!(fs::read(&path).unwrap(), b"program");
        assert_ne!(keep(&cache, b"another").unwrap(), path);
        assert_eq!(fs::read_dir(&cache).unwrap().count(), 2);
    }
}
