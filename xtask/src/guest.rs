//! The guest as wasm modules: built from source, initialised, packed and checked in.
//!
//! The initialisation needs wasmtime, which nothing else here does: it is behind a feature, and
//! this task runs itself again with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::shell::{cargo, command, is_installed, quiet, run as run_loudly, say, workspace};

/// The guests, each a feature of `toolexec-guest`.
const GUESTS: [&str; 2] = ["javascript", "python"];
const TARGET: &str = "wasm32-wasip1";
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
        let kept = directory().join(format!("{guest}.wasm.zst"));
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
        bail!("the wasm guests are older than their sources: run `cargo xtask guest`");
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

/// Compiles one guest and returns the module.
fn build(guest: &str) -> Result<PathBuf> {
    let home = std::env::var("CARGO_HOME")
        .or_else(|_| std::env::var("HOME").map(|home| format!("{home}/.cargo")))
        .context("neither CARGO_HOME nor HOME is set")?;
    let root = workspace().display().to_string();
    // A directory for each guest: they differ in features, and would be linked again each time.
    let target = target_directory().join(format!("guest-{guest}"));
    let built = target.display();
    let sysroot = first_line(command("rustc").args(["--print", "sysroot"]))?;
    // No path of this machine ends up in the module; of two that fit, the later one counts.
    let mut rust_flags = vec![
        format!("--remap-path-prefix={home}=/cargo"),
        format!("--remap-path-prefix={root}=/toolexec"),
        format!("--remap-path-prefix={built}=/target"),
        format!("--remap-path-prefix={sysroot}=/rust"),
    ];
    for registry in fs::read_dir(Path::new(&home).join("registry/src"))? {
        let registry = registry?.path();
        rust_flags.push(format!(
            "--remap-path-prefix={}=/crates",
            registry.display()
        ));
    }
    rust_flags.push(format!("-Clink-arg=-zstack-size={STACK}"));
    let c_flags = format!(
        "-isystem /usr/include/wasm32-wasi -include {root}/crates/toolexec-guest/wasm/quickjs.h \
         -ffile-prefix-map={home}=/cargo -ffile-prefix-map={root}=/toolexec \
         -ffile-prefix-map={built}=/target"
    );
    let mut rustc = cargo();
    rustc
        .args([
            "rustc",
            "-p",
            "toolexec-guest",
            "--lib",
            "--crate-type",
            "cdylib",
        ])
        .args(["--locked", "--profile", "guest", "--target", TARGET])
        .arg("--target-dir")
        .arg(&target)
        .args(["--no-default-features", "--features", guest])
        .env("RQUICKJS_SYS_NO_WASI_SDK", "1")
        .env("CC_wasm32_wasip1", "clang")
        .env("AR_wasm32_wasip1", "llvm-ar")
        .env("CFLAGS_wasm32_wasip1", c_flags)
        .env("CARGO_ENCODED_RUSTFLAGS", rust_flags.join("\u{1f}"));
    run_loudly(&mut rustc)?;
    Ok(target.join(TARGET).join("guest/toolexec_guest.wasm"))
}

/// Initialises and packs a module, in another run of this program that can.
fn pack(guest: &str, module: &Path) -> Result<PathBuf> {
    let packed = target_directory().join(format!("{guest}.wasm.zst"));
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
    let clang = first_line(command("clang").arg("--version"))?;
    if manifest["clang"] != clang {
        // Another compiler makes other code; that it builds and starts is what can be checked.
        say(format!(
            "{guest}: not compared: it was built with another clang than {clang}"
        ));
        return Ok(());
    }
    bail!(
        "{guest}.wasm.zst is not what its sources make ({} is): run `cargo xtask guest`",
        packed.display()
    );
}

/// A hash of everything that ends up in the modules, but for the dependencies' own sources.
fn sources() -> Result<String> {
    let root = workspace();
    let mut files = vec![
        root.join("crates/toolexec-guest/Cargo.toml"),
        root.join("crates/toolexec-wire/Cargo.toml"),
        root.join("crates/toolexec-guest/wasm/quickjs.h"),
    ];
    for directory in ["crates/toolexec-guest/src", "crates/toolexec-wire/src"] {
        collect(&root.join(directory), &mut files)?;
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

fn target_directory() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    // Cargo, too, starts from the root of the workspace.
    workspace().join(target)
}
