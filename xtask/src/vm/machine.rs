//! The machine itself: starts it, shows what the tests say, and finds out how they ended.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::QEMU;
use crate::shell::{command, is_root, say};

/// An emulated machine takes its time; one that hangs takes all of it.
const MOST: Duration = Duration::from_mins(10);
/// The user that QEMU runs as where root starts it.
const NOBODY: u32 = 65534;
const KERNEL_ARGS: [&str; 9] = [
    "console=ttyS0",
    "quiet",
    "loglevel=1",
    "tsc=reliable",
    // Counted in instructions, its clock ticks in nanoseconds.
    "tsc_early_khz=1000000",
    "mitigations=off",
    "panic=-1",
    "cgroup_no_v1=all",
    // It fails on a host that has other things to do.
    "no_timer_check",
];
/// What the first process says when the tests have ended.
const EXIT: &str = "@@ exit ";

/// Boots the machine and waits for its end.
pub(super) fn run(kernel: &Path, initrd: &Path) -> Result<()> {
    // As nobody, it reads what it is given and nothing else.
    let readable = tempfile::Builder::new().prefix("vm-").tempdir()?;
    let kernel = public_copy(readable.path(), kernel)?;
    let initrd = public_copy(readable.path(), initrd)?;
    let mut qemu = line(&kernel, &initrd);
    if is_root() {
        qemu.uid(NOBODY).gid(NOBODY);
    }
    let mut child = qemu.spawn().context("QEMU does not start")?;
    let status = follow(&mut child);
    // It may still run.
    let _ = child.kill();
    let _ = child.wait();
    match status? {
        Some(0) => Ok(()),
        Some(status) => bail!("the tests in the machine failed ({status})"),
        None => bail!("the machine ended before its tests did"),
    }
}

fn line(kernel: &Path, initrd: &Path) -> Command {
    let mut qemu = command(QEMU);
    qemu.args(["-M", "q35,hpet=on", "-accel", "tcg", "-cpu", "max"])
        // With more than one, QEMU 7.2 executes what the kernel has already overwritten.
        .args(["-smp", "1", "-m", "2048"])
        // An instruction takes two nanoseconds, whatever else this machine does: no test waits
        // for too short.
        .args(["-icount", "shift=1,sleep=off"])
        .args(["-nodefaults", "-no-user-config", "-display", "none"])
        .args(["-no-reboot", "-serial", "stdio"])
        .args([
            "-sandbox",
            "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
        ])
        .arg("-kernel")
        .arg(kernel)
        .arg("-initrd")
        .arg(initrd)
        .args(["-append", &KERNEL_ARGS.join(" ")])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .current_dir("/");
    qemu
}

/// Shows what it says until it ends. The status of the tests, if they have one.
fn follow(child: &mut Child) -> Result<Option<i32>> {
    let stdout = child.stdout.take().context("it has no output")?;
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        let mut reader = BufReader::new(stdout);
        let mut bytes = Vec::new();
        while reader
            .read_until(b'\n', &mut bytes)
            .is_ok_and(|read| read > 0)
        {
            let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
            if sender.send(line).is_err() {
                return;
            }
            bytes.clear();
        }
    });
    let until = Instant::now() + MOST;
    let mut status = None;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match lines.recv_timeout(left) {
            Ok(line) => {
                status = line
                    .strip_prefix(EXIT)
                    .and_then(|text| text.parse().ok())
                    .or(status);
                say(format!("vm: {line}"));
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(status),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                bail!("the machine still ran after {} s", MOST.as_secs())
            }
        }
    }
}

/// A copy that every user may read.
fn public_copy(dir: &Path, file: &Path) -> Result<std::path::PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let copy = dir.join(file.file_name().context("a file without a name")?);
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755))?;
    std::fs::copy(file, &copy)?;
    std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o644))?;
    Ok(copy)
}
