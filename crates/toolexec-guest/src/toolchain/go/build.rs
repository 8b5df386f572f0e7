//! Compiling snippets. What was compiled once is kept where there is a cache.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::thread;

use sha2::{Digest, Sha256};
use toolexec_wire::{Language, Start};

use super::errors::{self, Wrong};
use super::snippet;
use crate::host::Host;
use crate::toolchain::child::Recipe;
use crate::toolchain::find::{find, search_path};
use crate::toolchain::helper;
use crate::toolchain::workdir::{WorkDir, no_room};

const GLUE: &str = include_str!("glue.go");
const PACKAGE: &str = include_str!("toolexec.go");
/// The variable that says where compiled programs and packages are kept.
const CACHE: &str = "TOOLEXEC_TOOLCHAIN_CACHE";
/// Where an image may have the packages of the standard library compiled, with our options.
const COMPILED: &str = "/usr/lib/toolexec/go-build";
/// The processors that one compilation uses at most: each takes processes, threads and memory.
const PROCESSORS: usize = 4;
/// How many compiled programs are kept.
const KEPT: usize = 200;

/// A compiled snippet.
#[derive(Debug)]
pub(in crate::toolchain) struct Built {
    key: String,
    /// The program.
    pub(in crate::toolchain) program: PathBuf,
    // Where it is, unless that is a cache.
    _dir: Option<WorkDir>,
}

impl Built {
    /// Compiles a snippet, unless `before` or the cache has it.
    pub(super) fn of(start: &Start, host: &Host, before: Option<Self>) -> Result<Self, Wrong> {
        let go = find(Language::Go, &["go"]).map_err(Wrong::Otherwise)?;
        let file = snippet::file(&start.source, &start.inputs);
        let key = key(&go, &file);
        if let Some(before) = before.filter(|before| before.key == key) {
            return Ok(before);
        }
        let cache = cache();
        let kept = cache
            .as_ref()
            .map(|cache| cache.join("programs").join(&key));
        if let Some(kept) = kept.as_ref().filter(|kept| kept.is_file()) {
            return Ok(Self {
                key,
                program: kept.clone(),
                _dir: None,
            });
        }
        let dir = WorkDir::new().map_err(Wrong::Otherwise)?;
        let program =
            host.preparing(|| compile(&go, &dir, &file, cache.as_deref(), start, host))?;
        if let Some(kept) = kept
            && keep(&program, &kept).is_ok()
        {
            return Ok(Self {
                key,
                program: kept,
                _dir: None,
            });
        }
        Ok(Self {
            key,
            program,
            _dir: Some(dir),
        })
    }
}

/// The cache, where one is configured.
fn cache() -> Option<PathBuf> {
    let own = std::env::var_os(CACHE).filter(|dir| !dir.is_empty())?;
    let dir = PathBuf::from(own).join("go");
    fs::create_dir_all(dir.join("programs")).ok()?;
    Some(dir)
}

/// What a compiled program depends on: its text, ours, and the compiler.
fn key(go: &Path, file: &str) -> String {
    let compiler = fs::metadata(go)
        .map(|meta| (meta.size(), meta.mtime(), meta.mtime_nsec()))
        .unwrap_or_default();
    let mut hash = Sha256::new();
    for part in [
        file,
        GLUE,
        PACKAGE,
        &format!("{} {compiler:?}", go.display()),
    ] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let mut text = String::with_capacity(64);
    for byte in hash.finalize() {
        // Writing to a text does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn compile(
    go: &Path,
    dir: &WorkDir,
    file: &str,
    cache: Option<&Path>,
    start: &Start,
    host: &Host,
) -> Result<PathBuf, Wrong> {
    let packages = packages(dir, cache);
    let run = |args: &[&str]| {
        let recipe = Recipe {
            program: go.to_path_buf(),
            args: args.iter().map(Into::into).collect(),
            env: environment(dir, &packages),
        };
        let running = recipe.start(dir.path(), &search_path());
        running
            .and_then(|running| helper::finish(running, host))
            .map_err(Wrong::Otherwise)
    };
    // Go reads no module at the top of the directory for temporary files.
    for name in ["tmp", "toolexec"] {
        fs::create_dir_all(dir.join(name)).map_err(|error| Wrong::Otherwise(no_room(&error)))?;
    }
    let version = run(&["version"])?;
    if !version.success {
        return Err(Wrong::Otherwise(errors::broken(&version.stderr)));
    }
    let module = format!("module program\n\ngo {}\n", language(&version.stdout));
    for (name, text) in [
        ("go.mod", module.as_str()),
        ("main.go", file),
        ("glue.go", GLUE),
        ("toolexec/toolexec.go", PACKAGE),
    ] {
        dir.write(name, text).map_err(Wrong::Otherwise)?;
    }
    let built = run(&["build", "-trimpath", "-ldflags=-s -w", "-o", "program", "."])?;
    if built.success {
        return Ok(dir.join("program"));
    }
    Err(errors::of(&start.source, &built.stderr))
}

/// Where compiled packages are and go. Those of an image serve as they are: each is a link in a
/// directory of the program's own.
fn packages(dir: &WorkDir, cache: Option<&Path>) -> PathBuf {
    let own = dir.join("cache");
    match (link_all(Path::new(COMPILED), &own), cache) {
        (Err(_), Some(cache)) => cache.join("build"),
        _ => own,
    }
}

/// Links the files of a cache of Go's: they lie in directories, and those in the cache.
fn link_all(compiled: &Path, own: &Path) -> io::Result<()> {
    for part in fs::read_dir(compiled)? {
        let part = part?;
        if !part.file_type()?.is_dir() {
            continue;
        }
        let to = own.join(part.file_name());
        fs::create_dir_all(&to)?;
        for file in fs::read_dir(part.path())? {
            let file = file?;
            symlink(file.path(), to.join(file.file_name()))?;
        }
    }
    Ok(())
}

fn environment(dir: &WorkDir, packages: &Path) -> Vec<(&'static str, std::ffi::OsString)> {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    vec![
        ("CGO_ENABLED", "0".into()),
        ("GO111MODULE", "on".into()),
        ("GOCACHE", packages.into()),
        ("GOENV", "off".into()),
        ("GOFLAGS", "".into()),
        ("GOMAXPROCS", processors.min(PROCESSORS).to_string().into()),
        ("GOPATH", dir.join("gopath").into()),
        ("GOPROXY", "off".into()),
        ("GOSUMDB", "off".into()),
        ("GOTOOLCHAIN", "local".into()),
        ("GOWORK", "off".into()),
        ("TMPDIR", dir.join("tmp").into()),
    ]
}

/// The version of the language: `1.27` of `go version go1.27.3 linux/amd64`.
fn language(said: &str) -> String {
    let version = said.split_whitespace().nth(2).unwrap_or_default();
    let numbers = version.trim_start_matches("go");
    let end = |c: char| !(c.is_ascii_digit() || c == '.');
    let numbers = numbers.split(end).next().unwrap_or_default();
    let parts: Vec<&str> = numbers.split('.').take(2).collect();
    if parts.len() == 2 {
        parts.join(".")
    } else {
        "1.21".to_owned()
    }
}

/// Puts a compiled program where it is found again, whole or not at all.
fn keep(program: &Path, kept: &Path) -> io::Result<()> {
    let own = kept.with_extension(format!("{}", std::process::id()));
    fs::copy(program, &own)?;
    fs::rename(&own, kept)?;
    if let Some(dir) = kept.parent() {
        forget(dir);
    }
    Ok(())
}

/// Removes the oldest of too many.
fn forget(dir: &Path) {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut all: Vec<_> = entries
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    all.sort();
    let over = all.len().saturating_sub(KEPT);
    for (_, path) in all.drain(..over) {
        let _ = fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compiled_packages_of_an_image_are_linked() {
        let scratch = WorkDir::new().unwrap();
        let (compiled, own) = (scratch.join("compiled"), scratch.join("own"));
        fs::create_dir_all(compiled.join("0a")).unwrap();
        fs::write(compiled.join("0a/0a1-d"), "package").unwrap();
        fs::write(compiled.join("README"), "").unwrap();
        link_all(&compiled, &own).unwrap();
        assert_eq!(fs::read(own.join("0a/0a1-d")).unwrap(), b"package");
        assert_eq!(fs::read_dir(&own).unwrap().count(), 1);
        assert!(link_all(&scratch.join("none"), &own).is_err());
    }

    #[test]
    fn versions_of_the_language() {
        let of = |text: &str| language(&format!("go version {text} linux/amd64"));
        assert_eq!(of("go1.27.3"), "1.27");
        assert_eq!(of("go1.19"), "1.19");
        assert_eq!(of("go1.28rc1"), "1.28");
        assert_eq!(of("devel"), "1.21");
    }
}
