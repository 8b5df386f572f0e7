//! The disk of a machine: a root with toolchains, which nobody writes to.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use toolexec_core::Result;

use crate::container::Kind;
use crate::roots::Roots;
use crate::unavailable;

/// The disk of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Disk {
    pub(crate) path: PathBuf,
    /// By this it is told apart from others, also where machines were saved.
    pub(crate) identity: String,
}

impl Disk {
    /// That of a kind, which is made where it is not there yet; nothing for one without a root.
    ///
    /// # Errors
    /// [`ErrorKind::SandboxUnavailable`](toolexec_core::ErrorKind::SandboxUnavailable) when there
    /// is no such root, or its disk cannot be made.
    pub(crate) async fn of(kind: &Kind, roots: Option<&Roots>) -> Result<Option<Self>> {
        let Some(name) = kind.image.as_deref() else {
            return Ok(None);
        };
        let root = roots.and_then(|roots| roots.find(name)).ok_or_else(|| {
            unavailable("the root of virtual machines is not there").with_hint(
                "name one that `toolexec image ls` shows; `toolexec image build --with` makes them",
            )
        })?;
        let path = root.disk().await?;
        let made = fs::metadata(&path)
            .and_then(|disk| disk.modified())
            .and_then(|at| at.duration_since(UNIX_EPOCH).map_err(io::Error::other))
            .map_err(|error| unavailable("the disk of a root is gone").with_source(error))?;
        let identity = format!("{} {}", root.contents(), made.as_nanos());
        Ok(Some(Self { path, identity }))
    }
}
