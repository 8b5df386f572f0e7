//! Installs and starts what runs containers: Docker, containerd, runc and gVisor.
//!
//! The daemons are our own, with sockets and data in one directory, beside any that the machine
//! has. gVisor comes from Debian's backports with a state of apt of its own: the machine's list of
//! sources stays as it is.

#[expect(unreachable_pub, reason = "the file is public in the testkit")]
#[path = "../../crates/toolexec-testkit/src/daemons/place.rs"]
pub(crate) mod place;

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::shell::{apt_install, command, is_root, quiet, say};

/// What Debian's packages are called, and a program of each.
const PACKAGES: [(&str, &str); 5] = [
    ("docker.io", "dockerd"),
    ("containerd", "containerd"),
    ("runc", "runc"),
    // Programs for the roots of containers.
    ("busybox-static", "busybox"),
    // Makes roots with toolchains out of packages.
    ("debootstrap", "debootstrap"),
];
/// The release that this is for; what its backports have works on later ones, too.
const RELEASE: &str = "bookworm";
/// How long a daemon may take to its first answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Options of `cargo xtask daemons`.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Options {
    /// End them; what is installed stays.
    #[arg(long)]
    stop: bool,
}

/// Daemons that were started; they are ended when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Started(Vec<&'static Daemon>);

impl Drop for Started {
    fn drop(&mut self) {
        for daemon in self.0.iter().rev() {
            if let Err(error) = place().and_then(|place| daemon.stop(&place)) {
                say(format!("daemons: {}: {error:#}", daemon.name));
            }
        }
    }
}

/// A daemon of ours.
#[derive(Debug)]
struct Daemon {
    name: &'static str,
    program: &'static str,
    socket: &'static str,
    configure: fn(&Path) -> Result<()>,
    args: fn(&Path) -> Vec<String>,
}

const CONTAINERD: Daemon = Daemon {
    name: "containerd",
    program: "containerd",
    socket: place::CONTAINERD,
    configure: |place| {
        let at = |name: &str| place.join(name).display().to_string();
        let config = format!(
            "version = 2\nroot = {:?}\nstate = {:?}\n\
             disabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n\
             [grpc]\naddress = {:?}\n[ttrpc]\naddress = {:?}\n",
            at("containerd"),
            at("containerd-state"),
            at(place::CONTAINERD),
            at("containerd-ttrpc.sock")
        );
        Ok(fs::write(place.join("containerd.toml"), config)?)
    },
    args: |place| {
        let config = place.join("containerd.toml").display().to_string();
        vec!["--config".to_owned(), config]
    },
};

const DOCKER: Daemon = Daemon {
    name: "docker",
    program: "dockerd",
    socket: place::DOCKER,
    configure: |place| {
        // No network of its own: nothing of the machine's is changed, and nothing is needed.
        let config = json!({
            "bridge": "none", "iptables": false, "ip6tables": false, "ip-forward": false,
            "ip-masq": false, "log-driver": "none",
            "runtimes": {"runsc": {
                "path": place.join(place::RUNSC),
                "runtimeArgs": ["--platform=systrap", "--network=none"]
            }}
        });
        Ok(fs::write(place.join("daemon.json"), config.to_string())?)
    },
    args: |place| {
        let options = [
            ("--config-file", "daemon.json"),
            ("--containerd", place::CONTAINERD),
            ("--data-root", "docker"),
            ("--exec-root", "docker-exec"),
            ("--pidfile", "dockerd.pid"),
        ];
        let mut args = Vec::new();
        for (option, name) in options {
            args.extend([option.to_owned(), place.join(name).display().to_string()]);
        }
        args.extend(["--containerd-namespace", "toolexec-docker"].map(String::from));
        args.extend(["--containerd-plugins-namespace", "toolexec-plugins"].map(String::from));
        args.push("-H".to_owned());
        args.push(format!("unix://{}", place.join(place::DOCKER).display()));
        args
    },
};

/// In the order in which they are started.
const DAEMONS: [&Daemon; 2] = [&CONTAINERD, &DOCKER];

/// Installs and starts what is not there, or stops what runs.
pub(crate) fn run(options: &Options) -> Result<()> {
    if options.stop {
        let place = place()?;
        return DAEMONS
            .into_iter()
            .rev()
            .try_for_each(|daemon| daemon.stop(&place));
    }
    // They stay when this program ends.
    std::mem::forget(start()?);
    Ok(())
}

/// Installs what is not there and starts what does not run.
pub(crate) fn start() -> Result<Started> {
    if !is_root() {
        bail!("containers' daemons are started by root: run `sudo cargo xtask daemons`");
    }
    let place = place()?;
    fs::create_dir_all(place.join("bin"))?;
    install(&place)?;
    let mut started = Started::default();
    for daemon in DAEMONS {
        if daemon.is_up(&place) {
            continue;
        }
        daemon.start(&place)?;
        started.0.push(daemon);
    }
    say(format!(
        "daemons: docker and containerd run, runc and runsc are there ({})",
        place.display()
    ));
    Ok(started)
}

/// Where everything is that tests need besides programs of the distribution.
pub(crate) fn place() -> Result<PathBuf> {
    place::root().context("set TOOLEXEC_DAEMONS or HOME: where shall daemons live?")
}

impl Daemon {
    fn is_up(&self, place: &Path) -> bool {
        UnixStream::connect(place.join(self.socket)).is_ok()
    }

    fn start(&self, place: &Path) -> Result<()> {
        (self.configure)(place)?;
        let log = place.join(format!("{}.log", self.name));
        let output = File::create(&log)?;
        let child = command(self.program)
            .args((self.args)(place))
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            // Not ended by the terminal's interrupt.
            .process_group(0)
            .spawn()
            .with_context(|| format!("{} does not start", self.program))?;
        fs::write(self.pid_file(place), child.id().to_string())?;
        let deadline = Instant::now() + PATIENCE;
        while !self.is_up(place) {
            if Instant::now() > deadline {
                let said = fs::read_to_string(&log).unwrap_or_default();
                let lines: Vec<&str> = said.lines().collect();
                let last = lines.len().saturating_sub(12);
                bail!(
                    "{} does not answer:\n{}",
                    self.name,
                    lines.get(last..).unwrap_or_default().join("\n")
                );
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Ends the daemon whose process id was kept, if that still is this daemon.
    fn stop(&self, place: &Path) -> Result<()> {
        let Ok(pid) = fs::read_to_string(self.pid_file(place)) else {
            return Ok(());
        };
        let name = fs::read_to_string(format!("/proc/{}/comm", pid.trim())).unwrap_or_default();
        if name.trim() == self.program {
            quiet(command("kill").arg(pid.trim()))?;
            let deadline = Instant::now() + PATIENCE;
            while self.is_up(place) && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        fs::remove_file(self.pid_file(place))?;
        Ok(())
    }

    fn pid_file(&self, place: &Path) -> PathBuf {
        place.join(format!("{}.started", self.name))
    }
}

fn install(place: &Path) -> Result<()> {
    let missing: Vec<&str> = PACKAGES
        .into_iter()
        .filter(|(_, program)| quiet(command(program).arg("--help")).is_err())
        .map(|(package, _)| package)
        .collect();
    if !missing.is_empty() {
        apt_install("daemons", &missing)?;
    }
    let runsc = place.join(place::RUNSC);
    if quiet(command(&runsc).arg("--version")).is_err() {
        install_runsc(place).context("gVisor cannot be installed")?;
    }
    let wrapper = place.join(place::RUNSC_SYSTRAP);
    let script = format!(
        "#!/bin/sh\nexec {} --platform=systrap --network=none \"$@\"\n",
        runsc.display()
    );
    fs::write(&wrapper, script)?;
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// Unpacks Debian's package of gVisor: that of bookworm itself has no systrap.
fn install_runsc(place: &Path) -> Result<()> {
    let work = place.join("apt");
    for directory in ["state/lists/partial", "cache/archives/partial", "unpacked"] {
        fs::create_dir_all(work.join(directory))?;
    }
    say(format!("daemons: downloads runsc from {RELEASE}-backports"));
    let list = format!(
        "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {} {RELEASE}-backports main\n",
        mirror()?
    );
    fs::write(work.join("sources.list"), list)?;
    let at = |name: &str| work.join(name).display().to_string();
    let config = format!(
        "Dir::Etc::sourcelist {:?};\nDir::Etc::sourceparts \"-\";\nDir::State {:?};\n\
         Dir::State::status \"/var/lib/dpkg/status\";\nDir::Cache {:?};\nAPT::Sandbox::User \"root\";\n",
        at("sources.list"),
        at("state"),
        at("cache")
    );
    fs::write(work.join("apt.conf"), config)?;
    let apt = || {
        let mut apt = command("apt-get");
        apt.env("APT_CONFIG", work.join("apt.conf"))
            .current_dir(&work);
        apt
    };
    quiet(apt().args(["update", "-qq", "-o", "APT::Update::Error-Mode=any"]))?;
    quiet(apt().args(["download", "runsc"]))?;
    let package = fs::read_dir(&work)?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .context("apt-get downloaded no package")?;
    let unpacked = work.join("unpacked");
    quiet(command("dpkg-deb").arg("-x").arg(&package).arg(&unpacked))?;
    fs::copy(unpacked.join("usr/bin/runsc"), place.join(place::RUNSC))?;
    fs::remove_dir_all(&work)?;
    Ok(())
}

/// The mirror that this machine gets Debian from.
fn mirror() -> Result<String> {
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    if let Ok(parts) = fs::read_dir("/etc/apt/sources.list.d") {
        files.extend(parts.flatten().map(|entry| entry.path()));
    }
    let mut texts = files
        .iter()
        .filter_map(|file| fs::read_to_string(file).ok());
    texts
        .find_map(|text| mirror_in(&text))
        .with_context(|| format!("this machine's sources of apt name no mirror of {RELEASE}"))
}

/// The address of the release in a list of sources, in either of apt's formats.
fn mirror_in(list: &str) -> Option<String> {
    let stanzas = list.split("\n\n").filter_map(|stanza| {
        let field = |name: &str| {
            let mut lines = stanza.lines();
            lines.find_map(|line| line.strip_prefix(name))
        };
        Some((field("URIs:")?, field("Suites:")?))
    });
    let lines = list.lines().filter_map(|line| {
        let (_, address) = line.strip_prefix("deb ")?.split_once("http")?;
        let (_, suites) = address.split_once(' ')?;
        Some((line.get(line.find("http")?..)?, suites))
    });
    stanzas
        .chain(lines)
        .find(|(_, suites)| suites.split_whitespace().next() == Some(RELEASE))
        .and_then(|(addresses, _)| addresses.split_whitespace().next())
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_of_apt_name_a_mirror() {
        let old = "# deb http://x y\ndeb http://other.example/ nodistro main\n\
                   deb [arch=amd64] http://deb.example/debian bookworm main\n";
        let new = "Types: deb\nURIs: http://deb.example/debian\nSuites: bookworm bookworm-updates\n\n\
                   Types: deb\nURIs: http://deb.example/security\nSuites: bookworm-security\n";
        for list in [old, new] {
            assert_eq!(
                mirror_in(list).as_deref(),
                Some("http://deb.example/debian")
            );
        }
        assert_eq!(mirror_in("deb http://other.example/ nodistro main"), None);
    }
}
