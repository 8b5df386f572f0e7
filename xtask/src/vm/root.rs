//! The file system of the machine: busybox, the programs, and the libraries that they need.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs::{self, File};
use std::io::BufWriter;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::Programs;
use super::cpio::Archive;
use super::suite::Suite;
use crate::guest::target_directory;
use crate::shell::{command, quiet};

/// A shell and its tools, which need no library.
pub(super) const BUSYBOX: &str = "/bin/busybox";
const INIT: &str = include_str!("init.sh");
const EMPTY: [&str; 7] = ["new", "proc", "sys", "dev", "tmp", "run", "root"];
const USERS: &str = "root:x:0:0::/:/bin/sh\nuser:x:1000:1000::/:/bin/sh\n";
const GROUPS: &str = "root:x:0:\nuser:x:1000:\n";

/// Packs everything; programs keep the paths that they have here, as tests know each other by them.
pub(super) fn pack(programs: &Programs, suite: &Suite) -> Result<PathBuf> {
    let path = target_directory().join("vm/tests.cpio");
    fs::create_dir_all(path.parent().unwrap_or(&path))?;
    let mut archive = Archive::new(BufWriter::new(File::create(&path)?));
    let directories = suite.directories.iter().map(String::as_str);
    for directory in EMPTY.into_iter().chain(directories) {
        archive.directory(directory)?;
    }
    archive.file("init", 0o755, INIT.as_bytes())?;
    archive.file("bin/busybox", 0o755, &fs::read(BUSYBOX)?)?;
    archive.file("etc/passwd", 0o644, USERS.as_bytes())?;
    archive.file("etc/group", 0o644, GROUPS.as_bytes())?;
    archive.file(
        "tests/run",
        0o755,
        script(&programs.tests, suite)?.as_bytes(),
    )?;
    if suite.also_as_user {
        archive.file("tests/also-as-user", 0o644, b"")?;
    }
    if let Some(kept) = &suite.kept {
        archive.file("tests/kept", 0o644, kept.as_bytes())?;
    }
    for (number, module) in suite.modules.iter().enumerate() {
        let name = format!("modules/{number:02}-{}.ko", module.name);
        archive.file(&name, 0o644, &module.content)?;
    }
    for file in &suite.files {
        archive.file(&file.path, file.mode, &file.content)?;
    }
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
fn script(tests: &Path, suite: &Suite) -> Result<String> {
    let tests = tests.to_str().context("a path that is not Unicode")?;
    let words = suite.args.iter().map(|arg| quoted(arg));
    let words = words.collect::<Vec<_>>().join(" ");
    let mut variables = String::new();
    for (name, value) in &suite.variables {
        writeln!(variables, "export {name}={}", quoted(value))?;
    }
    Ok(format!(
        "#!/bin/sh\nexport CARGO=/bin/true RUST_BACKTRACE=0\n{variables}\
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
pub(super) fn libraries_of(program: &Path) -> Result<Vec<PathBuf>> {
    let listed = quiet(command("ldd").arg(program))?;
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let words = listed.split_whitespace();
    Ok(words
        .filter(|word| word.starts_with('/'))
        .map(PathBuf::from)
        .collect())
}
