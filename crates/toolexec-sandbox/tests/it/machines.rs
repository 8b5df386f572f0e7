//! An image of a virtual machine in which nothing would run.

use std::fs;
use std::path::{Path, PathBuf};

use toolexec_sandbox::linux_guest::LinuxGuest;
use toolexec_sandbox::vm::Images;

/// Of this kernel, with a program that is no guest.
pub(crate) fn image(work: &Path, kernel: &[u8]) -> PathBuf {
    let put = |path: &str, content: &[u8]| {
        let path = work.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    };
    put("boot/vmlinuz-1", kernel);
    put("lib/modules/1/virtio_mmio.ko", b"\x7fELF\0depends=\0");
    put("lib/modules/1/virtio_console.ko", b"\x7fELF\0depends=\0");
    put("program", b"\x7fELF");
    let guest = LinuxGuest::at(work.join("program"), None);
    let images = Images::new(work.join("images"));
    images.build(work, &guest).unwrap().directory().to_owned()
}
