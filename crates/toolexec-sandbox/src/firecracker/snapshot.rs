//! Machines that were saved while they waited for their word.

use std::fs::{self, File, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::spec::{MEMORY, Plan, STATE};
use super::vmm::Root;
use crate::hex::hex;
use crate::private;
use crate::vm::Disk;

const MANIFEST: &str = "snapshot.json";
const PREFIX: &str = "vm-";
/// How many are kept. Each takes the memory that its machine had touched.
const KEPT: usize = 4;
/// Changes when machines are saved otherwise.
const FORMAT: u32 = 1;
/// What is looked at as a whole when holes are made in a file.
const PIECE: usize = 64 << 10;

/// What a machine was saved of. It is restored by the same alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Origin {
    format: u32,
    firecracker: String,
    image: String,
    machine: String,
    processor: String,
    kernel: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    disk: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    origin: Origin,
    /// Bytes of the files.
    state: u64,
    memory: u64,
}

/// Why a saved machine is not used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum Unfit {
    #[error("the saved machine is of another version: its {0} differs")]
    OtherVersion(&'static str),
    #[error("the saved machine is damaged: {0}")]
    Damaged(&'static str),
}

/// Saved machines in a directory.
#[derive(Debug, Clone)]
pub(super) struct Snapshots {
    directory: PathBuf,
}

impl Origin {
    pub(super) fn new(firecracker: &str, image: &str, plan: &Plan, disk: Option<&Disk>) -> Self {
        Self {
            format: FORMAT,
            firecracker: firecracker.to_owned(),
            image: image.to_owned(),
            machine: plan.describe(),
            processor: own_processor().to_owned(),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")
                .unwrap_or_default()
                .trim()
                .to_owned(),
            disk: disk.map(|disk| disk.identity.clone()).unwrap_or_default(),
        }
    }

    /// The name under which it is kept.
    fn name(&self) -> String {
        let text = serde_json::to_vec(self).unwrap_or_default();
        let hash = hex(&Sha256::digest(text));
        format!("{PREFIX}{}", &hash[..16])
    }

    /// What differs from another one, if anything.
    fn differs(&self, other: &Self) -> Option<&'static str> {
        let pairs = [
            ("format", self.format == other.format),
            ("Firecracker", self.firecracker == other.firecracker),
            ("image", self.image == other.image),
            ("machine", self.machine == other.machine),
            ("processor", self.processor == other.processor),
            ("kernel of the host", self.kernel == other.kernel),
            ("disk", self.disk == other.disk),
        ];
        pairs
            .into_iter()
            .find(|(_, same)| !same)
            .map(|(name, _)| name)
    }
}

impl Snapshots {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Gives a saved machine of this origin to a Firecracker: whether there is one.
    pub(super) fn give(&self, origin: &Origin, root: &Root) -> Result<bool, Unfit> {
        let directory = self.directory.join(origin.name());
        let Ok(text) = fs::read(directory.join(MANIFEST)) else {
            return Ok(false);
        };
        let Ok(manifest) = serde_json::from_slice::<Manifest>(&text) else {
            return Err(Unfit::Damaged("its description cannot be read"));
        };
        if let Some(what) = origin.differs(&manifest.origin) {
            return Err(Unfit::OtherVersion(what));
        }
        for (name, bytes) in [(STATE, manifest.state), (MEMORY, manifest.memory)] {
            let file = directory.join(name);
            let found = fs::metadata(&file).map(|file| file.len());
            if found.ok() != Some(bytes) {
                return Err(Unfit::Damaged("a file is not as long as it was"));
            }
            root.put(&file, name)
                .map_err(|_| Unfit::Damaged("a file cannot be read"))?;
        }
        Ok(true)
    }

    /// Whether there may be one.
    pub(super) fn has(&self, origin: &Origin) -> bool {
        self.directory.join(origin.name()).exists()
    }

    /// Takes what a Firecracker has saved of its machine, which has heard nothing yet.
    pub(super) fn keep(&self, origin: &Origin, root: &Path) -> io::Result<()> {
        private::create_dir(&self.directory)?;
        let unfinished = tempfile::Builder::new()
            .prefix("unfinished-")
            .tempdir_in(&self.directory)?;
        let take = |name: &str| {
            let (from, to) = (root.join(name), unfinished.path().join(name));
            fs::rename(&from, &to).or_else(|_| fs::copy(&from, &to).map(drop))?;
            // It was written by another user where Firecracker is jailed, and is read by that.
            let user = rustix::process::geteuid().as_raw();
            chown(&to, Some(user), None)?;
            fs::set_permissions(&to, Permissions::from_mode(0o444))?;
            io::Result::Ok(to)
        };
        let (state, memory) = (take(STATE)?, take(MEMORY)?);
        let manifest = Manifest {
            origin: origin.clone(),
            state: fs::metadata(state)?.len(),
            memory: fs::metadata(&memory)?.len(),
        };
        // The file is no worse without holes.
        let _ = make_holes(&memory);
        fs::write(
            unfinished.path().join(MANIFEST),
            serde_json::to_vec_pretty(&manifest)?,
        )?;
        self.prune(KEPT - 1);
        let kept = self.directory.join(origin.name());
        match fs::rename(unfinished.path(), &kept) {
            Ok(()) => drop(unfinished.keep()),
            // Another process was faster.
            Err(_) if kept.is_dir() => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Forgets the saved machine of an origin.
    pub(super) fn forget(&self, origin: &Origin) {
        let _ = fs::remove_dir_all(self.directory.join(origin.name()));
    }

    /// Removes all but the newest ones.
    fn prune(&self, keep: usize) {
        let entries = fs::read_dir(&self.directory)
            .into_iter()
            .flatten()
            .flatten();
        let mut all: Vec<(SystemTime, PathBuf)> = entries
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX))
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .collect();
        all.sort();
        let old = all.len().saturating_sub(keep);
        for (_, path) in all.into_iter().take(old) {
            // A machine that is being restored from it has it linked.
            let _ = fs::remove_dir_all(path);
        }
    }
}

/// The processor of this machine. The kernel measures it anew for whoever asks, which takes longer
/// than to restore a machine.
fn own_processor() -> &'static str {
    static PROCESSOR: OnceLock<String> = OnceLock::new();
    let read = || processor(&fs::read_to_string("/proc/cpuinfo").unwrap_or_default());
    PROCESSOR.get_or_init(read)
}

/// What a processor is: machines of another one are not restored.
fn processor(cpuinfo: &str) -> String {
    let wanted = ["vendor_id", "cpu family", "model", "stepping", "flags"];
    let lines = cpuinfo.lines().take_while(|line| !line.is_empty());
    let values = lines.filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        wanted.contains(&name.trim()).then(|| value.trim())
    });
    let text = values.collect::<Vec<_>>().join(" ");
    hex(&Sha256::digest(text))[..16].to_owned()
}

/// Gives back the space of what is all zeros.
fn make_holes(path: &Path) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    let mut file = File::options().read(true).write(true).open(path)?;
    let mut piece = vec![0; PIECE];
    let mut at = 0;
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            return Ok(());
        }
        if piece[..read].iter().all(|byte| *byte == 0) {
            let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            fallocate(&file, flags, at, read as u64)?;
        }
        at += read as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::Resources;

    fn origin() -> Origin {
        let plan = Plan::new(&Resources::default(), false);
        Origin::new("1.0", "vm-1", &plan, None)
    }

    #[test]
    fn a_processor_is_the_same_while_its_clock_changes() {
        let one = "processor: 0\nmodel: 1\ncpu MHz: 2000\nflags: a b\n\nprocessor: 1\nmodel: 2";
        assert_eq!(processor(one), processor(&one.replace("2000", "2001")));
        assert_ne!(processor(one), processor(&one.replace("a b", "a")));
    }

    #[test]
    fn what_differs_is_named_and_has_another_name() {
        let own = origin();
        let other = Origin {
            firecracker: "1.1".to_owned(),
            ..own.clone()
        };
        assert_eq!(own.differs(&own), None);
        assert_eq!(own.differs(&other), Some("Firecracker"));
        assert_ne!(own.name(), other.name());
    }

    #[test]
    fn holes_change_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("memory");
        let mut bytes = vec![0; 4 * PIECE];
        bytes[PIECE + 5] = 1;
        bytes.push(2);
        fs::write(&path, &bytes).unwrap();
        make_holes(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }

    #[test]
    fn the_newest_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["vm-1", "vm-2", "vm-3", "other"] {
            fs::create_dir(dir.path().join(name)).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        Snapshots::new(dir.path().to_owned()).prune(1);
        let mut left: Vec<_> = fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        left.sort();
        assert_eq!(left, ["other", "vm-3"]);
    }
}
