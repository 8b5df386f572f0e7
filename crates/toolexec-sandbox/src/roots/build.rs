//! Making a root: with debootstrap, in a directory that gets its name when all is done.

use std::fs;
use std::path::{Path, PathBuf};

use toolexec_core::{Error, ErrorKind, Result};
use toolexec_process::{Command, RunError, SpawnError, Stdin, base_env};

use super::recipe::check_name;
use super::{FILES, MANIFEST, Manifest, Recipe, Root, Roots, Toolchain, finish};
use crate::label::{Label, next_guest};
use crate::unavailable;

/// Where programs for root are that an ordinary `PATH` may lack.
const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// What files are dated that would be dated when the root is made: 2024.
pub(super) const DATE: &str = "1704067200";
/// The most that a program may say.
const SAID: usize = 4 << 20;
/// The lines of what it said at last that are told.
const LINES: usize = 6;
/// Where compiled packages of Go are; the guest looks there.
const GO_PACKAGES: &str = "usr/lib/toolexec/go-build";
/// What of Go's standard library is not compiled ahead: what needs a network, a test or Go itself.
const NOT_COMPILED: [&str; 20] = [
    "archive",
    "cmd",
    "crypto/boring",
    "crypto/fips140",
    "crypto/tls",
    "crypto/x509",
    "database",
    "debug",
    "embed",
    "expvar",
    "go",
    "html/template",
    "image",
    "index",
    "log/syslog",
    "mime",
    "plugin",
    "runtime",
    "structs",
    "testing",
];

impl Roots {
    /// Makes a root, under its own name or one that is a hash of what it is made of. One that is
    /// there already and was made of the same is taken.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] for a bad recipe or name, or one that is taken;
    /// [`ErrorKind::SandboxUnavailable`] when debootstrap is not there, or it or one of the others
    /// fails. Nothing of a root that failed is left.
    ///
    /// # Cancel safety
    /// Dropping the future ends what it started and removes the files.
    pub async fn build(&self, recipe: &Recipe, name: Option<&str>) -> Result<Root> {
        recipe.check()?;
        name.map_or(Ok(()), check_name)?;
        let name = name.map_or_else(|| recipe.name(), str::to_owned);
        if let Some(root) = self.find(&name) {
            return is_same(root, recipe);
        }
        self.sweep().map_err(no_room)?;
        let debootstrap = debootstrap()?;
        let unfinished = Unfinished(self.directory.join(Label::own().of(next_guest())));
        fs::create_dir(&unfinished.0).map_err(no_room)?;
        let files = unfinished.0.join(FILES);
        bootstrap(&debootstrap, recipe, &files).await?;
        add_packages(recipe, &files).await?;
        let manifest = {
            let (recipe, files) = (recipe.clone(), files.clone());
            let finished = tokio::task::spawn_blocking(move || described(recipe, &files));
            finished
                .await
                .map_err(std::io::Error::other)
                .flatten()
                .map_err(no_room)?
        };
        let text = serde_json::to_vec_pretty(&manifest).map_err(std::io::Error::other);
        text.and_then(|text| fs::write(unfinished.0.join(MANIFEST), text))
            .map_err(no_room)?;
        let place = self.directory.join(&name);
        match fs::rename(&unfinished.0, &place) {
            Ok(()) => {}
            // Another process was faster.
            Err(_) if place.join(MANIFEST).is_file() => {}
            Err(error) => return Err(no_room(error)),
        }
        let root = self
            .find(&name)
            .ok_or_else(|| unavailable("the root is not there"))?;
        is_same(root, recipe)
    }
}

/// What is not a root yet; it is removed when this is dropped, unless it has got another name.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        // What cannot be removed now is swept by the next build.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn is_same(root: Root, recipe: &Recipe) -> Result<Root> {
    if root.recipe() == recipe {
        return Ok(root);
    }
    let name = root.name();
    let message = format!("there is a root {name} that was made of something else");
    Err(
        Error::new(ErrorKind::InvalidInput, message).with_hint(format!(
            "give this one another name, or remove that one: toolexec image rm {name}"
        )),
    )
}

/// The program that makes a system out of packages.
fn debootstrap() -> Result<PathBuf> {
    let own = base_env().into_iter().find(|(name, _)| name == "PATH");
    let own = own.map(|(_, path)| path).unwrap_or_default();
    let places = std::env::split_paths(&own).chain(std::env::split_paths(SYSTEM_PATH));
    let mut found = places.map(|place| place.join("debootstrap"));
    let program = found.find(|program| program.is_file()).ok_or_else(|| {
        unavailable("debootstrap is not installed, which makes roots")
            .with_hint("install it: apt-get install debootstrap")
    })?;
    if !rustix::process::geteuid().is_root() {
        return Err(
            unavailable("only root can make a root: its files have owners")
                .with_hint("run the same with sudo"),
        );
    }
    Ok(program)
}

async fn bootstrap(program: &Path, recipe: &Recipe, files: &Path) -> Result<()> {
    // What it mounts is in a namespace of its own, and gone with it.
    let mut args = vec![
        "--mount".to_owned(),
        "--pid".to_owned(),
        "--fork".to_owned(),
        "--kill-child".to_owned(),
        "--mount-proc".to_owned(),
        text(program),
        "--variant=minbase".to_owned(),
        "--force-check-gpg".to_owned(),
    ];
    let packages: Vec<&str> = recipe.debian().into_iter().collect();
    if !packages.is_empty() {
        args.push(format!("--include={}", packages.join(",")));
    }
    args.extend([recipe.suite.clone(), text(files), recipe.mirror.clone()]);
    let ran = run("debootstrap", command("unshare").args(args)).await;
    let log = files.join("debootstrap/debootstrap.log");
    ran.map(drop)
        .map_err(|error| match fs::read_to_string(log) {
            Ok(log) => error.with(&log),
            Err(_) => error,
        })
        .map_err(Failed::into_error)
}

async fn add_packages(recipe: &Recipe, files: &Path) -> Result<()> {
    if !recipe.pip.is_empty() {
        pip(recipe, files).await?;
    }
    if !recipe.npm.is_empty() {
        let mut args = vec!["install".to_owned(), "--global".to_owned()];
        args.push(format!("--prefix={}", text(&files.join("usr/local"))));
        // What a package would run while it is installed is not run.
        args.extend(["--ignore-scripts", "--no-audit", "--no-fund"].map(String::from));
        args.extend(recipe.npm.iter().cloned());
        run("npm", command("npm").args(args))
            .await
            .map_err(Failed::into_error)?;
    }
    if recipe.with.contains(&Toolchain::Go) {
        compile_packages(files).await.map_err(Failed::into_error)?;
    }
    Ok(())
}

/// Installs packages of Python that are built for the Python of the root, with this machine's pip:
/// nothing of them is run.
async fn pip(recipe: &Recipe, files: &Path) -> Result<()> {
    let version = finish::python(files).ok_or_else(|| unavailable("the root has no Python"))?;
    let target = files.join(format!("usr/local/lib/python{version}/dist-packages"));
    let mut args = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--only-binary=:all:",
        "--no-compile",
        "--root-user-action=ignore",
    ]
    .map(String::from)
    .to_vec();
    args.push(format!("--python-version={version}"));
    args.push(format!("--target={}", text(&target)));
    args.extend(recipe.pip.iter().cloned());
    let ran = run("pip", command("python3").args(args)).await;
    ran.map(drop).map_err(Failed::into_error)
}

/// Compiles the usual packages of Go's standard library, as the guest would for each program.
async fn compile_packages(files: &Path) -> Result<(), Failed> {
    let go = |args: Vec<String>| {
        let command = command("chroot")
            .args([text(files), "go".to_owned()])
            .args(args);
        [
            ("CGO_ENABLED", "0"),
            ("GO111MODULE", "on"),
            ("GOENV", "off"),
            ("GOFLAGS", ""),
            ("GOPATH", "/tmp/go"),
            ("GOPROXY", "off"),
            ("GOSUMDB", "off"),
            ("GOTOOLCHAIN", "local"),
            ("GOWORK", "off"),
            ("HOME", "/tmp"),
            ("PATH", SYSTEM_PATH),
        ]
        .into_iter()
        .fold(command, |command, (name, value)| command.env(name, value))
        .env("GOCACHE", format!("/{GO_PACKAGES}"))
    };
    let listed = run("go list", go(vec!["list".to_owned(), "std".to_owned()])).await?;
    let wanted = listed
        .lines()
        .map(str::trim)
        .filter(|package| is_compiled(package));
    let mut args = vec!["build".to_owned(), "-trimpath".to_owned()];
    args.extend(wanted.map(str::to_owned));
    run("go build", go(args)).await?;
    Ok(())
}

fn is_compiled(package: &str) -> bool {
    let below = |prefix: &str| {
        let rest = package.strip_prefix(prefix);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let is_own = package
        .split('/')
        .any(|part| part == "internal" || part == "vendor");
    let is_network = package.starts_with("net/") && !matches!(package, "net/url" | "net/netip");
    // The same name as a directory's is a package of its own.
    let is_runtime = matches!(package, "runtime" | "runtime/debug");
    !is_own && !is_network && (is_runtime || !NOT_COMPILED.iter().any(|prefix| below(prefix)))
}

fn described(recipe: Recipe, files: &Path) -> std::io::Result<Manifest> {
    let packages = finish::packages(files)?;
    finish::clean(files)?;
    let (bytes, contents) = finish::measure(files)?;
    Ok(Manifest {
        recipe,
        packages,
        bytes,
        contents,
    })
}

/// Why a program did not do its work.
pub(super) struct Failed {
    program: &'static str,
    said: String,
    hint: Option<String>,
}

impl Failed {
    /// The same, with what the program wrote down besides.
    fn with(mut self, log: &str) -> Self {
        let lines: Vec<&str> = log.lines().collect();
        let last = lines.len().saturating_sub(LINES);
        self.said = format!("{}\n{}", lines[last..].join("\n"), self.said);
        self
    }

    pub(super) fn into_error(self) -> Error {
        let Self {
            program,
            said,
            hint,
        } = self;
        let has = |words: &[&str]| words.iter().any(|words| said.contains(words));
        let (why, usual) = if has(&["No space left", "no space left", "ENOSPC", "Disk quota"]) {
            (
                "there is no room for its files",
                "a root takes up to 1 GB below the cache directory while it is made",
            )
        } else if has(&["Couldn't find these debs", "Unable to locate package"]) {
            ("the release has no such package", "its source says which")
        } else if has(&["No such script"]) {
            (
                "it does not know the release",
                "name a release of Debian, such as --suite bookworm",
            )
        } else if has(&[
            "Failed getting release",
            "Couldn't download",
            "Invalid Release file",
            "Temporary failure",
        ]) {
            (
                "the packages cannot be downloaded",
                "the mirror must be reachable and have the release: --mirror, --suite",
            )
        } else {
            (
                "it says why in its last lines",
                "what it said is among the causes: --verbose shows them",
            )
        };
        let error = unavailable(&format!("{program} failed: {why}"));
        let error = error.with_hint(hint.unwrap_or_else(|| usual.to_owned()));
        error.with_source(std::io::Error::other(said))
    }
}

/// A program of this machine, with what it needs to find others and the network.
pub(super) fn command(program: &str) -> Command {
    let own = base_env();
    let path = own.iter().find(|(name, _)| name == "PATH");
    let path = path.map(|(_, path)| path.as_str()).unwrap_or_default();
    Command::new(program)
        .envs(own.clone())
        .env("PATH", format!("{path}:{SYSTEM_PATH}"))
        .env("LC_ALL", "C")
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("SOURCE_DATE_EPOCH", DATE)
        .stdin(Stdin::Null)
}

/// Runs a program to its end; what it printed.
pub(super) async fn run(program: &'static str, command: Command) -> Result<String, Failed> {
    let failed = |said: String, hint: Option<String>| Failed {
        program,
        said,
        hint,
    };
    let output = command.run(Vec::new(), SAID).await.map_err(|error| {
        let hint = match &error {
            RunError::Spawn(SpawnError::NotFound { .. }) => Some(format!("install {program}")),
            _ => None,
        };
        failed(error.to_string(), hint)
    })?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.exit.is_success() {
        return Ok(stdout);
    }
    let said = output.stderr.last(LINES).unwrap_or_default();
    Err(failed(format!("{said}\n{}", output.exit), None).with(&stdout))
}

fn no_room(error: std::io::Error) -> Error {
    unavailable("the root cannot be written")
        .with_hint(
            "the cache directory must be writable, only for this user, and have room for 1 GB",
        )
        .with_source(error)
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_that_programs_use_are_compiled_ahead() {
        let all = [
            "fmt",
            "encoding/json",
            "net",
            "net/url",
            "runtime",
            "runtime/debug",
            "go/ast",
            "net/http",
            "internal/abi",
            "crypto/sha256",
            "crypto/internal/x",
            "vendor/a",
            "log",
            "log/syslog",
            "image/png",
        ];
        let compiled = all.map(is_compiled);
        let expected = [
            true, true, true, true, true, true, false, false, false, true, false, false, true,
            false, false,
        ];
        assert_eq!(compiled, expected);
    }

    #[test]
    fn what_failed_is_said_in_words() {
        let of = |said: &str| {
            let failed = Failed {
                program: "debootstrap",
                said: said.to_owned(),
                hint: None,
            };
            failed.into_error().guest_message().to_owned()
        };
        let found = [
            "tar: write error: No space left on device",
            "E: Couldn't find these debs: nope",
            "E: No such script: /usr/share/debootstrap/scripts/x",
            "E: Failed getting release file http://x",
            "?",
        ]
        .map(of);
        let expected = [
            "there is no room for its files",
            "the release has no such package",
            "it does not know the release",
            "the packages cannot be downloaded",
            "it says why in its last lines",
        ];
        assert_eq!(
            found,
            expected.map(|why| format!("debootstrap failed: {why}"))
        );
    }
}
