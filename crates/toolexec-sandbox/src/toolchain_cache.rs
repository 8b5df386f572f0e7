//! A directory in which compiled programs are kept, that containers may write to.
//!
//! What one program leaves there another one runs, in a container of its own: a cache serves
//! programs that trust each other. How much is written is not limited.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use toolexec_core::Result;

use crate::{private, unavailable};

/// Where a container finds it.
pub(crate) const MOUNTED: &str = "/toolexec-cache";
/// The variable that tells the guest.
pub(crate) const VARIABLE: &str = "TOOLEXEC_TOOLCHAIN_CACHE";
/// The part that containers see.
const SHARED: &str = "containers";

/// A cache of compiled programs. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cache(PathBuf);

impl Cache {
    /// A cache in a directory that only this user may enter; it is made when it is needed.
    pub(crate) fn new(directory: impl Into<PathBuf>) -> Self {
        Self(directory.into())
    }

    /// The part that containers see, in which their user, whoever that is, may write.
    ///
    /// # Errors
    /// When it cannot be made, or others may enter the directory.
    pub(crate) fn make(&self) -> Result<PathBuf> {
        make(&self.0).map_err(|error| {
            unavailable("the cache of compiled programs cannot be made")
                .with_hint("name a directory that only this user may write to: toolchain_cache")
                .with_source(error)
        })
    }
}

/// What the guest is told.
pub(crate) fn variable() -> String {
    format!("{VARIABLE}={MOUNTED}")
}

fn make(directory: &Path) -> io::Result<PathBuf> {
    let directory = std::path::absolute(directory)?;
    private::create_dir(&directory)?;
    // Whoever may enter it could write to what lies below, which is open.
    fs::set_permissions(&directory, Permissions::from_mode(0o700))?;
    let shared = directory.join(SHARED);
    if !shared.is_dir() {
        fs::create_dir(&shared)?;
        fs::set_permissions(&shared, Permissions::from_mode(0o777))?;
    }
    Ok(shared)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_may_write_to_what_nobody_else_reaches() {
        let scratch = tempfile::tempdir().unwrap();
        let cache = Cache::new(scratch.path().join("cache"));
        let shared = cache.make().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&shared), 0o777);
        assert_eq!(mode(shared.parent().unwrap()), 0o700);
        assert_eq!(cache.make().unwrap(), shared);
        let open = scratch.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, Permissions::from_mode(0o777)).unwrap();
        let error = Cache::new(open).make().unwrap_err();
        assert_eq!(
            error.guest_message(),
            "the cache of compiled programs cannot be made"
        );
    }
}
