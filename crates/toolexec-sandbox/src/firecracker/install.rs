//! What is installed: Firecracker, its jailer, KVM.

use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};

use toolexec_core::{Error, Result};
use toolexec_process::Command;

use crate::{installed, unavailable};

const INSTALL: &str = "install it from github.com/firecracker-microvm/firecracker/releases, and \
                       put it on the PATH, say where it is in [code.firecracker], or in \
                       FIRECRACKER_BIN";
const INSTEAD: &str = "the sandbox qemu needs no KVM";

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Installed {
    pub(super) program: PathBuf,
    /// As it says itself, such as `1.13.1`.
    pub(super) version: String,
    /// Only root can use it.
    pub(super) jailer: Option<PathBuf>,
}

impl Installed {
    /// Looks for Firecracker, and asks it for its version.
    pub(super) async fn find(program: &Path) -> Result<Self> {
        let missing = || unavailable("Firecracker is not installed").with_hint(INSTALL);
        let program = installed::program(program, &[]).ok_or_else(missing)?;
        // It is started in a directory of its own.
        let program =
            std::path::absolute(&program).map_err(|error| missing().with_source(error))?;
        let said = Command::new(program.to_string_lossy())
            .arg("--version")
            .run(Vec::new(), 4096)
            .await
            .map_err(|error| {
                unavailable("Firecracker cannot be started")
                    .with_hint(INSTALL)
                    .with_source(error)
            })?;
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        let Some(version) = version(&said) else {
            return Err(unavailable("the program is not Firecracker").with_hint(INSTALL));
        };
        let is_root = rustix::process::geteuid().is_root();
        let jailer = is_root.then(|| jailer_beside(&program)).flatten();
        if is_root && jailer.is_none() {
            tracing::warn!("Firecracker runs as root: its jailer is not beside it");
        }
        Ok(Self {
            program,
            version,
            jailer,
        })
    }
}

/// Whether this process may use KVM.
///
/// # Errors
/// With what to do about it. That it may proves little: only a machine that starts does.
pub(super) fn check_kvm(device: &Path) -> Result<()> {
    let opened = OpenOptions::new().read(true).write(true).open(device);
    let Err(error) = opened else {
        return Ok(());
    };
    let (message, hint) = match error.kind() {
        io::ErrorKind::NotFound => (
            "this machine has no KVM, which Firecracker needs",
            "load the module (modprobe kvm-intel, or kvm-amd); in a virtual machine, its host must \
             allow nested ones",
        ),
        io::ErrorKind::PermissionDenied => (
            "this user may not use KVM, which Firecracker needs",
            "add the user to the group kvm: usermod -aG kvm USER",
        ),
        _ => (
            "KVM, which Firecracker needs, does not work here",
            "look at what the kernel says of it: dmesg | grep -i kvm",
        ),
    };
    Err(unavailable(message)
        .with_hint(hint)
        .with_hint(INSTEAD)
        .with_source(error))
}

/// The error of a machine that was started and never spoke.
pub(super) fn silent(console: Option<String>) -> Error {
    let error = unavailable("the virtual machine starts, but its guest does not speak")
        .with_hint(
            "KVM may be there and start no Linux, as it is in some virtual machines: the sandbox \
             qemu needs none",
        )
        .with_hint("make the image anew with toolexec image build");
    match console {
        Some(console) => error.with_source(console),
        None => error,
    }
}

/// The jailer of the same release: `jailer`, with what `firecracker` has in its name besides.
fn jailer_beside(program: &Path) -> Option<PathBuf> {
    let name = program.file_name()?.to_str()?;
    let own = name.replacen("firecracker", "jailer", 1);
    [own.as_str(), "jailer"]
        .into_iter()
        .filter(|other| *other != name)
        .map(|other| program.with_file_name(other))
        .find(|other| other.is_file())
}

fn version(said: &str) -> Option<String> {
    let (_, rest) = said.split_once("Firecracker v")?;
    let version = rest.split_whitespace().next()?;
    (!version.is_empty()).then(|| version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        let said = "Firecracker v1.17.0-dev\n\nSupported snapshot data format versions: 8.0.0";
        assert_eq!(version(said), Some("1.17.0-dev".to_owned()));
        assert_eq!(version("Firecracker v"), None);
        assert_eq!(version("QEMU emulator version 7.2.22"), None);
    }

    #[test]
    fn the_jailer_is_that_of_the_same_release() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, "").unwrap();
            path
        };
        let program = put("firecracker-v1.13.1-x86_64");
        assert_eq!(jailer_beside(&program), None);
        let other = put("jailer");
        assert_eq!(jailer_beside(&program), Some(other));
        let own = put("jailer-v1.13.1-x86_64");
        assert_eq!(jailer_beside(&program), Some(own));
        assert_eq!(jailer_beside(&put("vmm")), Some(dir.path().join("jailer")));
        assert_eq!(jailer_beside(Path::new("/nowhere/jailer")), None);
    }

    #[test]
    fn what_is_wrong_with_kvm_is_told_apart() {
        assert!(check_kvm(Path::new("/dev/null")).is_ok());
        let error = check_kvm(Path::new("/nowhere/kvm")).unwrap_err();
        assert_eq!(
            error.guest_message(),
            "this machine has no KVM, which Firecracker needs"
        );
        let error = check_kvm(Path::new("/")).unwrap_err();
        assert_eq!(
            error.guest_message(),
            "KVM, which Firecracker needs, does not work here"
        );
    }
}
