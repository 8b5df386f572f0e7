//! The files of a program as it expects them: what it was given lies in the directory in which it
//! runs, and what it leaves there is its host's.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use toolexec_wire::{Failure, FailureKind, FileOp, Outcome};

use super::workdir::{WorkDir, no_room};
use crate::host::{Host, failure};

/// Tells the harness of a program where its files are.
pub(super) const VARIABLE: &str = "TOOLEXEC_FILES";
/// The directory, in that of the program.
pub(super) const DIRECTORY: &str = "files";
/// The most bytes that are passed at once: as base64 they fit into a message.
const PIECE: usize = 4 << 20;
/// How many levels of directories are looked at.
const DEPTH: usize = 64;

/// The files of a program while it runs.
#[derive(Debug)]
pub(super) struct Files {
    directory: PathBuf,
    /// What it was given, as it was laid out.
    given: BTreeMap<String, Look>,
}

/// By this a file is told from one that was changed.
#[derive(Debug, PartialEq, Eq)]
struct Look {
    bytes: u64,
    modified: Option<SystemTime>,
}

impl Files {
    /// Lays out what the program is given.
    pub(super) fn lay_out(dir: &WorkDir, host: &Host) -> Result<Self, Box<Failure>> {
        let mut files = Self {
            directory: dir.join(DIRECTORY),
            given: BTreeMap::new(),
        };
        fs::create_dir(&files.directory).map_err(|error| no_room(&error))?;
        host.preparing(|| {
            let listed = answered(host.file(FileOp::List)?)?;
            for file in listed.as_array().into_iter().flatten() {
                let (name, bytes) = (file["name"].as_str(), file["size"].as_u64());
                files.give(name.unwrap_or_default(), bytes.unwrap_or_default(), host)?;
            }
            Ok(files)
        })
    }

    fn give(&mut self, name: &str, bytes: u64, host: &Host) -> Result<(), Box<Failure>> {
        let is_inside = |part: Component<'_>| matches!(part, Component::Normal(_));
        if name.is_empty() || !Path::new(name).components().all(is_inside) {
            return Err(forged());
        }
        let path = self.directory.join(name);
        let lie = |error: io::Error| no_room(&error);
        fs::create_dir_all(path.parent().unwrap_or(&self.directory)).map_err(lie)?;
        // Who would change it is told at once.
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o444)
            .open(&path)
            .map_err(lie)?;
        let mut offset = 0;
        while offset < bytes {
            let name = name.to_owned();
            let piece = answered(host.file(FileOp::Read {
                name,
                offset,
                length: PIECE as u64,
            })?)?;
            let piece = STANDARD.decode(piece.as_str().unwrap_or_default());
            let piece = piece.ok().filter(|piece| !piece.is_empty());
            let piece = piece.ok_or_else(forged)?;
            file.write_all(&piece).map_err(lie)?;
            offset += piece.len() as u64;
        }
        drop(file);
        self.given
            .insert(name.to_owned(), look(&path).map_err(lie)?);
        Ok(())
    }

    /// Hands over what the program left. What cannot be handed over is logged.
    pub(super) fn collect(&self, host: &Host) -> Result<(), Box<Failure>> {
        let mut names = Vec::new();
        find(&self.directory, "", DEPTH, &mut names);
        host.preparing(|| {
            for name in &names {
                if let Err(why) = self.hand_over(name, host)? {
                    host.log(
                        "warning",
                        json!(format!("the file {name} is not kept: {why}")),
                    );
                }
            }
            Ok(())
        })
    }

    /// Whether a file was handed over, or why not.
    fn hand_over(&self, name: &str, host: &Host) -> Result<Result<(), String>, Box<Failure>> {
        let path = self.directory.join(name);
        if let Some(before) = self.given.get(name) {
            let is_same = look(&path).is_ok_and(|now| now == *before);
            let changed = "it was given, and cannot be changed; write one of another name";
            return Ok(if is_same {
                Ok(())
            } else {
                Err(changed.to_owned())
            });
        }
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) => return Ok(Err(error.kind().to_string())),
        };
        let mut append = false;
        loop {
            let mut piece = Vec::new();
            let read = (&mut file).take(PIECE as u64).read_to_end(&mut piece);
            if let Err(error) = read {
                return Ok(Err(error.kind().to_string()));
            }
            if piece.is_empty() && append {
                return Ok(Ok(()));
            }
            let outcome = host.file(FileOp::Write {
                name: name.to_owned(),
                base64: STANDARD.encode(&piece),
                append,
            })?;
            if let Outcome::Error(error) = outcome {
                return Ok(Err(error.message));
            }
            append = true;
        }
    }
}

/// The names of all files below a directory. Links and devices are none.
fn find(directory: &Path, above: &str, levels: usize, names: &mut Vec<String>) {
    let mut entries: Vec<_> = fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let Ok(own) = entry.file_name().into_string() else {
            continue;
        };
        let name = format!("{above}{own}");
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && levels > 0 => {
                find(&entry.path(), &format!("{name}/"), levels - 1, names);
            }
            Ok(kind) if kind.is_file() => names.push(name),
            _ => {}
        }
    }
}

fn look(path: &Path) -> io::Result<Look> {
    let found = fs::symlink_metadata(path)?;
    Ok(Look {
        bytes: found.len(),
        modified: found.modified().ok(),
    })
}

fn answered(outcome: Outcome) -> Result<Value, Box<Failure>> {
    match outcome {
        Outcome::Ok(value) => Ok(value),
        Outcome::Error(error) => Err(failure(FailureKind::Internal, error.message)),
    }
}

fn forged() -> Box<Failure> {
    failure(FailureKind::Internal, "the host gives files that are none")
}
