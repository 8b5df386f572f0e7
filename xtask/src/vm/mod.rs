//! Tests in a virtual machine of their own. Either with a kernel that has control groups of version
//! 2 only, as root and as a user to whom a part of them was delegated; or with a KVM, in which
//! Firecracker runs.
//!
//! The machine is emulated, so that it needs neither root nor `/dev/kvm`. It has no disk and no
//! network; everything is in its initial RAM file system.

mod machine;
mod root;
mod suite;

// Plain code that the sandbox has too.
#[path = "../../../crates/toolexec-sandbox/src/vm/cpio.rs"]
mod cpio;
#[expect(dead_code, reason = "the sandbox needs more of it")]
#[path = "../../../crates/toolexec-sandbox/src/vm/kernel.rs"]
mod kernel;
#[path = "../../../crates/toolexec-sandbox/src/vm/unpack.rs"]
mod unpack;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::daemons;
use crate::shell::{apt_install, cargo, command, is_installed, is_root, quiet, say};
use kernel::Kernel;
use suite::Suite;

/// The Debian packages of which the machine is made.
const PACKAGES: [&str; 3] = ["qemu-system-x86", "busybox-static", "binutils"];
/// What depends on the newest kernel that fits.
const KERNEL: &str = "linux-image-cloud-amd64";
/// Where its package is unpacked, beside the daemons that tests talk to.
const KEPT: &str = crate::daemons::place::KERNEL;
const QEMU: &str = "qemu-system-x86_64";
/// Options of `cargo xtask vm`.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Options {
    /// Install what is missing with apt-get (implied as root with CI=true).
    #[arg(long)]
    install_system: bool,
    /// Run the Firecracker that `FIRECRACKER_BIN` names on an emulated KVM, instead of the tests of
    /// control groups. What comes of the attacks is kept with `INSTA_UPDATE=always`.
    #[arg(long)]
    firecracker: bool,
    /// Filters and options of the tests of `toolexec-sandbox`, instead of the usual ones.
    #[arg(last = true, value_name = "TEST ARGS")]
    args: Vec<String>,
}

/// Runs tests in the machine. Where it cannot be made, that is said, and an error where
/// `TOOLEXEC_REQUIRE` asks for it.
pub(crate) fn run(options: &Options) -> Result<()> {
    if let Err(error) = prepare(options.install_system) {
        return skipped(&format!("{error:#}"));
    }
    let kernel = match kernel() {
        Ok(kernel) => kernel,
        Err(error) => return skipped(&format!("{error:#}")),
    };
    let mut suite = if options.firecracker {
        Suite::firecracker(&kernel)?
    } else {
        Suite::groups()
    };
    if !options.args.is_empty() {
        suite.args.clone_from(&options.args);
    }
    let programs = build()?;
    let initrd = root::pack(&programs, &suite)?;
    say(format!(
        "vm: Linux {}, {} MiB of programs, tests {}",
        kernel.version,
        fs::metadata(&initrd)?.len() >> 20,
        suite.args.join(" ")
    ));
    let ended = machine::run(&kernel.vmlinuz, &initrd, suite.hardware)?;
    suite::keep(&ended.kept)?;
    match ended.status {
        Some(0) => Ok(()),
        Some(status) => bail!("the tests in the machine failed ({status})"),
        None => bail!("the machine ended before its tests did"),
    }
}

/// Installs what tests of virtual machines need: QEMU and a kernel.
pub(crate) fn provide() -> Result<()> {
    prepare(false)?;
    kernel().map(drop)
}

/// What goes into the machine.
struct Programs {
    /// The test binary.
    tests: PathBuf,
    /// The programs that it starts.
    others: Vec<PathBuf>,
}

fn skipped(reason: &str) -> Result<()> {
    let required = std::env::var("TOOLEXEC_REQUIRE").unwrap_or_default();
    let is_required = required.split(',').any(|name| matches!(name, "all" | "vm"));
    if is_required {
        bail!("{reason}");
    }
    say(format!("skipped: vm: {reason}"));
    Ok(())
}

/// Makes sure that everything is installed.
fn prepare(install_system: bool) -> Result<()> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        bail!("the machine runs programs of Linux on x86-64 only");
    }
    let has_busybox = Path::new(root::BUSYBOX).exists();
    if is_installed(QEMU) && has_busybox && is_installed("strip") {
        return Ok(());
    }
    let in_ci = std::env::var("CI").is_ok_and(|value| value == "true") && is_root();
    if !(install_system || in_ci) {
        let packages = PACKAGES.join(" ");
        bail!(
            "missing: {packages}. Type:\n  sudo apt-get install --no-install-recommends {packages}"
        );
    }
    apt_install("vm", &PACKAGES)
}

/// The distribution's kernel, unpacked from its package, which is not installed.
fn kernel() -> Result<Kernel> {
    let kept = daemons::place()?.join(KEPT);
    if let Ok(kernel) = Kernel::find_in(&kept) {
        return Ok(kernel);
    }
    let depends = quiet(command("apt-cache").args(["depends", KERNEL]))?;
    let depends = String::from_utf8_lossy(&depends.stdout).into_owned();
    let package = depends
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Depends: "))
        .find(|name| name.starts_with("linux-image-"))
        .with_context(|| format!("{KERNEL} is not known here: run apt-get update"))?;
    let work = tempfile::tempdir()?;
    say(format!("vm: apt-get download {package}"));
    quiet(
        command("apt-get")
            .current_dir(work.path())
            .args(["-q", "download", package]),
    )?;
    let archive = fs::read_dir(work.path())?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|kind| kind == "deb"))
        .context("apt-get downloaded nothing")?;
    let unpacked = work.path().join("kernel");
    quiet(command("dpkg-deb").arg("-x").arg(archive).arg(&unpacked))?;
    fs::create_dir_all(kept.parent().unwrap_or(&kept))?;
    // Whole or not at all; another process may have been faster.
    quiet(
        command("cp")
            .arg("-a")
            .arg(&unpacked)
            .arg(kept.with_extension("new")),
    )?;
    let _ = fs::remove_dir_all(&kept);
    fs::rename(kept.with_extension("new"), &kept)?;
    Ok(Kernel::find_in(&kept)?)
}

/// Builds the tests and what they start.
fn build() -> Result<Programs> {
    quiet(cargo().args([
        "build",
        "-q",
        "-p",
        "toolexec-guest",
        "--bin",
        "toolexec-guest",
    ]))?;
    // With the features of the whole workspace, as every test: nothing is built a second time.
    let built = quiet(cargo().args([
        "test",
        "-q",
        "--workspace",
        "--no-run",
        "--message-format",
        "json",
    ]))?;
    let (mut tests, mut others) = (None, Vec::new());
    for line in String::from_utf8_lossy(&built.stdout).lines() {
        let message: Value = serde_json::from_str(line)?;
        let is_ours = message["package_id"]
            .as_str()
            .is_some_and(|id| id.contains("toolexec-sandbox"));
        let Some(program) = message["executable"].as_str().filter(|_| is_ours) else {
            continue;
        };
        match message["target"]["kind"][0].as_str() {
            Some("test") => tests = Some(PathBuf::from(program)),
            // Of the library there is a test program too, which nothing starts.
            Some("bin") => others.push(PathBuf::from(program)),
            _ => {}
        }
    }
    let tests = tests.context("cargo named no test binary")?;
    let beside = tests.parent().and_then(Path::parent);
    others.extend(beside.map(|dir| dir.join("toolexec-guest")));
    Ok(Programs { tests, others })
}
