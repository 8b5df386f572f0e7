//! What runs in the machine, and what the machine must have for it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::kernel::{Kernel, Module};
use super::root::libraries_of;
use crate::guest::target_directory;
use crate::shell::{cargo, command, run, workspace};
use crate::test::hostile::build_static;

/// A file of the machine.
pub(super) struct File {
    /// Where it is there, without the first slash.
    pub(super) path: String,
    pub(super) mode: u32,
    pub(super) content: Vec<u8>,
}

/// Tests, and what they need besides themselves.
#[derive(Default)]
pub(super) struct Suite {
    /// Filters and options of the test binary.
    pub(super) args: Vec<String>,
    pub(super) variables: Vec<(&'static str, String)>,
    pub(super) directories: Vec<String>,
    pub(super) files: Vec<File>,
    /// What the machine's own kernel loads.
    pub(super) modules: Vec<Module>,
    /// Whether they run a second time as an ordinary user.
    pub(super) also_as_user: bool,
    /// The files that are shown when the tests have ended, as a pattern of the shell.
    pub(super) kept: Option<String>,
    pub(super) hardware: Hardware,
}

/// What the machine is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hardware {
    /// Its clock counts instructions, whatever else this machine does: no test waits for too short.
    #[default]
    Counted,
    /// Its processor runs virtual machines.
    Virtualizing,
}

/// The tests that a change of control groups could break.
const GROUPS: [&str; 4] = [
    "groups::",
    "leftovers::nothing_is_left_of_guests_that_were_dropped",
    "--skip",
    "docker::",
];
/// Those that run a real Firecracker.
const FIRECRACKER: [&str; 2] = ["firecracker::walls::", "firecracker::real::"];
/// The kernel's part of KVM for the processor that QEMU emulates.
const KVM: [&str; 1] = ["kvm_amd"];
/// Every module of which images of virtual machines are made.
const OF_IMAGES: [&str; 5] = [
    "virtio_mmio",
    "virtio_console",
    "vmw_vsock_virtio_transport",
    "virtio_rng",
    "virtio_blk",
];
/// The shell that is in the root of machines in the machine.
const SHELL: &str = "/bin/bash";
/// How that root describes itself.
const ROOT: &str = r#"{
    "recipe": {"with": ["bash"], "suite": "none", "mirror": "", "packages": [], "pip": [], "npm": []},
    "packages": [], "bytes": 0, "contents": "small"
}"#;
/// The tests, and what is kept of their results, in the workspace.
const TESTS: &str = "crates/toolexec-sandbox/tests";

impl Suite {
    /// Control groups of version 2.
    pub(super) fn groups() -> Self {
        Self {
            args: GROUPS.map(str::to_owned).to_vec(),
            variables: vec![("TOOLEXEC_CGROUPS", "2".to_owned())],
            also_as_user: true,
            ..Self::default()
        }
    }

    /// Firecracker on an emulated KVM.
    pub(super) fn firecracker(kernel: &Kernel) -> Result<Self> {
        let program = std::env::var_os("FIRECRACKER_BIN").map(PathBuf::from);
        let program = program.filter(|program| program.is_file());
        let Some(program) = program else {
            bail!("FIRECRACKER_BIN does not name a Firecracker: no package has it");
        };
        let mut files = vec![file("firecracker/firecracker", &program)?];
        let jailer = program.with_file_name("jailer");
        if jailer.is_file() {
            files.push(file("firecracker/jailer", &jailer)?);
        }
        let manifest = workspace().join("crates/toolexec-hostile/Cargo.toml");
        let (mut build, hostile) = build_static(cargo(), &manifest, &target_directory());
        run(&mut build)?;
        files.push(file(in_machine(&hostile)?, &hostile)?);
        files.extend(guest_kernel(kernel)?);
        files.extend(small_root()?);
        let tests = workspace().join(TESTS);
        for place in ["attacks", "it/snapshots"] {
            for entry in fs::read_dir(tests.join(place))? {
                let path = entry?.path();
                files.push(file(in_machine(&path)?, &path)?);
            }
        }
        let directory = |path: &Path| in_machine(path).map(str::to_owned);
        let update = std::env::var("INSTA_UPDATE").unwrap_or_else(|_| "no".to_owned());
        Ok(Self {
            args: FIRECRACKER.map(str::to_owned).to_vec(),
            variables: vec![
                ("FIRECRACKER_BIN", "/firecracker/firecracker".to_owned()),
                ("TOOLEXEC_REQUIRE", "firecracker".to_owned()),
                ("TOOLEXEC_DAEMONS", "/daemons".to_owned()),
                ("TOOLEXEC_TEST_ROOTS", "/roots".to_owned()),
                (
                    "INSTA_WORKSPACE_ROOT",
                    workspace().to_string_lossy().into_owned(),
                ),
                ("INSTA_UPDATE", update),
            ],
            directories: vec![
                directory(&target_directory().join("tmp"))?,
                directory(&tests.join("it"))?,
                directory(&tests.join("attacks"))?,
            ],
            files,
            modules: kernel.modules(&KVM, &[])?,
            kept: Some(format!("{}/attacks/*@firecracker.snap", tests.display())),
            hardware: Hardware::Virtualizing,
            ..Self::default()
        })
    }
}

/// Puts away what came of the attacks, where it shall be kept.
pub(super) fn keep(results: &[(String, String)]) -> Result<()> {
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        for (name, content) in results {
            fs::write(workspace().join(TESTS).join("attacks").join(name), content)?;
        }
    }
    Ok(())
}

/// The kernel of the machines in the machine, as its package would lie there.
fn guest_kernel(kernel: &Kernel) -> Result<Vec<File>> {
    let version = &kernel.version;
    let vmlinuz = format!("daemons/kernel/boot/vmlinuz-{version}");
    let mut files = vec![file(&vmlinuz, &kernel.vmlinuz)?];
    let modules = kernel.modules(&OF_IMAGES, &[])?;
    files.extend(modules.into_iter().map(|module| File {
        path: format!("daemons/kernel/lib/modules/{version}/{}.ko", module.name),
        mode: 0o644,
        content: module.content,
    }));
    Ok(files)
}

/// A root with a shell, as a disk: there is nothing in the machine that would make one.
fn small_root() -> Result<Vec<File>> {
    let work = tempfile::tempdir()?;
    let (root, disk) = (work.path().join("root"), work.path().join("disk"));
    for directory in ["bin", "dev", "proc", "tmp"] {
        fs::create_dir_all(root.join(directory))?;
    }
    fs::write(root.join("toolexec-guest"), "")?;
    let shell = Path::new(SHELL);
    for from in libraries_of(shell)?
        .iter()
        .map(PathBuf::as_path)
        .chain([shell])
    {
        let to = root.join(in_machine(from)?);
        fs::create_dir_all(to.parent().unwrap_or(&root))?;
        fs::copy(from, to)?;
    }
    let mut make = command("mke2fs");
    make.args(["-q", "-t", "ext4", "-O", "^has_journal", "-d"]);
    run(make.args([&root, &disk]).arg("16m"))?;
    let mut disk = file("roots/small/disk.ext4", &disk)?;
    disk.mode = 0o444;
    let manifest = File {
        path: "roots/small/root.json".to_owned(),
        mode: 0o644,
        content: ROOT.as_bytes().to_vec(),
    };
    Ok(vec![disk, manifest])
}

fn file(path: &str, source: &Path) -> Result<File> {
    Ok(File {
        path: path.to_owned(),
        mode: 0o755,
        content: fs::read(source)?,
    })
}

/// The same place in the machine.
fn in_machine(path: &Path) -> Result<&str> {
    let path = path.to_str().context("a path that is not Unicode")?;
    Ok(path.trim_start_matches('/'))
}
