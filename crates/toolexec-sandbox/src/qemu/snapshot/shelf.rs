//! Snapshots on disk: beside the image that they are made of, for this user only, and few.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use toolexec_core::{Error, Result};

use super::{Identity, Snapshot, pages};
use crate::hex::hex;
use crate::{private, unavailable};

const RAM: &str = "memory";
const STATE: &str = "state";
const MANIFEST: &str = "snapshot.json";
const UNFINISHED: &str = "unfinished-";
/// How many are kept of an image.
const MOST_KEPT: usize = 8;
/// How old half a snapshot is that nobody finishes any more.
const ABANDONED: Duration = Duration::from_mins(10);
/// How far apart the speeds of two processors may be that are the same: it is measured.
const ALIKE: u64 = 1000;

/// Where the snapshots of an image are.
#[derive(Debug)]
pub(in crate::qemu) struct Shelf {
    directory: PathBuf,
    /// Counts of this machine's processor in a millisecond.
    counter_khz: u64,
}

/// What is written beside the files of a snapshot.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    identity: Identity,
    /// By this a machine has its time, also where it is restored.
    counter_khz: u64,
    /// What the guest had said.
    said: Vec<u8>,
    memory: String,
    state: String,
}

impl Shelf {
    /// That of an image.
    pub(in crate::qemu) fn of(image: &Path, counter_khz: u64) -> Self {
        Self {
            directory: image.join("snapshots"),
            counter_khz,
        }
    }

    /// The snapshot of a machine, if there is one.
    ///
    /// # Errors
    /// When it is damaged, or of another machine. It is removed then.
    pub(super) fn load(&self, identity: &Identity) -> Result<Option<Snapshot>> {
        let directory = self.directory.join(name(identity));
        if !directory.is_dir() {
            return Ok(None);
        }
        let loaded = self.read(&directory, identity);
        if loaded.is_err() {
            let _ = fs::remove_dir_all(&directory);
        }
        loaded.map(Some)
    }

    fn read(&self, directory: &Path, identity: &Identity) -> Result<Snapshot> {
        private::create_dir(&self.directory).map_err(|error| {
            problem("others may write to it")
                .with_hint("remove the directory `snapshots` of the image")
                .with_source(error)
        })?;
        let text = fs::read(directory.join(MANIFEST))
            .map_err(|error| damaged("it is not described").with_source(error))?;
        let manifest: Manifest = serde_json::from_slice(&text)
            .map_err(|error| damaged("its description cannot be read").with_source(error))?;
        if manifest.identity != *identity {
            return Err(foreign("it is of another version"));
        }
        if !are_alike(manifest.counter_khz, self.counter_khz) {
            return Err(foreign("it was made on another processor"));
        }
        let read = |name: &str, wanted: &str| {
            let unreadable =
                |error| damaged(&format!("its {name} cannot be read")).with_source(error);
            let file = File::open(directory.join(name)).map_err(unreadable)?;
            let memory = pages::memory(0)
                .map_err(|error| problem("there is no memory for it").with_source(error))?;
            if pages::copy(&file, &memory).map_err(unreadable)? != wanted {
                return Err(damaged(&format!("its {name} was cut off or changed")));
            }
            pages::seal(&memory).map_err(unreadable)?;
            Ok(memory)
        };
        let ram = read(RAM, &manifest.memory)?;
        let state = read(STATE, &manifest.state)?;
        // The one that was not used for longest goes first.
        let used = File::options().append(true).open(directory.join(MANIFEST));
        let _ = used.and_then(|file| file.set_modified(SystemTime::now()));
        Ok(Snapshot {
            ram: Arc::new(ram.into()),
            state: state.into(),
            said: manifest.said,
        })
    }

    /// Keeps a snapshot. Others make room for it.
    ///
    /// # Errors
    /// When it cannot be written; nothing of it is left then.
    pub(super) fn keep(&self, identity: &Identity, snapshot: &Snapshot) -> Result<()> {
        self.write(identity, snapshot).map_err(|error| {
            let hint = match error.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    "make room where images are kept (`toolexec image ls` says where), or set \
                     snapshots to false"
                }
                _ => {
                    "the directory of the image must be writable, and only for this user; or set \
                     snapshots to false"
                }
            };
            unavailable(
                "the snapshot of a virtual machine cannot be kept: each process makes its own",
            )
            .with_hint(hint)
            .with_source(error)
        })
    }

    fn write(&self, identity: &Identity, snapshot: &Snapshot) -> io::Result<()> {
        private::create_dir(&self.directory)?;
        self.make_room()?;
        let unfinished = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir_in(&self.directory)?;
        let create = |name: &str| {
            let mut options = OpenOptions::new();
            options.write(true).create_new(true).mode(0o600);
            options.open(unfinished.path().join(name))
        };
        let manifest = Manifest {
            identity: identity.clone(),
            counter_khz: self.counter_khz,
            said: snapshot.said.clone(),
            memory: pages::copy(&pages::reader(&snapshot.ram)?, &create(RAM)?)?,
            state: pages::copy(&pages::reader(&snapshot.state)?, &create(STATE)?)?,
        };
        create(MANIFEST)?.write_all_at(&serde_json::to_vec_pretty(&manifest)?, 0)?;
        let directory = self.directory.join(name(identity));
        match fs::rename(unfinished.path(), &directory) {
            Ok(()) => drop(unfinished.keep()),
            // Another process was faster.
            Err(_) if directory.is_dir() => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Removes those that were not used for longest, until one more may be there, and what was
    /// never finished.
    fn make_room(&self) -> io::Result<()> {
        let mut all = Vec::new();
        for entry in fs::read_dir(&self.directory)?.flatten() {
            let path = entry.path();
            let is_unfinished = entry.file_name().to_string_lossy().starts_with(UNFINISHED);
            let dated = if is_unfinished {
                path.clone()
            } else {
                path.join(MANIFEST)
            };
            let used = fs::metadata(dated).and_then(|found| found.modified());
            let used = used.unwrap_or(SystemTime::UNIX_EPOCH);
            if !is_unfinished {
                all.push((used, path));
            } else if used.elapsed().is_ok_and(|age| age > ABANDONED) {
                fs::remove_dir_all(path)?;
            }
        }
        all.sort();
        while all.len() >= MOST_KEPT {
            fs::remove_dir_all(all.remove(0).1)?;
        }
        Ok(())
    }
}

fn name(identity: &Identity) -> String {
    // A struct of texts is always written.
    let text = serde_json::to_vec(identity).unwrap_or_default();
    hex(&Sha256::digest(&text))[..16].to_owned()
}

fn are_alike(one: u64, other: u64) -> bool {
    one.abs_diff(other) <= one.max(other) / ALIKE
}

pub(super) fn problem(what: &str) -> Error {
    unavailable(&format!(
        "the snapshot of a virtual machine is not used: {what}"
    ))
}

fn damaged(what: &str) -> Error {
    problem(what).with_hint("it was removed, and is made anew: there is nothing to do, unless it happens again; then look at the disk")
}

fn foreign(what: &str) -> Error {
    problem(what).with_hint("it was removed, and is made anew: do not copy snapshots, they are made where they are used")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(qemu: &str) -> Identity {
        Identity {
            kernel: "k".to_owned(),
            initrd: "i".to_owned(),
            qemu: qemu.to_owned(),
            processor: String::new(),
            machine: "-m 192".to_owned(),
            disk: String::new(),
            guest: "pids=8".to_owned(),
        }
    }

    fn snapshot() -> Snapshot {
        let ram = pages::memory(1 << 20).unwrap();
        ram.write_all_at(b"memory", 70_000).unwrap();
        let state = pages::memory(0).unwrap();
        state.write_all_at(b"processors", 0).unwrap();
        Snapshot {
            ram: Arc::new(ram.into()),
            state: state.into(),
            said: b"hello".to_vec(),
        }
    }

    fn all(snapshot: &Snapshot) -> (Vec<u8>, Vec<u8>) {
        let read = |file| {
            let mut bytes = Vec::new();
            io::Read::read_to_end(&mut pages::reader(file).unwrap(), &mut bytes).unwrap();
            bytes
        };
        (read(&snapshot.ram), read(&snapshot.state))
    }

    /// Why nothing is loaded; nothing, when something is.
    fn why(shelf: &Shelf, identity: &Identity) -> Option<String> {
        let loaded = shelf.load(identity);
        loaded.err().map(|error| {
            let message = error.guest_message();
            let (start, why) = message.split_once(": ").unwrap();
            assert_eq!(start, "the snapshot of a virtual machine is not used");
            why.to_owned()
        })
    }

    #[test]
    fn what_is_kept_is_loaded_and_nothing_else() {
        let image = tempfile::tempdir().unwrap();
        let shelf = Shelf::of(image.path(), 1_000_000);
        let (own, made) = (identity("7.2"), snapshot());
        assert!(shelf.load(&own).unwrap().is_none());
        shelf.keep(&own, &made).unwrap();
        let loaded = shelf.load(&own).unwrap().unwrap();
        assert_eq!(loaded.said, b"hello");
        let are_same = all(&loaded) == all(&made);
        assert!(are_same);
        assert!(shelf.load(&identity("10.0")).unwrap().is_none());
        // Measured a little otherwise, it is the same processor; twice as fast, it is another.
        let (alike, other) = (1_000_900, 2_000_000);
        assert_eq!(why(&Shelf::of(image.path(), alike), &own), None);
        let why = why(&Shelf::of(image.path(), other), &own);
        assert_eq!(why.as_deref(), Some("it was made on another processor"));
        assert!(shelf.load(&own).unwrap().is_none(), "it is gone");
    }

    #[test]
    fn what_was_cut_off_or_changed_is_told_and_removed() {
        let image = tempfile::tempdir().unwrap();
        let shelf = Shelf::of(image.path(), 1);
        let own = identity("7.2");
        let directory = shelf.directory.join(name(&own));
        let edit = |file: &str, change: &dyn Fn(&File)| {
            let file = File::options().write(true).open(directory.join(file));
            change(&file.unwrap());
        };
        let changes: [(&dyn Fn(), &str); 6] = [
            (
                &|| edit(RAM, &|file| file.write_all_at(b"x", 9).unwrap()),
                "its memory was cut off or changed",
            ),
            (
                &|| edit(RAM, &|file| file.set_len(1 << 19).unwrap()),
                "its memory was cut off or changed",
            ),
            (
                &|| edit(STATE, &|file| file.set_len(0).unwrap()),
                "its state was cut off or changed",
            ),
            (
                &|| fs::remove_file(directory.join(STATE)).unwrap(),
                "its state cannot be read",
            ),
            (
                &|| edit(MANIFEST, &|file| file.set_len(9).unwrap()),
                "its description cannot be read",
            ),
            (
                &|| fs::remove_file(directory.join(MANIFEST)).unwrap(),
                "it is not described",
            ),
        ];
        for (change, said) in changes {
            shelf.keep(&own, &snapshot()).unwrap();
            change();
            assert_eq!(why(&shelf, &own).as_deref(), Some(said));
            assert!(!directory.exists(), "{said}");
        }
        // What others may write to is not even looked at.
        shelf.keep(&own, &snapshot()).unwrap();
        fs::set_permissions(&shelf.directory, fs::Permissions::from_mode(0o777)).unwrap();
        assert_eq!(why(&shelf, &own).as_deref(), Some("others may write to it"));
    }

    #[test]
    fn the_one_that_was_not_used_for_longest_makes_room() {
        let image = tempfile::tempdir().unwrap();
        let shelf = Shelf::of(image.path(), 1);
        let one = |number: usize| identity(&number.to_string());
        for number in 0..MOST_KEPT {
            shelf.keep(&one(number), &snapshot()).unwrap();
            let manifest = shelf.directory.join(name(&one(number))).join(MANIFEST);
            let manifest = File::options().append(true).open(manifest).unwrap();
            let age = Duration::from_secs(100 - number as u64);
            manifest.set_modified(SystemTime::now() - age).unwrap();
        }
        assert!(shelf.load(&one(0)).unwrap().is_some());
        shelf.keep(&one(MOST_KEPT), &snapshot()).unwrap();
        let is_there = |number| shelf.load(&one(number)).unwrap().is_some();
        let there: Vec<usize> = (0..=MOST_KEPT).filter(|number| is_there(*number)).collect();
        assert_eq!(there, [0, 2, 3, 4, 5, 6, 7, 8]);
    }
}
