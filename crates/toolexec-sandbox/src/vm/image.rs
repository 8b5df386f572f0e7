//! Images of virtual machines: a kernel and the file system that it starts with, kept under the
//! hash of what they were made of.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use toolexec_core::{Error, ErrorKind, Result};

use super::cpio::Archive;
use super::kernel::{self, Kernel, KernelError, Module};
use super::vmlinux;
use crate::hex::hex;
use crate::linux_guest::{GUEST_PATH, LinuxGuest};
use crate::{first_process, private, unavailable};

/// What the first process loads, and what that needs.
const MODULES: [&str; 2] = ["virtio_mmio", "virtio_console"];
/// What it loads besides in machines that have a virtual socket. QEMU's have none.
const VSOCK_MODULES: [&str; 2] = ["vmw_vsock_virtio_transport", "virtio_rng"];
/// What it loads in machines that have a disk, unless it is part of the kernel.
const DISK_MODULES: [&str; 2] = ["virtio_blk", "ext4"];
const KERNEL: &str = "kernel";
const INITRD: &str = "initrd";
const MANIFEST: &str = "image.json";
const PREFIX: &str = "vm-";
/// Changes when images are made otherwise.
const FORMAT: &str = "2";

/// Where images are kept.
#[derive(Debug, Clone)]
pub struct Images {
    directory: PathBuf,
}

/// A kernel and the file system that it starts with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    directory: PathBuf,
    manifest: Manifest,
}

/// What is written beside the files of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    /// The version of Linux.
    linux: String,
    /// The hash of the guest and of what starts it.
    programs: String,
    kernel: FileHash,
    initrd: FileHash,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileHash {
    bytes: u64,
    sha256: String,
}

impl Images {
    /// Images in a directory that only the user may write to; it is made when it is needed.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
        }
    }

    /// Images in the cache of the user, or below the directory of temporary files.
    pub fn below(cache: Option<&Path>) -> Self {
        Self::new(private::cache(cache).join("images"))
    }

    /// Makes an image of the newest kernel below `root` (`/`, or where a package was unpacked) and
    /// this guest. What is there already, and whole, is taken.
    ///
    /// # Errors
    /// [`ErrorKind::SandboxUnavailable`] when there is no such kernel, or the image cannot be kept.
    pub fn build(&self, root: &Path, guest: &LinuxGuest) -> Result<Image> {
        let kernel = Kernel::find_in(root).map_err(no_kernel)?;
        let parts = Parts::collect(&kernel, guest)?;
        let directory = self.directory.join(parts.name());
        match Image::open(&directory) {
            Ok(image) => return Ok(image),
            // Half of one, or one that was changed.
            Err(_) => drop(fs::remove_dir_all(&directory)),
        }
        self.keep(&parts, &directory).map_err(|error| {
            let hint = match error.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    "make room where images are kept: `toolexec image ls` shows them, and \
                     `toolexec image rm` removes those that are not needed"
                }
                _ => "the cache directory must be writable, and only for this user",
            };
            unavailable("the image of the virtual machine cannot be written")
                .with_hint(hint)
                .with_source(error)
        })?;
        Image::open(&directory)
    }

    /// The image of this guest with the newest kernel, if one is there.
    ///
    /// # Errors
    /// [`ErrorKind::SandboxUnavailable`] when it is damaged, or there is no such guest.
    pub fn find(&self, guest: &LinuxGuest) -> Result<Option<Image>> {
        let images = self.list().map_err(|error| {
            unavailable("the images of virtual machines cannot be read").with_source(error)
        })?;
        if images.is_empty() {
            return Ok(None);
        }
        let wanted = programs(&first_process::bytes()?, &guest.bytes()?);
        let fitting = images
            .into_iter()
            .filter(|image| image.manifest.programs == wanted)
            .max_by_key(|image| kernel::numbers(image.linux()));
        fitting
            .map(|image| Image::open(&image.directory))
            .transpose()
    }

    /// The images that are there, by name. Their files are not read.
    ///
    /// # Errors
    /// When the directory cannot be read; none is no error.
    pub fn list(&self) -> io::Result<Vec<Image>> {
        let entries = match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut images: Vec<Image> = entries
            .flatten()
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX))
            .filter_map(|entry| Image::described(&entry.path()).ok())
            .collect();
        images.sort_by(|one, other| one.directory.cmp(&other.directory));
        Ok(images)
    }

    /// Removes an image by its name.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is none of this name.
    pub fn remove(&self, name: &str) -> Result<()> {
        let images = self.list().unwrap_or_default();
        let Some(image) = images.into_iter().find(|image| image.name() == name) else {
            let message = format!("there is no image {name}");
            return Err(Error::new(ErrorKind::NotFound, message)
                .with_hint("`toolexec image ls` shows those that are there"));
        };
        fs::remove_dir_all(&image.directory)
            .map_err(|error| unavailable("the image cannot be removed").with_source(error))
    }

    /// Writes an image under another name first, so that nobody finds half of it.
    fn keep(&self, parts: &Parts, directory: &Path) -> io::Result<()> {
        private::create_dir(&self.directory)?;
        let unfinished = tempfile::Builder::new()
            .prefix("unfinished-")
            .tempdir_in(&self.directory)?;
        let write = |name: &str, bytes: &[u8]| {
            fs::write(unfinished.path().join(name), bytes)?;
            Ok::<_, io::Error>(FileHash {
                bytes: bytes.len() as u64,
                sha256: hash(bytes),
            })
        };
        let manifest = Manifest {
            linux: parts.linux.clone(),
            programs: programs(&parts.init, &parts.guest),
            kernel: write(KERNEL, &parts.kernel)?,
            initrd: write(INITRD, &parts.initrd()?)?,
        };
        write(MANIFEST, &serde_json::to_vec_pretty(&manifest)?)?;
        match fs::rename(unfinished.path(), directory) {
            Ok(()) => drop(unfinished.keep()),
            // Another process was faster.
            Err(_) if directory.is_dir() => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

impl Image {
    /// The image in a directory.
    ///
    /// # Errors
    /// [`ErrorKind::SandboxUnavailable`] when a file is missing, cut off or changed.
    pub fn open(directory: &Path) -> Result<Self> {
        let image = Self::described(directory)?;
        for (name, wanted) in [
            (KERNEL, &image.manifest.kernel),
            (INITRD, &image.manifest.initrd),
        ] {
            let bytes = fs::read(directory.join(name)).map_err(|error| {
                damaged(&format!("its file {name} cannot be read")).with_source(error)
            })?;
            if bytes.len() as u64 != wanted.bytes {
                let (is, was) = (bytes.len(), wanted.bytes);
                return Err(damaged(&format!(
                    "its file {name} has {is} bytes instead of {was}"
                )));
            }
            if hash(&bytes) != wanted.sha256 {
                return Err(damaged(&format!("its file {name} was changed")));
            }
        }
        Ok(image)
    }

    /// The image in a directory, as it says of itself.
    fn described(directory: &Path) -> Result<Self> {
        let text = fs::read(directory.join(MANIFEST))
            .map_err(|error| damaged("it is not described").with_source(error))?;
        let manifest = serde_json::from_slice(&text)
            .map_err(|error| damaged("its description cannot be read").with_source(error))?;
        Ok(Self {
            directory: directory.to_owned(),
            manifest,
        })
    }

    /// Its name: the hash of what it was made of.
    pub fn name(&self) -> String {
        let name = self.directory.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// Where it is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The version of Linux in it.
    pub fn linux(&self) -> &str {
        &self.manifest.linux
    }

    /// The bytes of its files.
    pub fn size(&self) -> u64 {
        self.manifest.kernel.bytes + self.manifest.initrd.bytes
    }

    /// The hashes of its kernel and of that file system.
    pub(crate) fn hashes(&self) -> [String; 2] {
        [&self.manifest.kernel, &self.manifest.initrd].map(|file| file.sha256.clone())
    }

    /// Its kernel.
    pub fn kernel(&self) -> PathBuf {
        self.directory.join(KERNEL)
    }

    /// The file system that its kernel starts with.
    pub fn initrd(&self) -> PathBuf {
        self.directory.join(INITRD)
    }
}

/// What an image is made of.
struct Parts {
    linux: String,
    kernel: Vec<u8>,
    modules: Vec<Module>,
    disk_modules: Vec<Module>,
    init: Vec<u8>,
    guest: Vec<u8>,
}

impl Parts {
    fn collect(kernel: &Kernel, guest: &LinuxGuest) -> Result<Self> {
        let optional = [VSOCK_MODULES, DISK_MODULES].concat();
        let load = |optional: &[&str]| kernel.modules(&MODULES, optional).map_err(no_kernel);
        let mut modules = load(&optional)?;
        // What only a disk needs comes last.
        let disk_modules = modules.split_off(load(&VSOCK_MODULES)?.len());
        let packed = fs::read(&kernel.vmlinuz).map_err(|source| {
            no_kernel(KernelError::Read {
                path: kernel.vmlinuz.clone(),
                source,
            })
        })?;
        let unpacked = vmlinux::extract(&packed).map_err(no_kernel)?;
        Ok(Self {
            linux: kernel.version.clone(),
            kernel: unpacked.unwrap_or(packed),
            modules,
            disk_modules,
            init: first_process::bytes()?,
            guest: guest.bytes()?,
        })
    }

    fn name(&self) -> String {
        let mut all = Sha256::new();
        let mut add = |bytes: &[u8]| {
            all.update((bytes.len() as u64).to_le_bytes());
            all.update(bytes);
        };
        add(FORMAT.as_bytes());
        add(self.linux.as_bytes());
        add(&self.kernel);
        for module in self.modules.iter().chain(&self.disk_modules) {
            add(module.name.as_bytes());
            add(&module.content);
        }
        add(&self.init);
        add(&self.guest);
        let hash = hex(&all.finalize());
        format!("{PREFIX}{}", &hash[..16])
    }

    fn initrd(&self) -> io::Result<Vec<u8>> {
        let mut archive = Archive::new(Vec::new());
        for directory in ["dev", "proc", "root", "modules", "disk-modules"] {
            archive.directory(directory)?;
        }
        archive.file("init", 0o755, &self.init)?;
        archive.file(GUEST_PATH, 0o755, &self.guest)?;
        for (directory, modules) in [
            ("modules", &self.modules),
            ("disk-modules", &self.disk_modules),
        ] {
            for (at, module) in modules.iter().enumerate() {
                let name = format!("{directory}/{at:02}-{}.ko", module.name);
                archive.file(&name, 0o644, &module.content)?;
            }
        }
        archive.finish()
    }
}

fn programs(init: &[u8], guest: &[u8]) -> String {
    hash(format!("{}{}", hash(init), hash(guest)).as_bytes())
}

fn no_kernel(error: KernelError) -> Error {
    let cannot = |why: &str| unavailable(&format!("the kernel cannot be used: {why}"));
    let problem = match &error {
        KernelError::NoKernel(_) => unavailable("there is no kernel for virtual machines"),
        KernelError::NoModule { module, .. } => cannot(&format!("it has no module {module}")),
        KernelError::Packed(_) => {
            cannot("a module is packed in a way that is not known (xz and zstd are), or damaged")
        }
        KernelError::Read { .. } => cannot("it cannot be read"),
        KernelError::NoImage(why) => cannot(why),
    };
    let hint = "`toolexec image build` downloads one where apt knows linux-image-cloud-amd64; or \
                unpack the package of a kernel for x86_64 and name the directory: \
                toolexec image build --kernel DIRECTORY";
    problem.with_hint(hint).with_source(error)
}

fn damaged(what: &str) -> Error {
    unavailable(&format!(
        "the image of the virtual machine is damaged: {what}"
    ))
    .with_hint("make it anew: toolexec image build")
}

fn hash(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A kernel that looks like one, and a guest that does not.
    fn material(root: &Path) -> LinuxGuest {
        let put = |path: &str, content: &[u8]| {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        };
        put("boot/vmlinuz-6.1", &vmlinux::fake_kernel());
        put("lib/modules/6.1/virtio_mmio.ko", b"\x7fELF\0depends=\0");
        put("lib/modules/6.1/virtio_console.ko", b"\x7fELF\0depends=\0");
        put("guest", b"\x7fELF guest");
        LinuxGuest::at(root.join("guest"), None)
    }

    #[test]
    fn the_same_parts_make_the_same_image() {
        let root = tempfile::tempdir().unwrap();
        let guest = material(root.path());
        let images = Images::new(root.path().join("images"));
        assert_eq!(images.list().unwrap(), []);
        let image = images.build(root.path(), &guest).unwrap();
        let other = Images::new(root.path().join("others"));
        let again = other.build(root.path(), &guest).unwrap();
        assert_eq!(image.name(), again.name());
        let both = [&image, &again].map(|image| fs::read(image.initrd()).unwrap());
        assert_eq!(both[0], both[1]);
        assert_eq!(images.list().unwrap(), std::slice::from_ref(&image));
        fs::write(root.path().join("guest"), b"\x7fELF another").unwrap();
        let changed = images.build(root.path(), &guest).unwrap();
        assert_ne!(image.name(), changed.name());
        images.remove(&image.name()).unwrap();
        assert_eq!(images.list().unwrap(), [changed]);
        let error = images.remove("vm-0").unwrap_err();
        assert_eq!(error.guest_message(), "there is no image vm-0");
    }

    #[test]
    fn what_was_cut_off_or_changed_is_found_and_made_anew() {
        let root = tempfile::tempdir().unwrap();
        let guest = material(root.path());
        let images = Images::new(root.path().join("images"));
        let image = images.build(root.path(), &guest).unwrap();
        let whole = fs::read(image.initrd()).unwrap();
        let problem = || {
            Image::open(image.directory())
                .unwrap_err()
                .guest_message()
                .to_owned()
        };
        fs::write(image.initrd(), &whole[..whole.len() - 1]).unwrap();
        let prefix = "the image of the virtual machine is damaged: its file";
        let (is, was) = (whole.len() - 1, whole.len());
        assert_eq!(
            problem(),
            format!("{prefix} initrd has {is} bytes instead of {was}")
        );
        let mut other = vmlinux::fake_kernel();
        other[119] = 1;
        fs::write(image.kernel(), other).unwrap();
        assert_eq!(problem(), format!("{prefix} kernel was changed"));
        assert_eq!(images.build(root.path(), &guest).unwrap(), image);
        assert_eq!(fs::read(image.initrd()).unwrap(), whole);
    }

    #[test]
    fn without_a_kernel_there_is_no_image() {
        let root = tempfile::tempdir().unwrap();
        let guest = LinuxGuest::at("/nowhere", None);
        let error = Images::new(root.path())
            .build(root.path(), &guest)
            .unwrap_err();
        assert_eq!(
            error.guest_message(),
            "there is no kernel for virtual machines"
        );
    }
}
