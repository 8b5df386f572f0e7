//! How the guest that was taken over is built; the tasks of a developer build it so too.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What Cargo is asked, and the static program that it makes below a target directory.
///
/// It has a target directory of its own there: other flags would make everything else anew.
pub(crate) fn build_static(
    mut cargo: Command,
    manifest: &Path,
    target_dir: &Path,
) -> (Command, PathBuf) {
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let dir = target_dir.join("static");
    cargo
        .args(["build", "--quiet", "--bin", "toolexec-hostile"])
        .args(["--target", &target, "--target-dir"])
        .arg(&dir)
        .arg("--manifest-path")
        .arg(manifest)
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        // It goes into images, and is small then.
        .env("CARGO_PROFILE_DEV_STRIP", "true")
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    (cargo, dir.join(&target).join("debug/toolexec-hostile"))
}
