//! Running other programs.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, bail};

/// The root of the workspace.
pub(crate) fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// A command that starts in the root of the workspace.
#[expect(clippy::disallowed_methods, reason = "tasks run tools of a developer")]
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(workspace());
    command
}

/// The cargo that runs us.
pub(crate) fn cargo() -> Command {
    command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Whether `program --version` succeeds.
pub(crate) fn is_installed(program: &str) -> bool {
    quiet(command(program).arg("--version")).is_ok()
}

/// Runs to the end, with our own output; an error when it fails.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("{} does not start", name(command)))?;
    if !status.success() {
        bail!("{} failed ({status})", line(command));
    }
    Ok(())
}

/// Runs to the end in silence; an error holds the end of what it said.
pub(crate) fn quiet(command: &mut Command) -> Result<Output> {
    let output = command
        .output()
        .with_context(|| format!("{} does not start", name(command)))?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        let lines: Vec<&str> = said.trim().lines().collect();
        let last = lines.len().saturating_sub(12);
        bail!(
            "{} failed ({}):\n{}",
            line(command),
            output.status,
            lines.get(last..).unwrap_or_default().join("\n")
        );
    }
    Ok(output)
}

/// Whether this is root.
pub(crate) fn is_root() -> bool {
    quiet(command("id").arg("-u")).is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// Installs packages of Debian, and says so.
pub(crate) fn apt_install(task: &str, packages: &[&str]) -> Result<()> {
    let line = packages.join(" ");
    if !Path::new("/etc/debian_version").exists() {
        bail!("missing: {line}; only Debian's apt-get is known here, install them by hand");
    }
    say(format!("{task}: apt-get install {line}"));
    quiet(command("apt-get").args(["update", "-qq"]))?;
    let mut install = command("apt-get");
    install
        .env("DEBIAN_FRONTEND", "noninteractive")
        // No service starts by itself.
        .env("RUNLEVEL", "1")
        .args(["install", "-y", "-qq", "--no-install-recommends"])
        .args(packages);
    quiet(&mut install).map(drop)
}

/// Prints one line about what is being done.
#[expect(clippy::print_stderr, reason = "talk of a task")]
pub(crate) fn say(text: impl AsRef<str>) {
    eprintln!("{}", text.as_ref());
}

fn name(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

fn line(command: &Command) -> String {
    let words = command.get_args().map(|arg| arg.to_string_lossy());
    let mut all = vec![command.get_program().to_string_lossy()];
    all.extend(words);
    all.join(" ")
}
