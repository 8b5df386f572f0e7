//! Files of other programs: replaced as a whole or not at all, and kept.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::diagnostics::Failure;

/// Writes a new file beside the old one and puts it in its place, so that a full disk or a crash
/// leaves the old one.
pub(super) fn replace(target: &Path, text: &str) -> Result<(), Failure> {
    let target = fs::canonicalize(target).unwrap_or_else(|_| target.to_owned());
    let failed = |error| Failure::usage(format!("{} cannot be written: {error}", target.display()));
    let mut name = target.as_os_str().to_owned();
    name.push(".new");
    let beside = PathBuf::from(name);
    let permissions = fs::metadata(&target).map(|metadata| metadata.permissions());
    let result = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        // It may hold secrets of the imported file.
        .mode(0o600)
        .open(&beside)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .and_then(|()| permissions.map_or(Ok(()), |same| fs::set_permissions(&beside, same)))
        .and_then(|()| fs::rename(&beside, &target));
    result.map_err(|error| {
        // Best effort: the error below is what matters.
        let _ = fs::remove_file(&beside);
        failed(error)
    })
}

/// Copies a file to one beside it that did not exist, and says which.
pub(super) fn back_up(file: &Path) -> Result<PathBuf, Failure> {
    let failed = |error: io::Error| {
        Failure::usage(format!("{} cannot be backed up: {error}", file.display()))
            .hint("nothing was changed")
    };
    let names = std::iter::once(".bak".to_owned()).chain((1..).map(|n| format!(".bak.{n}")));
    for end in names {
        let mut name = file.as_os_str().to_owned();
        name.push(end);
        let backup = PathBuf::from(name);
        match fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&backup)
        {
            Ok(mut copy) => {
                let mut original = fs::File::open(file).map_err(failed)?;
                io::copy(&mut original, &mut copy).map_err(failed)?;
                return Ok(backup);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Err(failed(io::ErrorKind::AlreadyExists.into()))
}
