//! Programs of the workspace that tests start, built by Cargo at their first use.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

use crate::hostile::build_static;

/// The native guest program, in the profile of the running test.
///
/// # Panics
/// When it cannot be built.
pub fn guest() -> PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../toolexec-guest");
    // Always asked of Cargo: what is there may have been built with other features.
    PROGRAM
        .get_or_init(|| build(Kind::Bin, "toolexec-guest", &sources, false))
        .clone()
}

/// The program that locks others in, in the profile of the running test.
///
/// # Panics
/// When it cannot be built.
pub fn cell() -> PathBuf {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../toolexec-cell");
    build(Kind::Bin, "toolexec-cell", &sources, true)
}

/// A guest that was taken over, as a static program: any machine, container and virtual machine
/// of this kind of processor runs it.
///
/// # Panics
/// When it cannot be built.
pub fn hostile() -> PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(static_hostile).clone()
}

/// An example of the crate at `crate_dir` (a test's own `CARGO_MANIFEST_DIR`), in the profile of
/// the running test.
///
/// # Panics
/// When it cannot be built.
pub fn example(name: &str, crate_dir: &str) -> PathBuf {
    build(Kind::Example, name, Path::new(crate_dir), true)
}

/// What Cargo calls the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Bin,
    Example,
}

/// A program of the crate at `crate_dir`, in the profile of the running test. With `trust_times`
/// one that is newer than its sources is taken as it is.
#[expect(
    clippy::disallowed_methods,
    clippy::panic,
    reason = "a test's own tool, and a test without it fails"
)]
pub(crate) fn build(kind: Kind, name: &str, crate_dir: &Path, trust_times: bool) -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let test = std::env::current_exe().unwrap_or_default();
    // Tests and benches are `target/PROFILE/deps/NAME`.
    let Some(dir) = test.parent().and_then(|deps| deps.parent()) else {
        panic!("the test binary is in no target directory");
    };
    let (option, program) = match kind {
        Kind::Bin => ("--bin", dir.join(name)),
        Kind::Example => ("--example", dir.join("examples").join(name)),
    };
    // Cargo would find the same out, but waits for other builds first.
    let sources = newest(&crate_dir.join("src")).max(newest(&crate_dir.join("examples")));
    if trust_times && sources.is_some() && modified(&program) > sources {
        return program;
    }
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", option, name, "--manifest-path"]);
    command.arg(crate_dir.join("Cargo.toml"));
    if dir.ends_with("release") {
        command.arg("--release");
    }
    match command.status() {
        Ok(status) if status.success() => program,
        other => panic!("{name} cannot be built: {other:?}"),
    }
}

#[expect(
    clippy::disallowed_methods,
    clippy::panic,
    reason = "a test's own tool, and a test without it fails"
)]
fn static_hostile() -> PathBuf {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let manifest = crates.join("toolexec-hostile/Cargo.toml");
    let cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let (mut build, program) = build_static(cargo, &manifest, &target_dir());
    let made_of = ["toolexec-hostile", "toolexec-wire", "toolexec-jail"];
    let sources = made_of
        .into_iter()
        .filter_map(|name| newest(&crates.join(name).join("src")));
    // Cargo would find the same out, but waits for other builds first.
    if modified(&program) > sources.max() {
        return program;
    }
    match build.status() {
        Ok(status) if status.success() => program,
        other => panic!("toolexec-hostile cannot be built: {other:?}"),
    }
}

/// Where Cargo builds: tests and benches are `target/PROFILE/deps/NAME`.
#[expect(clippy::panic, reason = "a test without it fails")]
fn target_dir() -> PathBuf {
    let test = std::env::current_exe().unwrap_or_default();
    match test.ancestors().nth(3) {
        Some(dir) => dir.to_owned(),
        None => panic!("the test binary is in no target directory"),
    }
}

/// When the newest file below a directory was changed.
fn newest(dir: &Path) -> Option<SystemTime> {
    let entries = std::fs::read_dir(dir).ok()?;
    entries
        .flatten()
        .filter_map(|entry| {
            let path = entry.path();
            if path.is_dir() {
                newest(&path)
            } else {
                modified(&path)
            }
        })
        .max()
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).ok()?.modified().ok()
}
