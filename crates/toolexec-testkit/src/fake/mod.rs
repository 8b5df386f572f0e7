//! Programs that misbehave on purpose.

pub mod mcp;
pub mod sandbox;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

/// The program of [`mcp`], built by Cargo at the first use, in the profile of the running test.
///
/// # Panics
/// When it cannot be built.
pub fn mcp_server() -> PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(build).clone()
}

#[expect(
    clippy::disallowed_methods,
    clippy::panic,
    reason = "a test's own tool, and a test without it fails"
)]
fn build() -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let test = std::env::current_exe().unwrap_or_default();
    // Tests and benches are `target/PROFILE/deps/NAME`.
    let Some(dir) = test.parent().and_then(|deps| deps.parent()) else {
        panic!("the test binary is in no target directory");
    };
    let program = dir.join("fake-mcp-server");
    // Cargo would find the same out, but waits for other builds first.
    let sources = newest(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    if sources.is_some() && modified(&program) > sources {
        return program;
    }
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--bin", "fake-mcp-server"]);
    command.args([
        "--manifest-path",
        concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
    ]);
    if dir.ends_with("release") {
        command.arg("--release");
    }
    match command.status() {
        Ok(status) if status.success() => program,
        other => panic!("fake-mcp-server cannot be built: {other:?}"),
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
