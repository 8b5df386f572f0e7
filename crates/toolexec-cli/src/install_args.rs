//! The command line of `toolexec install`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Arguments of `install`.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub(crate) struct InstallArgs {
    /// The client; without one, what there is is listed.
    #[arg(long, value_enum, value_name = "CLIENT")]
    pub(crate) client: Option<ClientName>,
    /// What the client calls the server.
    #[arg(long, value_name = "NAME", default_value = "toolexec")]
    pub(crate) name: String,
    /// The file of the project in the current directory instead of the user's.
    #[arg(long, conflicts_with = "path")]
    pub(crate) project: bool,
    /// This file instead of the one where the client looks.
    #[arg(long, value_name = "FILE")]
    pub(crate) path: Option<PathBuf>,
    /// Have the client connect to a server that runs, such as <http://127.0.0.1:8080/mcp>.
    #[arg(long, value_name = "URL", conflicts_with_all = ["env", "serve"])]
    pub(crate) http: Option<String>,
    /// A header for --http, such as 'Authorization: Bearer TOKEN'; may be repeated.
    #[arg(long = "header", value_name = "NAME: VALUE", requires = "http")]
    pub(crate) headers: Vec<String>,
    /// A variable for the server: NAME=VALUE, or NAME as it is set now; may be repeated.
    #[arg(long, value_name = "NAME[=VALUE]")]
    pub(crate) env: Vec<String>,
    /// Take the server out of the file.
    #[arg(long, conflicts_with_all = ["http", "env", "print", "serve"])]
    pub(crate) uninstall: bool,
    /// Show what would change, and write nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print what belongs into the file, and touch no file.
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) print: bool,
    /// Replace a server of the same name that is not toolexec.
    #[arg(long)]
    pub(crate) force: bool,
    /// Further options of `toolexec serve`.
    #[arg(last = true, value_name = "SERVE OPTIONS")]
    pub(crate) serve: Vec<String>,
}

/// A program that uses MCP servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ClientName {
    /// Claude Desktop.
    ClaudeDesktop,
    /// Claude Code.
    ClaudeCode,
    /// Visual Studio Code.
    Vscode,
    /// Cursor.
    Cursor,
    /// Codex.
    Codex,
    /// Windsurf.
    Windsurf,
    /// Zed.
    Zed,
    /// Gemini CLI.
    Gemini,
}

const HELP: &str = "\
Examples:
  toolexec install                                    which clients are there?
  toolexec install --client claude-desktop --dry-run
  toolexec install --client cursor --env GITHUB_TOKEN
  toolexec install --client vscode --project -- --mode direct
  toolexec install --client codex --http http://127.0.0.1:8080/mcp

The file keeps everything else: other servers, comments, order. The old file stays beside it as
FILE.bak. The client starts `toolexec serve` with the configuration that is used here.";
