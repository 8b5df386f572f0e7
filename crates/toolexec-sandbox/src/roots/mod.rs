//! Roots: directories with the files of a small system and the toolchains of some languages, which
//! containers start from. Each has a name, and is kept beside what it was made of.

mod build;
#[cfg(any(feature = "firecracker", feature = "qemu"))]
mod disk;
mod export;
mod finish;
mod recipe;

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};
use toolexec_core::{Error, ErrorKind, Result};

pub use recipe::{Recipe, Toolchain};

use crate::label::Label;
use crate::{private, unavailable};

/// The directory with the files, beside [`MANIFEST`].
const FILES: &str = "root";
const MANIFEST: &str = "root.json";

/// Where roots are kept. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roots {
    directory: PathBuf,
}

/// A directory that containers may start from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    directory: PathBuf,
    manifest: Manifest,
}

/// What is written beside the files of a root, when they are all there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    recipe: Recipe,
    /// The packages that Debian's package manager installed, with their versions.
    packages: Vec<String>,
    bytes: u64,
    /// The hash of all files, their names and permissions.
    contents: String,
}

impl Roots {
    /// Roots in a directory that only the user may write to; it is made when it is needed.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
        }
    }

    /// Roots in the cache of the user, or below the directory of temporary files.
    pub fn below(cache: Option<&Path>) -> Self {
        Self::new(private::cache(cache).join("roots"))
    }

    /// The roots that are there, by name.
    ///
    /// # Errors
    /// When the directory cannot be read; none is no error.
    pub fn list(&self) -> io::Result<Vec<Root>> {
        let entries = match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let names = entries.flatten().map(|entry| entry.file_name());
        let mut roots: Vec<Root> = names.filter_map(|name| self.find(name.to_str()?)).collect();
        roots.sort_by(|one, other| one.directory.cmp(&other.directory));
        Ok(roots)
    }

    /// The root with a name.
    pub fn find(&self, name: &str) -> Option<Root> {
        let directory = self.place(name)?;
        let manifest = fs::read(directory.join(MANIFEST)).ok()?;
        Some(Root {
            directory,
            manifest: serde_json::from_slice(&manifest).ok()?,
        })
    }

    /// Whether there is a root with a name.
    pub fn has(&self, name: &str) -> bool {
        self.place(name)
            .is_some_and(|place| place.join(MANIFEST).is_file())
    }

    /// Removes a root by its name. Containers that run keep what they have.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is none of this name.
    pub fn remove(&self, name: &str) -> Result<()> {
        let place = self.place(name).filter(|place| place.is_dir());
        let Some(place) = place else {
            return Err(not_found(name));
        };
        // At once, so that nobody finds half of it.
        let gone = self
            .directory
            .join(Label::own().of(crate::label::next_guest()));
        fs::rename(place, &gone)
            .and_then(|()| fs::remove_dir_all(&gone))
            .map_err(|error| unavailable("the root cannot be removed").with_source(error))
    }

    /// Where the root with a name is or would be.
    fn place(&self, name: &str) -> Option<PathBuf> {
        recipe::is_name(name).then(|| self.directory.join(name))
    }

    /// Removes what builds left that were killed.
    fn sweep(&self) -> io::Result<()> {
        private::create_dir(&self.directory)?;
        let own = Label::own();
        for entry in fs::read_dir(&self.directory)?.flatten() {
            if entry
                .file_name()
                .to_str()
                .is_some_and(|name| own.is_orphan(name))
            {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    }
}

impl Root {
    /// Its name.
    pub fn name(&self) -> String {
        let name = self.directory.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// The directory that becomes the root of containers.
    pub fn directory(&self) -> PathBuf {
        self.directory.join(FILES)
    }

    /// What it was made of.
    pub fn recipe(&self) -> &Recipe {
        &self.manifest.recipe
    }

    /// The packages that Debian's package manager installed: `name=version`.
    pub fn packages(&self) -> &[String] {
        &self.manifest.packages
    }

    /// The bytes of its files.
    pub fn size(&self) -> u64 {
        self.manifest.bytes
    }

    /// The hash of all its files, as they were when it was made.
    pub fn contents(&self) -> &str {
        &self.manifest.contents
    }
}

/// The directory that a configuration names: one of the roots by its name, or any by its path.
pub(crate) fn resolve(roots: Option<&Roots>, named: &Path) -> Result<PathBuf> {
    let mut parts = named.components();
    let name = match (parts.next(), parts.next()) {
        (Some(Component::Normal(name)), None) => name.to_str(),
        _ => None,
    };
    if let Some(root) = name.and_then(|name| roots?.find(name)) {
        return Ok(root.directory());
    }
    fs::canonicalize(named).map_err(|error| {
        unavailable("the root directory of containers is not there")
            .with_hint(
                "name one that `toolexec image ls` shows, or a directory with the files of a \
                 system, and dev, proc and tmp",
            )
            .with_source(error)
    })
}

fn not_found(name: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no root {name}"))
        .with_hint("`toolexec image ls` shows those that are there")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(roots: &Roots, name: &str) {
        let place = roots.directory.join(name);
        fs::create_dir_all(place.join(FILES)).unwrap();
        let manifest = Manifest {
            recipe: Recipe::new([Toolchain::Go]),
            packages: Vec::new(),
            bytes: 7,
            contents: "00".to_owned(),
        };
        fs::write(place.join(MANIFEST), serde_json::to_vec(&manifest).unwrap()).unwrap();
    }

    #[test]
    fn roots_are_found_by_name_and_removed() {
        let scratch = tempfile::tempdir().unwrap();
        let roots = Roots::new(scratch.path().join("roots"));
        assert_eq!(roots.list().unwrap(), []);
        put(&roots, "go");
        fs::create_dir(roots.directory.join("half")).unwrap();
        let names: Vec<String> = roots.list().unwrap().iter().map(Root::name).collect();
        assert_eq!(names, ["go"]);
        assert_eq!(
            [roots.has("go"), roots.has("half"), roots.has("../roots/go")],
            [true, false, false]
        );
        let found = resolve(Some(&roots), Path::new("go")).unwrap();
        assert_eq!(found, roots.directory.join("go/root"));
        assert_eq!(
            resolve(None, scratch.path()).unwrap(),
            fs::canonicalize(scratch.path()).unwrap()
        );
        let error = resolve(Some(&roots), Path::new("nowhere")).unwrap_err();
        assert_eq!(
            error.guest_message(),
            "the root directory of containers is not there"
        );
        roots.remove("go").unwrap();
        assert_eq!(roots.list().unwrap(), []);
        let error = roots.remove("go").unwrap_err();
        assert_eq!(error.guest_message(), "there is no root go");
    }

    #[test]
    fn what_a_killed_build_left_is_swept() {
        let scratch = tempfile::tempdir().unwrap();
        let roots = Roots::new(scratch.path().join("roots"));
        roots.sweep().unwrap();
        let own = Label::own().of(1);
        let fields: Vec<&str> = own.split('-').collect();
        let gone = format!("toolexec-{}-{}-1-1", fields[1], u32::MAX);
        for name in [&own, &gone, "kept"] {
            fs::create_dir(roots.directory.join(name)).unwrap();
        }
        roots.sweep().unwrap();
        let there = [&own, &gone, "kept"].map(|name| roots.directory.join(name).exists());
        assert_eq!(there, [true, false, true]);
    }
}
