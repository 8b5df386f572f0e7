//! Images of virtual machines in which nothing would run.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use sha2::{Digest, Sha256};

/// Of this kernel, whatever it is.
pub(crate) fn image(work: &Path, kernel: &[u8]) -> PathBuf {
    image_of(work, kernel, b"\x7fELF archive")
}

/// Of a kernel and of the file system that it starts with, whatever they are.
pub(crate) fn image_of(work: &Path, kernel: &[u8], initrd: &[u8]) -> PathBuf {
    let directory = work.join("images/vm-0");
    fs::create_dir_all(&directory).unwrap();
    let file = |name: &str, content: &[u8]| {
        fs::write(directory.join(name), content).unwrap();
        let hash = Sha256::digest(content);
        let hash = hash.iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        });
        json!({"bytes": content.len(), "sha256": hash})
    };
    let (kernel, initrd) = (file("kernel", kernel), file("initrd", initrd));
    let manifest = json!({"linux": "1", "programs": "", "kernel": kernel, "initrd": initrd});
    fs::write(directory.join("image.json"), manifest.to_string()).unwrap();
    directory
}
