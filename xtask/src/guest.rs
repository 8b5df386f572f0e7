//! The guest as wasm modules and as a static program for Linux: built from source, initialised,
//! packed and checked in.
//!
//! The initialisation needs wasmtime, which nothing else here does: it is behind a feature, and
//! this task runs itself again with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::shell::{cargo, command, is_installed, quiet, run as run_loudly, say, workspace};

/// The guests: those for wasm are each a feature of `toolexec-guest`, the one for Linux is the
/// whole program. What starts it in a virtual machine is built like it.
const GUESTS: [&str; 4] = ["javascript", "python", LINUX, INIT];
const TARGET: &str = "wasm32-wasip1";
/// The guest for containers and virtual machines.
const LINUX: &str = "linux-x86_64";
/// The first process of virtual machines.
const INIT: &str = "init-x86_64";
/// With the C library of the distribution, linked in.
const LINUX_TARGET: &str = "x86_64-unknown-linux-gnu";
/// Of the guest's stack inside its memory. A stack overflow ends below the data.
const STACK: &str = "1048576";
/// What the compilers of C need.
const PACKAGES: [&str; 4] = ["clang", "llvm", "lld", "wasi-libc"];

/// What to build.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Options {
    /// Change nothing; fail when a module differs from what the sources make.
    #[arg(long)]
    check: bool,
    /// Only look whether the sources are those that the modules were built from.
    #[arg(long, conflicts_with = "check")]
    stale: bool,
    /// Only this guest.
    #[arg(long)]
    only: Option<String>,
}

impl Options {
    /// Compares all of them with what the sources make.
    pub(crate) fn check() -> Self {
        Self {
            check: true,
            ..Self::default()
        }
    }
}

/// Builds the guests, or checks those that are there.
pub(crate) fn run(options: &Options) -> Result<()> {
    let only = options.only.as_deref();
    let guests = GUESTS
        .into_iter()
        .filter(|guest| only.is_none_or(|only| only == *guest));
    if options.stale {
        return stale();
    }
    prepare()?;
    let mut manifest = read_manifest();
    for guest in guests {
        let built = build(guest)?;
        let packed = pack(guest, &built)?;
        let kept = directory().join(file_name(guest));
        if options.check {
            compare(guest, &packed, &kept, &manifest)?;
        } else {
            fs::create_dir_all(directory())?;
            fs::copy(&packed, &kept)?;
            manifest[guest] =
                json!({ "module": hash_file(&kept)?, "bytes": fs::metadata(&kept)?.len() });
            say(format!("{guest}: {} KiB", fs::metadata(&kept)?.len() >> 10));
        }
    }
    if !options.check {
        manifest["sources"] = sources()?.into();
        manifest["rustc"] = first_line(command("rustc").arg("--version"))?.into();
        manifest["clang"] = first_line(command("clang").arg("--version"))?.into();
        manifest["cc"] = c_compiler()?.into();
        fs::write(
            manifest_path(),
            serde_json::to_string_pretty(&manifest)? + "\n",
        )?;
    }
    Ok(())
}

/// Fails when the sources changed after the modules were built.
fn stale() -> Result<()> {
    if read_manifest()["sources"] != sources()? {
        bail!("the guests are older than their sources: run `cargo xtask guest`");
    }
    Ok(())
}

/// Installs what builds for wasm, where that can be done.
fn prepare() -> Result<()> {
    quiet(command("rustup").args(["target", "add", TARGET]))?;
    let has_headers = Path::new("/usr/include/wasm32-wasi").is_dir();
    if is_installed("clang") && is_installed("llvm-ar") && has_headers {
        return Ok(());
    }
    let install = format!(
        "apt-get install -y --no-install-recommends {}",
        PACKAGES.join(" ")
    );
    let is_root = quiet(command("id").arg("-u")).is_ok_and(|id| id.stdout.starts_with(b"0\n"));
    if !is_root || !is_installed("apt-get") {
        bail!("the guest for wasm needs clang and wasi-libc: sudo {install}");
    }
    say(format!("installs what builds for wasm: {install}"));
    quiet(command("sh").args(["-c", &format!("apt-get update -qq && {install}")]))?;
    Ok(())
}

/// Compiles one guest and returns the module, or the program.
fn build(guest: &str) -> Result<PathBuf> {
    // A directory for each guest: they differ in features, and would be linked again each time.
    let target = target_directory().join(format!("guest-{guest}"));
    let mut rust_flags = remapped(&target)?;
    let mut rustc = cargo();
    rustc
        .args(["rustc", "-p", package(guest), "--locked"])
        .args(["--profile", "guest", "--target-dir"])
        .arg(&target);
    let built = if is_static(guest) {
        rust_flags.extend(["-Ctarget-feature=+crt-static", "-Cstrip=symbols"].map(String::from));
        rustc
            .args(["--bin", package(guest), "--target", LINUX_TARGET])
            .env("CFLAGS_x86_64_unknown_linux_gnu", c_prefixes(&target)?);
        target.join(LINUX_TARGET).join("guest").join(package(guest))
    } else {
        rust_flags.push(format!("-Clink-arg=-zstack-size={STACK}"));
        let root = workspace().display().to_string();
        let c_flags = format!(
            "-isystem /usr/include/wasm32-wasi \
             -include {root}/crates/toolexec-guest/wasm/quickjs.h {}",
            c_prefixes(&target)?
        );
        rustc
            .args(["--lib", "--crate-type", "cdylib", "--target", TARGET])
            .args(["--no-default-features", "--features", guest])
            .env("RQUICKJS_SYS_NO_WASI_SDK", "1")
            .env("CC_wasm32_wasip1", "clang")
            .env("AR_wasm32_wasip1", "llvm-ar")
            .env("CFLAGS_wasm32_wasip1", c_flags);
        target.join(TARGET).join("guest/toolexec_guest.wasm")
    };
    rustc.env("CARGO_ENCODED_RUSTFLAGS", rust_flags.join("\u{1f}"));
    run_loudly(&mut rustc)?;
    Ok(built)
}

/// Flags with which no path of this machine ends up in what is built; of two that fit, the later
/// one counts.
fn remapped(target: &Path) -> Result<Vec<String>> {
    let home = cargo_home()?;
    let sysroot = first_line(command("rustc").args(["--print", "sysroot"]))?;
    let mut rust_flags = vec![
        format!("--remap-path-prefix={home}=/cargo"),
        format!("--remap-path-prefix={}=/toolexec", workspace().display()),
        format!("--remap-path-prefix={}=/target", target.display()),
        format!("--remap-path-prefix={sysroot}=/rust"),
    ];
    for registry in fs::read_dir(Path::new(&home).join("registry/src"))? {
        let registry = registry?.path();
        rust_flags.push(format!(
            "--remap-path-prefix={}=/crates",
            registry.display()
        ));
    }
    Ok(rust_flags)
}

/// The same for what is written in C.
fn c_prefixes(target: &Path) -> Result<String> {
    Ok(format!(
        "-ffile-prefix-map={}=/cargo -ffile-prefix-map={}=/toolexec -ffile-prefix-map={}=/target",
        cargo_home()?,
        workspace().display(),
        target.display()
    ))
}

fn cargo_home() -> Result<String> {
    std::env::var("CARGO_HOME")
        .or_else(|_| std::env::var("HOME").map(|home| format!("{home}/.cargo")))
        .context("neither CARGO_HOME nor HOME is set")
}

/// Initialises and packs a module, in another run of this program that can.
fn pack(guest: &str, module: &Path) -> Result<PathBuf> {
    let packed = target_directory().join(file_name(guest));
    let mut again = cargo();
    again
        .args([
            "run",
            "--quiet",
            "-p",
            "xtask",
            "--features",
            "guest",
            "--",
            "guest-image",
        ])
        .args([module, packed.as_path()]);
    run_loudly(&mut again)?;
    Ok(packed)
}

fn compare(guest: &str, packed: &Path, kept: &Path, manifest: &Value) -> Result<()> {
    if hash_file(packed)? == hash_file(kept)? {
        say(format!("{guest}: is what its sources make"));
        return Ok(());
    }
    let (name, compiler) = if is_static(guest) {
        ("cc", c_compiler()?)
    } else {
        ("clang", first_line(command("clang").arg("--version"))?)
    };
    if manifest[name] != compiler {
        // Another compiler makes other code; that it builds and starts is what can be checked.
        say(format!(
            "{guest}: not compared: it was built with another compiler than {compiler}"
        ));
        return Ok(());
    }
    bail!(
        "{} is not what its sources make ({} is): run `cargo xtask guest`",
        file_name(guest),
        packed.display()
    );
}

/// The compiler of C and the C library, which is linked in.
fn c_compiler() -> Result<String> {
    let compiler = first_line(command("cc").arg("--version"))?;
    let library = first_line(command("ldd").arg("--version"))?;
    Ok(format!("{compiler}, {library}"))
}

/// Whether it is a static program for Linux, and no module.
fn is_static(guest: &str) -> bool {
    matches!(guest, LINUX | INIT)
}

fn package(guest: &str) -> &'static str {
    match guest {
        INIT => "toolexec-init",
        _ => "toolexec-guest",
    }
}

fn file_name(guest: &str) -> String {
    if is_static(guest) {
        format!("{guest}.zst")
    } else {
        format!("{guest}.wasm.zst")
    }
}

/// A hash of everything that ends up in the guests, but for the dependencies' own sources.
fn sources() -> Result<String> {
    let root = workspace();
    let mut files = vec![
        root.join("crates/toolexec-guest/Cargo.toml"),
        root.join("crates/toolexec-init/Cargo.toml"),
        root.join("crates/toolexec-jail/Cargo.toml"),
        root.join("crates/toolexec-wire/Cargo.toml"),
        root.join("crates/toolexec-guest/wasm/quickjs.h"),
    ];
    for name in ["guest", "init", "jail", "wire"] {
        collect(
            &root.join(format!("crates/toolexec-{name}/src")),
            &mut files,
        )?;
    }
    files.sort();
    let mut hash = Hash::default();
    for file in files {
        let name = file.strip_prefix(&root).unwrap_or(&file);
        hash.add(name.to_string_lossy().as_bytes());
        hash.add(&fs::read(&file)?);
    }
    Ok(hash.text())
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// FNV-1a: told apart is all that is asked of it.
struct Hash(u64);

impl Default for Hash {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hash {
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn text(&self) -> String {
        format!("{:016x}", self.0)
    }
}

fn hash_file(path: &Path) -> Result<String> {
    let mut hash = Hash::default();
    hash.add(&fs::read(path).with_context(|| format!("{} is missing", path.display()))?);
    Ok(hash.text())
}

fn first_line(command: &mut Command) -> Result<String> {
    let output = quiet(command)?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

fn read_manifest() -> Value {
    fs::read_to_string(manifest_path())
        .ok()
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_else(|| json!({}))
}

fn manifest_path() -> PathBuf {
    directory().join("manifest.json")
}

fn directory() -> PathBuf {
    workspace().join("crates/toolexec-sandbox/guest")
}

/// Where Cargo builds.
pub(crate) fn target_directory() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    // Cargo, too, starts from the root of the workspace.
    workspace().join(target)
}
