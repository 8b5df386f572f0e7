//! Files of programs: inputs that they read, and artifacts that they leave.
//!
//! They are with the host. A program reads and writes them by calls of the namespace `files`, so
//! they are the same in every sandbox and every language, and nothing of the host's own files is
//! reached.

mod gateway;
mod media;
mod names;
mod serve;
mod tools;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::sandbox::{LimitName, Limits};
pub(super) use gateway::WithFiles;

/// The most files that a program is given, and the most bytes of all of them.
pub const MAX_INPUT_FILES: usize = 10_000;
/// The most bytes of all files that a program is given.
pub const MAX_INPUT_BYTES: usize = 256 << 20;
/// The most bytes that are read at once: as base64 they fit into a message.
const MAX_READ: usize = 8 << 20;
/// What a program may write that does not say.
const USUAL_BYTES: u64 = 16 << 20;
const USUAL_FILES: u64 = 100;

/// The files that a program is given, by their names.
pub type InputFiles = BTreeMap<String, Arc<[u8]>>;

/// A file that a program left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Artifact {
    /// Its name: segments with `/` between them, none of them `..`.
    pub name: String,
    /// What it is, by its first bytes, else by its name.
    pub media_type: &'static str,
    /// How many bytes it has.
    pub size: usize,
    /// Its bytes.
    #[serde(skip)]
    pub bytes: Arc<[u8]>,
}

impl Artifact {
    /// Whether it is a picture that models can see.
    pub fn is_image(&self) -> bool {
        matches!(
            self.media_type,
            "image/png" | "image/jpeg" | "image/gif" | "image/webp"
        )
    }

    /// Its text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        media::text(&self.bytes)
    }
}

/// The files of one program.
#[derive(Debug)]
pub(super) struct Files {
    inputs: InputFiles,
    limits: Limits,
    written: Mutex<Written>,
}

#[derive(Debug, Default)]
struct Written {
    files: BTreeMap<String, Vec<u8>>,
    bytes: u64,
    /// The limit that was exceeded, and by how much.
    exceeded: Option<(LimitName, u64)>,
}

impl Files {
    pub(super) fn new(inputs: InputFiles, limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            inputs,
            limits: *limits,
            written: Mutex::default(),
        })
    }

    /// The limit that the program exceeded, and how much it used.
    pub(super) fn exceeded(&self) -> Option<(LimitName, u64)> {
        self.written().exceeded
    }

    /// What the program left, in the order of the names.
    pub(super) fn artifacts(&self) -> Vec<Artifact> {
        let files = std::mem::take(&mut self.written().files);
        files
            .into_iter()
            .map(|(name, bytes)| Artifact {
                media_type: media::of(&name, &bytes),
                size: bytes.len(),
                bytes: bytes.into(),
                name,
            })
            .collect()
    }

    /// Writes a file, or adds to one. Gives its size.
    fn write(&self, name: &str, bytes: &[u8], append: bool) -> Result<usize> {
        names::check(name)?;
        let mut written = self.written();
        let taken = |other: &String| names::collide(other, name);
        if self.inputs.contains_key(name) {
            let message = format!("{name:?} is an input, which cannot be written");
            return Err(
                Error::new(ErrorKind::Denied, message).with_hint("write to a file of another name")
            );
        }
        if let Some(other) = written
            .files
            .keys()
            .chain(self.inputs.keys())
            .find(|o| taken(o))
        {
            let message = format!("{name:?} and {other:?} cannot both be: one is a directory");
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        let old = written.files.get(name);
        let kept = old.filter(|_| append).map_or(0, Vec::len);
        let freed = old.map_or(0, Vec::len) - kept;
        let all = written.bytes - freed as u64 + bytes.len() as u64;
        let count = written.files.len() as u64 + u64::from(old.is_none());
        let asked = [(LimitName::FileBytes, all), (LimitName::Files, count)];
        for (limit, used) in asked {
            let most = self.limits.get(limit).unwrap_or(f64::INFINITY);
            if used as f64 > most {
                written.exceeded = Some((limit, used));
                let message = format!("{name:?} does not fit: {limit} is {}", limit.amount(most));
                return Err(Error::new(ErrorKind::LimitExceeded, message));
            }
        }
        written.bytes = all;
        let file = written.files.entry(name.to_owned()).or_default();
        file.truncate(kept);
        file.extend_from_slice(bytes);
        Ok(file.len())
    }

    /// Looks at a file.
    fn with<T>(&self, name: &str, look: impl FnOnce(&[u8]) -> Result<T>) -> Result<T> {
        let written = self.written();
        if let Some(bytes) = written.files.get(name) {
            return look(bytes);
        }
        if let Some(bytes) = self.inputs.get(name) {
            return look(bytes);
        }
        let names: Vec<&str> = self
            .inputs
            .keys()
            .chain(written.files.keys())
            .map(String::as_str)
            .collect();
        let hint = match names.as_slice() {
            [] => "no file was given to this program".to_owned(),
            some => format!("there are: {}", names::listed(some)),
        };
        let message = format!("there is no file {name:?}");
        Err(Error::new(ErrorKind::NotFound, message).with_hint(hint))
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Refuses files that cannot be given to a program.
pub(super) fn check(files: &InputFiles) -> Result<()> {
    let wrong = |message: String| Err(Error::new(ErrorKind::InvalidInput, message));
    if files.len() > MAX_INPUT_FILES {
        return wrong(format!(
            "{} files are too many; at most {MAX_INPUT_FILES} are allowed",
            files.len()
        ));
    }
    let bytes: usize = files.values().map(|bytes| bytes.len()).sum();
    if bytes > MAX_INPUT_BYTES {
        return wrong(format!(
            "the files have {bytes} bytes; at most {MAX_INPUT_BYTES} are allowed"
        ));
    }
    let mut before: Option<&String> = None;
    for name in files.keys() {
        names::check(name)?;
        if let Some(other) = before.filter(|other| names::collide(other, name)) {
            return wrong(format!(
                "{name:?} and {other:?} cannot both be: one is a directory"
            ));
        }
        before = Some(name);
    }
    Ok(())
}

/// What a program may write, where nothing is said.
pub(super) fn usual(limits: Limits) -> Limits {
    limits.or(Limits {
        file_bytes: Some(USUAL_BYTES),
        files: Some(USUAL_FILES),
        ..Limits::default()
    })
}
