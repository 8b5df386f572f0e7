//! The file system of the machine: busybox, the programs, and the libraries that they need.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::BufWriter;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::cpio::Archive;
use super::{Programs, target_directory};
use crate::shell::{command, quiet};

/// A shell and its tools, which need no library.
pub(super) const BUSYBOX: &str = "/bin/busybox";
const INIT: &str = include_str!("init.sh");
const EMPTY: [&str; 7] = ["new", "proc", "sys", "dev", "tmp", "run", "root"];
const USERS: &str = "root:x:0:0::/:/bin/sh\nuser:x:1000:1000::/:/bin/sh\n";
const GROUPS: &str = "root:x:0:\nuser:x:1000:\n";

/// Packs everything; programs keep the paths that they have here, as tests know each other by them.
pub(super) fn pack(programs: &Programs, args: &[String]) -> Result<PathBuf> {
    let path = target_directory()?.join("vm/tests.cpio");
    fs::create_dir_all(path.parent().unwrap_or(&path))?;
    let mut archive = Archive::new(BufWriter::new(File::create(&path)?));
    for directory in EMPTY {
        archive.directory(directory)?;
    }
    archive.file("init", 0o755, INIT.as_bytes())?;
    archive.file("bin/busybox", 0o755, &fs::read(BUSYBOX)?)?;
    archive.file("etc/passwd", 0o644, USERS.as_bytes())?;
    archive.file("etc/group", 0o644, GROUPS.as_bytes())?;
    archive.file(
        "tests/run",
        0o755,
        script(&programs.tests, args)?.as_bytes(),
    )?;
    let mut libraries = BTreeSet::new();
    for program in programs.others.iter().chain([&programs.tests]) {
        libraries.extend(libraries_of(program)?);
        let name = program.to_str().context("a path that is not Unicode")?;
        archive.file(name, 0o755, &stripped(program)?)?;
    }
    for library in &libraries {
        let name = library.to_str().context("a path that is not Unicode")?;
        let mode = fs::metadata(library)?.permissions().mode();
        archive.file(name, mode, &fs::read(library)?)?;
    }
    archive.finish()?;
    Ok(path)
}

/// What runs the tests. `CARGO` is what a test asks to build the guest, which is there.
fn script(tests: &Path, args: &[String]) -> Result<String> {
    let tests = tests.to_str().context("a path that is not Unicode")?;
    let words = args.iter().map(|arg| quoted(arg));
    let words = words.collect::<Vec<_>>().join(" ");
    Ok(format!(
        "#!/bin/sh\nexport CARGO=/bin/true TOOLEXEC_CGROUPS=2 RUST_BACKTRACE=0\n\
         [ $# -gt 0 ] || set -- {words}\nexec {} --test-threads 1 \"$@\"\n",
        quoted(tests)
    ))
}

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// A program without what only debuggers read.
fn stripped(program: &Path) -> Result<Vec<u8>> {
    let output = tempfile::NamedTempFile::new()?;
    quiet(command("strip").arg("-o").arg(output.path()).arg(program))?;
    Ok(fs::read(output.path())?)
}

/// The libraries that a program loads, the loader among them.
fn libraries_of(program: &Path) -> Result<Vec<PathBuf>> {
    let listed = quiet(command("ldd").arg(program))?;
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let words = listed.split_whitespace();
    Ok(words
        .filter(|word| word.starts_with('/'))
        .map(PathBuf::from)
        .collect())
}
