//! The kernel that a distribution packages: where its parts are, and which modules go with which.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::unpack::unpack;

/// A kernel as its package unpacks, or as it is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kernel {
    /// Such as `6.1.0-56-cloud-amd64`.
    pub(crate) version: String,
    /// The image that boot loaders start.
    pub(crate) vmlinuz: PathBuf,
    /// The directory of its modules.
    pub(crate) modules: PathBuf,
}

/// A module, ready to be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Module {
    /// Its name, with underscores.
    pub(crate) name: String,
    /// An ELF object, not compressed.
    pub(crate) content: Vec<u8>,
}

/// Why a kernel cannot be used. For operators: it may name paths of the host.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KernelError {
    /// There is none.
    #[error("no kernel is in {}", .0.display())]
    NoKernel(PathBuf),
    /// It has no such module.
    #[error("the kernel {version} has no module {module}")]
    NoModule {
        /// Which kernel.
        version: String,
        /// The module.
        module: String,
    },
    /// A module is packed in a way that is not known, or damaged.
    #[error("{} is packed in a way that is not known, or damaged", .0.display())]
    Packed(PathBuf),
    /// A file cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The image is none, or none that machines start.
    #[error("{0}")]
    NoImage(&'static str),
}

impl Kernel {
    /// The newest kernel below `root`: `/` for what is installed, or where a package was unpacked.
    ///
    /// # Errors
    /// When there is none with modules.
    pub(crate) fn find_in(root: &Path) -> Result<Self, KernelError> {
        let mut found = Vec::new();
        for entry in fs::read_dir(root.join("boot"))
            .into_iter()
            .flatten()
            .flatten()
        {
            let name = entry.file_name();
            let Some(version) = name.to_str().and_then(|name| name.strip_prefix("vmlinuz-")) else {
                continue;
            };
            let modules = ["lib/modules", "usr/lib/modules"]
                .map(|dir| root.join(dir).join(version))
                .into_iter()
                .find(|dir| dir.is_dir());
            found.extend(modules.map(|modules| Self {
                version: version.to_owned(),
                vmlinuz: entry.path(),
                modules,
            }));
        }
        let newest = found.into_iter().max_by_key(|one| numbers(&one.version));
        newest.ok_or_else(|| KernelError::NoKernel(root.to_owned()))
    }

    /// These modules and those that they need, each after what it needs; of the optional ones,
    /// those that are there.
    ///
    /// # Errors
    /// When one is not there or cannot be read.
    pub(crate) fn modules(
        &self,
        wanted: &[&str],
        optional: &[&str],
    ) -> Result<Vec<Module>, KernelError> {
        let mut paths = BTreeMap::new();
        collect(&self.modules, &mut paths)?;
        let mut ordered = Vec::new();
        for name in wanted {
            self.load(name, &paths, &mut ordered)?;
        }
        for name in optional {
            match self.load(name, &paths, &mut ordered) {
                Err(KernelError::NoModule { .. }) => {}
                loaded => loaded?,
            }
        }
        Ok(ordered)
    }

    fn load(
        &self,
        name: &str,
        paths: &BTreeMap<String, PathBuf>,
        ordered: &mut Vec<Module>,
    ) -> Result<(), KernelError> {
        if ordered.iter().any(|module| module.name == name) {
            return Ok(());
        }
        let path = paths.get(name).ok_or_else(|| KernelError::NoModule {
            version: self.version.clone(),
            module: name.to_owned(),
        })?;
        let packed = read(path)?;
        let content = unpack(packed).ok_or_else(|| KernelError::Packed(path.clone()))?;
        for needed in needs(&content) {
            self.load(&needed, paths, ordered)?;
        }
        ordered.push(Module {
            name: name.to_owned(),
            content,
        });
        Ok(())
    }
}

/// A version as its numbers, by which kernels are told older from newer.
pub(crate) fn numbers(version: &str) -> Vec<u64> {
    let parts = version.split(|letter: char| !letter.is_ascii_digit());
    parts.filter_map(|part| part.parse().ok()).collect()
}

fn collect(dir: &Path, paths: &mut BTreeMap<String, PathBuf>) -> Result<(), KernelError> {
    let failed = |source| KernelError::Read {
        path: dir.to_owned(),
        source,
    };
    for entry in fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() {
            collect(&entry.path(), paths)?;
        } else if let Some((name, _)) = entry.file_name().to_string_lossy().split_once(".ko") {
            paths.insert(name.replace('-', "_"), entry.path());
        }
    }
    Ok(())
}

/// What a module says it needs. It is in a section of texts, `name=value`, that end with a zero.
fn needs(content: &[u8]) -> Vec<String> {
    const MARK: &[u8] = b"\0depends=";
    let Some(at) = content.windows(MARK.len()).position(|part| part == MARK) else {
        return Vec::new();
    };
    let rest = content.get(at + MARK.len()..).unwrap_or_default();
    let end = rest.iter().position(|byte| *byte == 0).unwrap_or_default();
    let names = String::from_utf8_lossy(&rest[..end]);
    let names = names.split(',').filter(|name| !name.is_empty());
    names.map(|name| name.replace('-', "_")).collect()
}

fn read(path: &Path) -> Result<Vec<u8>, KernelError> {
    fs::read(path).map_err(|source| KernelError::Read {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &[u8] = b"\x7fELF module\x00depends=\x00";
    const XZ_PACKED: &[u8] = b"\xfd7zXZ\x00\x00\x01i\x22\xde6\x02\x00!\x01\x16\x00\x00\x00t/\xe5\xa3\x01\x00\x14\x7fELF module\x00depends=\x00\x00\x00\x00\x00\xb5\xd8=\x97\x00\x01)\x15+\xce\x1d\x09\x90B\x99\x0d\x01\x00\x00\x00\x00\x01YZ";
    const ZSTD_PACKED: &[u8] =
        b"(\xb5/\xfd\x04h\xa9\x00\x00\x7fELF module\x00depends=\x00eM\xbb\xed";

    fn put(root: &Path, path: &str, content: &[u8]) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn module(needs: &str) -> Vec<u8> {
        format!("\x7fELF...\0name=x\0depends={needs}\0more=\0").into_bytes()
    }

    #[test]
    fn the_newest_kernel_that_has_modules_is_found() {
        let root = tempfile::tempdir().unwrap();
        let none = Kernel::find_in(root.path()).unwrap_err();
        assert_eq!(
            none.to_string(),
            format!("no kernel is in {}", root.path().display())
        );
        for version in ["6.1.0-9-amd64", "6.1.0-10-amd64", "6.12.1"] {
            put(root.path(), &format!("boot/vmlinuz-{version}"), b"");
        }
        for version in ["6.1.0-9-amd64", "6.1.0-10-amd64"] {
            put(root.path(), &format!("usr/lib/modules/{version}/a.ko"), b"");
        }
        let found = Kernel::find_in(root.path()).unwrap();
        assert_eq!(found.version, "6.1.0-10-amd64");
    }

    #[test]
    fn modules_come_after_what_they_need_and_once() {
        let root = tempfile::tempdir().unwrap();
        put(root.path(), "boot/vmlinuz-1", b"");
        put(root.path(), "lib/modules/1/kernel/a/ring.ko", &module(""));
        put(
            root.path(),
            "lib/modules/1/kernel/virt-io.ko",
            &module("ring"),
        );
        put(
            root.path(),
            "lib/modules/1/kernel/b/console.ko",
            &module("virt-io,ring"),
        );
        put(root.path(), "lib/modules/1/kernel/cut.ko.xz", b"\xfd7zXZ\0");
        put(
            root.path(),
            "lib/modules/1/kernel/old.ko.gz",
            b"\x1f\x8b\x08",
        );
        let kernel = Kernel::find_in(root.path()).unwrap();
        let modules = kernel.modules(&["console"], &["none", "ring"]).unwrap();
        let names: Vec<&str> = modules.iter().map(|module| module.name.as_str()).collect();
        assert_eq!(names, ["ring", "virt_io", "console"]);
        let missing = kernel.modules(&["none"], &[]).unwrap_err();
        assert_eq!(missing.to_string(), "the kernel 1 has no module none");
        for name in ["cut", "old"] {
            assert!(matches!(
                kernel.modules(&[name], &[]).unwrap_err(),
                KernelError::Packed(_)
            ));
        }
    }

    /// `\x7fELF module` with a zero before and after `depends=`, as `xz --check=crc32 --lzma2` and
    /// `zstd -19` pack it.
    #[test]
    fn modules_are_unpacked_whatever_a_distribution_packs_them_with() {
        let root = tempfile::tempdir().unwrap();
        put(root.path(), "boot/vmlinuz-1", b"");
        put(root.path(), "lib/modules/1/plain.ko", PLAIN);
        put(root.path(), "lib/modules/1/xz.ko.xz", XZ_PACKED);
        put(root.path(), "lib/modules/1/zstd.ko.zst", ZSTD_PACKED);
        let kernel = Kernel::find_in(root.path()).unwrap();
        let modules = kernel.modules(&["plain", "xz", "zstd"], &[]).unwrap();
        for module in modules {
            assert_eq!(module.content, PLAIN, "{}", module.name);
        }
    }
}
