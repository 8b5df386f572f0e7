//! The guest as a static program for Linux, which every container and virtual machine can run.
//!
//! It is carried in this crate and unpacked once, into a directory that only the user may write
//! to. `cargo xtask guest` builds it.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use toolexec_core::Result;

use crate::{packed, private, unavailable};

/// Where the guest is in its [root](LinuxGuest::root).
pub const GUEST_PATH: &str = "/toolexec-guest";

/// What else a root has: where others may be mounted.
const MOUNT_POINTS: [&str; 4] = ["dev", "proc", "sys", "tmp"];
/// The largest guest, unpacked.
const MAX_GUEST: u64 = 64 << 20;

#[cfg(guest_linux)]
const BUILT_IN: Option<&[u8]> = Some(include_bytes!("../guest/linux-x86_64.zst"));
#[cfg(not(guest_linux))]
const BUILT_IN: Option<&[u8]> = None;

/// The guest as a static program. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LinuxGuest {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    source: Source,
    cache: Option<PathBuf>,
    root: OnceLock<PathBuf>,
}

#[derive(Debug)]
enum Source {
    BuiltIn,
    Program(PathBuf),
}

impl LinuxGuest {
    /// The guest that this crate carries. It is unpacked into `cache`, or below the directory of
    /// temporary files.
    pub fn built_in(cache: Option<PathBuf>) -> Self {
        Self::new(Source::BuiltIn, cache)
    }

    /// A guest that is a static program of this machine; a copy of it is kept in `cache`.
    pub fn at(program: impl Into<PathBuf>, cache: Option<PathBuf>) -> Self {
        Self::new(Source::Program(program.into()), cache)
    }

    fn new(source: Source, cache: Option<PathBuf>) -> Self {
        let root = OnceLock::new();
        Self {
            shared: Arc::new(Shared {
                source,
                cache,
                root,
            }),
        }
    }

    /// The program, an absolute path.
    ///
    /// # Errors
    /// As those of [`root`](Self::root).
    pub fn program(&self) -> Result<PathBuf> {
        Ok(self.root()?.join(GUEST_PATH.trim_start_matches('/')))
    }

    /// A directory that holds the guest at [`GUEST_PATH`], empty directories `dev`, `proc`, `sys`
    /// and `tmp`, and nothing else: a root file system.
    ///
    /// # Errors
    /// [`ErrorKind::SandboxUnavailable`](toolexec_core::ErrorKind::SandboxUnavailable) when no
    /// guest is carried for this machine, or it cannot be written.
    pub fn root(&self) -> Result<PathBuf> {
        if let Some(root) = self.shared.root.get() {
            return Ok(root.clone());
        }
        let bytes = self.bytes()?;
        let root = self.unpack(&bytes).map_err(|error| {
            unavailable("the guest program cannot be unpacked")
                .with_hint("the cache directory must be writable, and only for this user")
                .with_source(error)
        })?;
        Ok(self.shared.root.get_or_init(|| root).clone())
    }

    /// The program itself.
    ///
    /// # Errors
    /// As those of [`root`](Self::root).
    pub fn bytes(&self) -> Result<Vec<u8>> {
        match &self.shared.source {
            Source::Program(program) => fs::read(program).map_err(|error| {
                unavailable("the guest program cannot be read").with_source(error)
            }),
            Source::BuiltIn => {
                let packed = BUILT_IN.ok_or_else(|| {
                    unavailable("no guest program for this kind of machine is built in")
                        .with_hint("build one with `cargo xtask guest` on x86_64 Linux")
                })?;
                let unpacked = packed::unpack(packed, MAX_GUEST).map_err(|error| {
                    unavailable("the guest program is damaged").with_source(error)
                })?;
                Ok(unpacked.into_owned())
            }
        }
    }

    /// Writes a root under another name first, so that nobody finds half of it.
    fn unpack(&self, bytes: &[u8]) -> io::Result<PathBuf> {
        let cache = std::path::absolute(private::cache(self.shared.cache.as_deref()))?;
        private::create_dir(&cache)?;
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        let root = cache.join(format!("linux-guest-{:016x}", hasher.finish()));
        let is_whole = |root: &Path| {
            let program = fs::metadata(root.join(GUEST_PATH.trim_start_matches('/')));
            program.is_ok_and(|program| program.len() == bytes.len() as u64)
        };
        if is_whole(&root) {
            return Ok(root);
        }
        let unfinished = tempfile::Builder::new()
            .prefix("linux-guest-")
            .tempdir_in(&cache)?;
        fill(unfinished.path(), bytes)?;
        match fs::rename(unfinished.path(), &root) {
            Ok(()) => {
                // It has another name now.
                let _ = unfinished.keep();
                Ok(root)
            }
            // Another process was faster.
            Err(_) if is_whole(&root) => Ok(root),
            Err(error) => Err(error),
        }
    }
}

fn fill(root: &Path, bytes: &[u8]) -> io::Result<()> {
    let everybody = fs::Permissions::from_mode(0o755);
    for mount_point in MOUNT_POINTS {
        fs::create_dir(root.join(mount_point))?;
        fs::set_permissions(root.join(mount_point), everybody.clone())?;
    }
    let program = root.join(GUEST_PATH.trim_start_matches('/'));
    fs::write(&program, bytes)?;
    fs::set_permissions(&program, everybody.clone())?;
    fs::set_permissions(root, everybody)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_holds_the_program_and_mount_points() {
        let cache = tempfile::tempdir().unwrap();
        let program = cache.path().join("program");
        fs::write(&program, "#!").unwrap();
        let kept = Some(cache.path().join("kept"));
        let guest = LinuxGuest::at(&program, kept.clone());
        let root = guest.root().unwrap();
        let mut names: Vec<String> = fs::read_dir(&root)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["dev", "proc", "sys", "tmp", "toolexec-guest"]);
        assert_eq!(fs::read(guest.program().unwrap()).unwrap(), b"#!");
        assert_eq!(LinuxGuest::at(&program, kept.clone()).root().unwrap(), root);
        // What was cut off is written again.
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(LinuxGuest::at(&program, kept).root().unwrap(), root);
    }

    #[test]
    fn a_directory_of_others_is_not_used() {
        let cache = tempfile::tempdir().unwrap();
        let open = cache.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
        let error = LinuxGuest::at("/proc/self/exe", Some(open))
            .root()
            .unwrap_err();
        assert_eq!(
            error.guest_message(),
            "the guest program cannot be unpacked"
        );
    }

    #[cfg(guest_linux)]
    #[test]
    fn the_built_in_program_starts() {
        use toolexec_process::Command;
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let cache = tempfile::tempdir().unwrap();
            let guest = LinuxGuest::built_in(Some(cache.path().to_owned()));
            let program = guest.program().unwrap();
            let command = Command::new(program.to_string_lossy());
            let mut started = crate::piped::Piped::start(command).await.unwrap();
            started.kill();
        });
    }
}
