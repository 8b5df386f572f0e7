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
use super::suite::Hardware;
use crate::shell::{command, is_root, say};

/// An emulated machine takes its time, and those that it emulates even more; one that hangs takes
/// all of it.
const MOST: Duration = Duration::from_mins(10);
const MOST_OF_MACHINES: Duration = Duration::from_mins(60);
/// The user that QEMU runs as where root starts it.
const NOBODY: u32 = 65534;
const KERNEL_ARGS: [&str; 8] = [
    "console=ttyS0",
    "quiet",
    "loglevel=1",
    "tsc=reliable",
    "mitigations=off",
    "panic=-1",
    "cgroup_no_v1=all",
    // It fails on a host that has other things to do.
    "no_timer_check",
];
/// Counted in instructions, the clock ticks in nanoseconds.
const COUNTED_CLOCK: &str = "tsc_early_khz=1000000";
/// What the first process says when the tests have ended.
const EXIT: &str = "@@ exit ";
/// What it says before and after each file that is kept.
const KEPT: &str = "@@ kept ";
const KEPT_END: &str = "@@ end";

/// What came of the tests.
#[derive(Default)]
pub(super) struct Ended {
    /// Their status, if they have one.
    pub(super) status: Option<i32>,
    /// The files that are kept, by name.
    pub(super) kept: Vec<(String, String)>,
}

/// Boots the machine and waits for its end.
pub(super) fn run(kernel: &Path, initrd: &Path, hardware: Hardware) -> Result<Ended> {
    // As nobody, it reads what it is given and nothing else.
    let readable = tempfile::Builder::new().prefix("vm-").tempdir()?;
    let kernel = public_copy(readable.path(), kernel)?;
    let initrd = public_copy(readable.path(), initrd)?;
    let mut qemu = line(&kernel, &initrd, hardware);
    if is_root() {
        qemu.uid(NOBODY).gid(NOBODY);
    }
    let mut child = qemu.spawn().context("QEMU does not start")?;
    let most = match hardware {
        Hardware::Counted => MOST,
        Hardware::Virtualizing => MOST_OF_MACHINES,
    };
    let ended = follow(&mut child, most);
    // It may still run.
    let _ = child.kill();
    let _ = child.wait();
    ended
}

fn line(kernel: &Path, initrd: &Path, hardware: Hardware) -> Command {
    let mut qemu = command(QEMU);
    let mut kernel_args = KERNEL_ARGS.to_vec();
    // With more than one processor, QEMU 7.2 executes what the kernel has already overwritten.
    qemu.args(["-M", "q35,hpet=on", "-accel", "tcg", "-smp", "1"]);
    match hardware {
        // An instruction takes two nanoseconds.
        Hardware::Counted => {
            qemu.args(["-cpu", "max", "-m", "2048"]);
            qemu.args(["-icount", "shift=1,sleep=off"]);
            kernel_args.push(COUNTED_CLOCK);
        }
        Hardware::Virtualizing => {
            qemu.args(["-cpu", "EPYC,+svm", "-m", "6144"]);
        }
    }
    qemu.args(["-nodefaults", "-no-user-config", "-display", "none"])
        .args(["-no-reboot", "-serial", "stdio"])
        .args([
            "-sandbox",
            "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
        ])
        .arg("-kernel")
        .arg(kernel)
        .arg("-initrd")
        .arg(initrd)
        .args(["-append", &kernel_args.join(" ")])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .current_dir("/");
    qemu
}

/// Shows what it says until it ends.
fn follow(child: &mut Child, most: Duration) -> Result<Ended> {
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
    let until = Instant::now() + most;
    let mut ended = Ended::default();
    let mut kept: Option<(String, String)> = None;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let line = match lines.recv_timeout(left) {
            Ok(line) => line,
            Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(ended),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                bail!("the machine still ran after {} s", most.as_secs())
            }
        };
        if let Some((_, content)) = kept.as_mut().filter(|_| line != KEPT_END) {
            content.push_str(&line);
            content.push('\n');
            continue;
        }
        ended.kept.extend(kept.take());
        if let Some(name) = line.strip_prefix(KEPT) {
            kept = Some((name.to_owned(), String::new()));
        }
        let status = line.strip_prefix(EXIT);
        ended.status = status.and_then(|text| text.parse().ok()).or(ended.status);
        say(format!("vm: {line}"));
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
