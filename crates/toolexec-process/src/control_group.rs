//! Children that start in control groups.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;

/// Makes the child move itself into control groups after the fork, before the exec.
#[expect(
    unsafe_code,
    reason = "only code in the forked child can run before its exec"
)]
pub(crate) fn attach(
    directories: &[PathBuf],
    command: &mut tokio::process::Command,
) -> io::Result<()> {
    if directories.is_empty() {
        return Ok(());
    }
    // Opened here: opening a file needs memory, which the forked child may not ask for.
    let open = |dir: &PathBuf| {
        OpenOptions::new()
            .write(true)
            .open(dir.join("cgroup.procs"))
    };
    let members: Vec<File> = directories.iter().map(open).collect::<io::Result<_>>()?;
    let join = move || {
        // "0" is whoever writes.
        members
            .iter()
            .try_for_each(|mut group| group.write_all(b"0"))
    };
    // SAFETY: between fork and exec `join` only calls write, which is async-signal-safe, and takes
    // no lock and allocates nothing (`io::Error` of an OS error holds its number only).
    unsafe { command.pre_exec(join) };
    Ok(())
}
