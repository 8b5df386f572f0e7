//! The daemons and runtimes that run containers: Docker, containerd, runc, gVisor.
//!
//! `cargo xtask daemons` installs and starts them, apart from those that the machine may have of
//! its own. A test asks for one and is skipped, loudly, without it (see [`crate::require()`]).

pub mod place;

use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use crate::require::Missing;

/// Where distributions put runc.
const RUNC: [&str; 2] = ["/usr/sbin/runc", "/usr/bin/runc"];
/// Where distributions put QEMU.
const QEMU: &str = "/usr/bin/qemu-system-x86_64";
const KERNEL_REMEDY: &str = "run `cargo xtask vm` as root";
const REMEDY: &str = "run `cargo xtask daemons` as root";

/// The socket of a Docker engine that takes calls. It knows the runtime `runsc`.
pub fn docker() -> Result<PathBuf, Missing> {
    socket("docker", place::DOCKER)
}

/// The socket of a containerd that takes calls.
pub fn containerd() -> Result<PathBuf, Missing> {
    socket("containerd", place::CONTAINERD)
}

/// runc, an OCI runtime.
pub fn runc() -> Result<PathBuf, Missing> {
    let found = RUNC.into_iter().map(Path::new);
    let mut found = found.filter(|program| program.is_file());
    let missing = || Missing::new("runc", "not installed", REMEDY);
    found.next().map(Path::to_owned).ok_or_else(missing)
}

/// `BusyBox`, a shell and its programs in one static file, for the roots of containers.
pub fn busybox() -> Result<PathBuf, Missing> {
    let program = PathBuf::from("/bin/busybox");
    if program.is_file() {
        Ok(program)
    } else {
        Err(Missing::new("busybox", "not installed", REMEDY))
    }
}

/// debootstrap, which makes a system out of Debian's packages, where it may: for root.
pub fn debootstrap() -> Result<PathBuf, Missing> {
    let missing = |reason: &str| Missing::new("debootstrap", reason, REMEDY);
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    if !is_root {
        return Err(missing("only root can use it"));
    }
    let program = PathBuf::from("/usr/sbin/debootstrap");
    let found = program.is_file().then_some(program);
    found.ok_or_else(|| missing("not installed"))
}

/// gVisor's OCI runtime.
pub fn runsc() -> Result<PathBuf, Missing> {
    program(place::RUNSC)
}

/// gVisor's OCI runtime as a `BinaryName` for containerd's shim of runc.
pub fn runsc_for_containerd() -> Result<PathBuf, Missing> {
    program(place::RUNSC_SYSTRAP)
}

/// A directory with a kernel for virtual machines, and QEMU on the `PATH`.
pub fn qemu() -> Result<PathBuf, Missing> {
    if !Path::new(QEMU).is_file() {
        return Err(Missing::new("qemu", "not installed", KERNEL_REMEDY));
    }
    kernel("qemu")
}

/// A directory with a kernel for virtual machines, and the Firecracker that `FIRECRACKER_BIN`
/// names. Nothing installs it: ask for it with [`require_named`](crate::require_named).
pub fn firecracker() -> Result<(PathBuf, PathBuf), Missing> {
    let program = std::env::var_os("FIRECRACKER_BIN").filter(|program| !program.is_empty());
    let program = program.map(PathBuf::from).ok_or_else(|| {
        let remedy = "set it to a Firecracker, on a machine whose KVM starts machines";
        Missing::new("firecracker", "FIRECRACKER_BIN is not set", remedy)
    })?;
    Ok((program, kernel("firecracker")?))
}

/// A directory with a kernel for virtual machines, which somebody needs.
fn kernel(needed_by: &str) -> Result<PathBuf, Missing> {
    let missing = |reason: &str| Missing::new(needed_by, reason, KERNEL_REMEDY);
    let kernel = place::root().ok_or_else(|| missing("HOME is not set"))?;
    let kernel = kernel.join(place::KERNEL);
    if kernel.is_dir() {
        Ok(kernel)
    } else {
        Err(missing("there is no kernel for its machines"))
    }
}

fn socket(name: &str, below: &str) -> Result<PathBuf, Missing> {
    let missing = |reason: &str| Missing::new(name, reason, REMEDY);
    let socket = place::root().ok_or_else(|| missing("HOME is not set"))?;
    let socket = socket.join(below);
    match UnixStream::connect(&socket) {
        Ok(_) => Ok(socket),
        Err(error) => Err(missing(&format!("not running: {error}"))),
    }
}

fn program(below: &str) -> Result<PathBuf, Missing> {
    let missing = |reason: &str| Missing::new("gvisor", reason, REMEDY);
    let program = place::root().ok_or_else(|| missing("HOME is not set"))?;
    let program = program.join(below);
    if program.is_file() {
        Ok(program)
    } else {
        Err(missing("not installed"))
    }
}
