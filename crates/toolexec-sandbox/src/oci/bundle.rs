//! The directory of a container: what its runtime reads and writes.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::leftovers::{Left, Leftovers, control_groups};

/// What the runtime calls the container, in a state that has no other.
pub(super) const ID: &str = "guest";

/// The directory of a container. Dropping it removes that and the control group of the same name;
/// the container must be killed then.
#[derive(Debug)]
pub(crate) struct Bundle {
    directory: PathBuf,
    name: String,
    leftovers: Arc<Leftovers>,
}

impl Bundle {
    /// Makes a directory below `containers`.
    pub(crate) fn make(
        containers: &Path,
        name: &str,
        leftovers: &Arc<Leftovers>,
    ) -> io::Result<Self> {
        let directory = containers.join(name);
        fs::DirBuilder::new().mode(0o700).create(&directory)?;
        Ok(Self {
            directory,
            name: name.to_owned(),
            leftovers: leftovers.clone(),
        })
    }

    /// Writes down what the runtime is told.
    pub(crate) fn write(&self, spec: &Value) -> io::Result<()> {
        fs::write(self.directory.join("config.json"), spec.to_string())
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where the runtime keeps what it knows of the container.
    pub(super) fn state(&self) -> PathBuf {
        self.directory.join("state")
    }

    /// Whether the runtime has removed the container, as it does when that has ended.
    pub(super) fn is_gone(&self) -> bool {
        !self.state().join(ID).exists()
    }

    /// The process id of the first process of the container, as runc writes it down.
    pub(super) fn first_process(&self) -> Option<u32> {
        let state = fs::read(self.state().join(ID).join("state.json")).ok()?;
        let state: Value = serde_json::from_slice(&state).ok()?;
        state.get("init_process_pid")?.as_u64()?.try_into().ok()
    }
}

impl Drop for Bundle {
    fn drop(&mut self) {
        let mut left = control_groups(&self.name);
        left.push(Left::Directory(self.directory.clone()));
        self.leftovers.remove(left);
    }
}
