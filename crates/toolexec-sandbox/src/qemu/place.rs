//! What is found before the first machine is started: QEMU, an image, what runs machines.

use std::fs;
use std::path::{Path, PathBuf};

use toolexec_core::Result;
use toolexec_process::Command;

use super::Accel;
use super::spec::DropTo;
use crate::cgroup::{Cgroups, Tree};
use crate::label::Label;
use crate::vm::{Image, Source, counter_khz};
use crate::{installed, unavailable};

/// The first version that is told with `-run-with` whom to become.
const RUN_WITH: (u32, u32) = (9, 1);
const INSTALL: &str = "install QEMU: apt-get install qemu-system-x86";

/// What was found.
pub(super) struct Place {
    pub(super) program: PathBuf,
    /// What QEMU says of its version.
    pub(super) version: String,
    pub(super) image: Image,
    pub(super) drop_to: DropTo,
    pub(super) counter_khz: u64,
    pub(super) cgroups: Option<Cgroups>,
}

impl Place {
    /// Looks for everything.
    ///
    /// # Errors
    /// [`ErrorKind::SandboxUnavailable`](toolexec_core::ErrorKind::SandboxUnavailable) when
    /// something is not there, or damaged.
    pub(super) async fn find(program: &Path, source: Source, tree: Option<Tree>) -> Result<Self> {
        let program = installed::program(program, &[])
            .ok_or_else(|| unavailable("QEMU is not installed").with_hint(INSTALL))?;
        let said = ask(&program).await?;
        let Some(version) = version(&said) else {
            return Err(unavailable("the program is not QEMU").with_hint(INSTALL));
        };
        let drop_to = match rustix::process::geteuid().is_root() {
            false => DropTo::Itself,
            true if version >= RUN_WITH => DropTo::OwnerNew,
            true => DropTo::Owner,
        };
        // Reading all of it takes a while.
        let opened = tokio::task::spawn_blocking(move || (source.open(), counter_khz()));
        let (image, counter_khz) = opened
            .await
            .map_err(|error| unavailable("the image cannot be read").with_source(error))?;
        Ok(Self {
            program,
            version: said.lines().next().unwrap_or_default().to_owned(),
            image: image?,
            drop_to,
            counter_khz,
            cgroups: tree.map(|tree| Cgroups::new(tree, Label::own())),
        })
    }

    /// What the machine's processor is, where it is this one.
    pub(super) fn processor(accel: Accel) -> String {
        if accel == Accel::Tcg {
            return String::new();
        }
        let all = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let is_kind = |line: &&str| {
            [
                "vendor_id",
                "cpu family",
                "model",
                "stepping",
                "microcode",
                "flags",
            ]
            .iter()
            .any(|name| line.starts_with(name))
        };
        let first = all.split("\n\n").next().unwrap_or_default();
        first.lines().filter(is_kind).collect::<Vec<_>>().join("\n")
    }
}

async fn ask(program: &Path) -> Result<String> {
    let command = Command::new(program.to_string_lossy()).arg("--version");
    let said = command
        .run(Vec::new(), 4096)
        .await
        .map_err(|error| unavailable("QEMU cannot be started").with_source(error))?;
    Ok(String::from_utf8_lossy(&said.stdout).into_owned())
}

fn version(said: &str) -> Option<(u32, u32)> {
    let (_, rest) = said.split_once("QEMU emulator version ")?;
    let mut numbers = rest.split(|letter: char| !letter.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_apart() {
        let said = "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)\nCopyright";
        assert_eq!(version(said), Some((7, 2)));
        assert_eq!(version("QEMU emulator version 10.0.2\n"), Some((10, 0)));
        assert_eq!(version("runc version 1.1"), None);
    }
}
