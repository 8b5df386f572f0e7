//! Installs the real programs that tests talk to, each at its pinned version.

#[expect(unreachable_pub, reason = "the file is public in the testkit")]
#[path = "../../crates/toolexec-testkit/src/peers/table.rs"]
mod table;

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use table::{Installer, KITS, Kit, STAMP};

use crate::shell::{apt_install, command, is_installed, is_root, quiet, say};

/// Installations that run at the same time.
const AT_ONCE: usize = 3;

/// Options of `cargo xtask peers`.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Options {
    /// Install npm and python3-venv with apt-get when they are missing (implied as root with
    /// CI=true).
    #[arg(long)]
    install_system: bool,
    /// Only these.
    #[arg(value_name = "NAME")]
    only: Vec<String>,
}

/// Installs what is not installed yet and reports each failure.
pub(crate) fn run(options: &Options) -> Result<()> {
    let root = table::root().context("set TOOLEXEC_PEERS or HOME: where shall peers go?")?;
    for name in &options.only {
        if !KITS.iter().any(|kit| kit.name == name) {
            let names: Vec<&str> = KITS.iter().map(|kit| kit.name).collect();
            bail!("no peer is named {name}; there are {}", names.join(", "));
        }
    }
    let wanted: Vec<&Kit> = KITS
        .iter()
        .filter(|kit| options.only.is_empty() || options.only.iter().any(|name| name == kit.name))
        .collect();
    let absent: Vec<&Kit> = wanted
        .iter()
        .copied()
        .filter(|kit| !is_complete(&root, kit))
        .collect();
    if absent.is_empty() {
        say(format!(
            "peers: {} of {} are installed in {}",
            wanted.len(),
            wanted.len(),
            root.display()
        ));
        return Ok(());
    }
    provide_installers(&absent, options.install_system)?;
    fs::create_dir_all(&root).with_context(|| format!("cannot create {}", root.display()))?;
    let failures = install_all(&root, &absent);
    for (kit, error) in &failures {
        say(format!("peers: {} FAILED: {error:#}", kit.name));
    }
    say(format!(
        "peers: {} of {} are installed in {}",
        wanted.len() - failures.len(),
        wanted.len(),
        root.display()
    ));
    if !failures.is_empty() {
        let names: Vec<&str> = failures.iter().map(|(kit, _)| kit.name).collect();
        bail!("not installed: {}", names.join(", "));
    }
    Ok(())
}

fn is_complete(root: &Path, kit: &Kit) -> bool {
    fs::read_to_string(root.join(kit.name).join(STAMP)).is_ok_and(|stamp| stamp == kit.stamp())
}

fn install_all<'a>(root: &Path, kits: &[&'a Kit]) -> Vec<(&'a Kit, anyhow::Error)> {
    let queue = Mutex::new(kits.to_vec());
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(kit) = pop(&queue) {
                    if let Err(error) = install(root, kit) {
                        push(&failures, (kit, error));
                    }
                }
            });
        }
    });
    failures
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn install(root: &Path, kit: &Kit) -> Result<()> {
    let start = Instant::now();
    let dir = root.join(kit.name);
    if dir.exists() {
        fs::remove_dir_all(&dir).context("cannot remove what was there")?;
    }
    fs::create_dir_all(&dir)?;
    say(format!("peers: installing {} ...", kit.name));
    match kit.installer {
        Installer::Npm => npm(&dir, kit)?,
        Installer::Pip => pip(&dir, kit)?,
    }
    // Last, so that an interrupted installation is repeated.
    fs::write(dir.join(STAMP), kit.stamp())?;
    let took = start.elapsed().as_secs_f32();
    say(format!("peers: installed {} in {took:.1} s", kit.name));
    Ok(())
}

fn npm(dir: &Path, kit: &Kit) -> Result<()> {
    // Without a manifest of its own, npm looks for one in the directories above.
    fs::write(dir.join("package.json"), "{\"private\":true}\n")?;
    let mut npm = command("npm");
    npm.current_dir(dir)
        .args(["install", "--no-audit", "--no-fund", "--no-progress"])
        .args(["--loglevel=error", "--save-exact"])
        .args(kit.packages);
    quiet(&mut npm).map(drop)
}

fn pip(dir: &Path, kit: &Kit) -> Result<()> {
    quiet(command("python3").args(["-m", "venv"]).arg(dir))?;
    let mut pip = command(dir.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet"])
        .arg("--disable-pip-version-check")
        .args(kit.packages);
    quiet(&mut pip).map(drop)
}

/// Makes sure that npm and venv are there, for the kits that need them.
fn provide_installers(kits: &[&Kit], install_system: bool) -> Result<()> {
    let needs = |installer| kits.iter().any(|kit| kit.installer == installer);
    let mut packages = Vec::new();
    if needs(Installer::Npm) && !is_installed("npm") {
        packages.extend(["nodejs", "npm"]);
    }
    if needs(Installer::Pip) {
        // `ensurepip` is what Debian's python3 lacks without python3-venv.
        let probe = "import venv, ensurepip";
        if quiet(command("python3").args(["-c", probe])).is_err() {
            packages.extend(["python3", "python3-venv"]);
        }
        if !is_installed("git") {
            packages.push("git");
        }
    }
    if packages.is_empty() {
        return Ok(());
    }
    let line = packages.join(" ");
    let in_ci = std::env::var("CI").is_ok_and(|value| value == "true") && is_root();
    if !(install_system || in_ci) {
        bail!(
            "missing: {line}. Type:\n  sudo apt-get install {line}\nor the same with your system's package manager, or run `cargo xtask peers --install-system` as root"
        );
    }
    apt_install("peers", &packages)
}

fn pop<T>(queue: &Mutex<Vec<T>>) -> Option<T> {
    queue.lock().ok()?.pop()
}

fn push<T>(list: &Mutex<Vec<T>>, item: T) {
    if let Ok(mut list) = list.lock() {
        list.push(item);
    }
}
