//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use toolexec::config::units::parse_time;
use toolexec::core::types::TypeLanguage;
use toolexec::mcp::server::Mode;

use crate::code_args::{CodeArgs, ReplArgs};
#[cfg(target_os = "linux")]
use crate::image_args::ImageArgs;
use crate::install_args::InstallArgs;
use crate::printer::Format;
use crate::session_args::SessionArgs;

/// Find, check, run, chain and stream tools: local functions, HTTP APIs, programs and MCP servers.
#[derive(Debug, Parser)]
#[command(
    name = "toolexec",
    version,
    max_term_width = 100,
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// The configuration file [default: ./toolexec.toml or above, then the user's].
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The form of the data on stdout.
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "FORMAT"
    )]
    pub(crate) format: Format,
    /// Give up after this long, such as 30s or 2m.
    #[arg(long, global = true, value_name = "TIME", value_parser = timeout)]
    pub(crate) timeout: Option<Duration>,
    /// Say nothing on stderr but errors.
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Say more on stderr; twice: what the libraries log.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// No colours; the variable `NO_COLOR` does the same.
    #[arg(long, global = true)]
    pub(crate) no_color: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run one tool.
    Run(RunArgs),
    /// Run several tools, one feeding the next.
    Chain(ChainArgs),
    /// Find tools by what they do.
    Search(SearchArgs),
    /// Show what a tool does and takes.
    Describe(DescribeArgs),
    /// List the tools there are.
    List(ListArgs),
    /// Run a program that calls tools, within limits.
    Code(CodeArgs),
    /// Type programs line by line; variables stay.
    Repl(ReplArgs),
    /// Keep programs' variables in the background: start, exec, fork, ls, stop.
    Session(SessionArgs),
    /// Serve all tools over MCP, on stdin and stdout or over HTTP.
    Serve(ServeArgs),
    /// Write the tools as typed functions: a .d.ts or a .pyi file.
    Types(TypesArgs),
    /// Check every source: does it connect, what does it offer, what is wrong?
    Doctor(DoctorArgs),
    /// Log in to an MCP server over HTTP with a browser (OAuth).
    Login(LoginArgs),
    /// Forget the login to an MCP server.
    Logout(LogoutArgs),
    /// Write a first toolexec.toml.
    Init(InitArgs),
    /// Take over MCP servers of other programs, or an OpenAPI document.
    Import(ImportArgs),
    /// Tell a client of MCP servers (Claude, VS Code, Cursor, Codex, …) about toolexec.
    Install(InstallArgs),
    /// Make, list and remove what containers and virtual machines start from.
    #[cfg(target_os = "linux")]
    Image(ImageArgs),
    /// Show everything at once on built-in tools; needs no network and no configuration.
    Quickstart,
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Print the JSON Schema of toolexec.toml.
    Schema,
    /// Serve a few notes over MCP on stdin and stdout.
    #[command(hide = true)]
    DemoMcpServer,
    /// Apply a jq filter for a server that keeps large results.
    #[command(hide = true)]
    JqWorker,
}

/// The name of [`Command::JqWorker`].
pub(crate) const JQ_WORKER: &str = "jq-worker";

/// Arguments of `run`.
#[derive(Debug, Args)]
#[command(after_help = ARGUMENTS_HELP)]
pub(crate) struct RunArgs {
    /// The tool: namespace:name or namespace:name:version.
    pub(crate) tool: String,
    /// Its arguments; see below.
    #[arg(value_name = "ARG")]
    pub(crate) args: Vec<String>,
    /// Show what happens as it happens.
    #[arg(long)]
    pub(crate) stream: bool,
    /// Only on this backend: local, provider, mcp, or a source's name.
    #[arg(long, value_name = "BACKEND")]
    pub(crate) backend: Option<String>,
}

const ARGUMENTS_HELP: &str = "\
Arguments:
  key=value     text, or what the tool's schema says: number, boolean, list
  key:=JSON     any JSON
  '{...}'       a JSON object
  @FILE         a JSON object in a file
  -             a JSON object on standard input

Examples:
  toolexec run math:add a=5 b=3
  toolexec run text:stats '{\"text\": \"to be or not to be\"}'
  echo '{\"a\": 5, \"b\": 3}' | toolexec run math:add -";

/// Arguments of `chain`.
#[derive(Debug, Args)]
#[command(after_help = CHAIN_HELP)]
pub(crate) struct ChainArgs {
    /// A chain in JSON, @FILE, -, or steps, each in one argument.
    #[arg(required = true, value_name = "CHAIN | STEP...")]
    pub(crate) steps: Vec<String>,
    /// Show what happens as it happens.
    #[arg(long)]
    pub(crate) stream: bool,
}

const CHAIN_HELP: &str = "\
Steps:
  Each step is one argument: a tool and its arguments as `run` takes them. {{prev}} is the value
  of the step before, {{steps[0].name}} a part of the value of the first step.

Examples:
  toolexec chain 'math:add a=2 b=3' 'math:multiply a={{prev}} b=10'
  toolexec chain @chain.json
  toolexec chain '[{\"tool\": \"math:add\", \"args\": {\"a\": 2, \"b\": 3}}]'";

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Listen here, such as 127.0.0.1:8080, instead of serving one client on stdin and stdout.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) http: Option<SocketAddr>,
    /// Let everybody on this machine in, without credentials; on loopback only.
    #[arg(long, requires = "http")]
    pub(crate) no_auth: bool,
    /// What clients list: meta (a few tools that find and run the others), direct (the tools
    /// themselves) or auto (by how many there are).
    #[arg(long, value_name = "MODE")]
    pub(crate) mode: Option<Mode>,
    /// Listen with TLS: the certificates, in PEM.
    #[arg(long, value_name = "FILE", requires_all = ["http", "tls_key"])]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The private key of the first certificate, in PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// A name by which clients reach the server, beside those of loopback; may be repeated.
    #[arg(long = "allowed-host", value_name = "HOST", requires = "http")]
    pub(crate) allowed_hosts: Vec<String>,
    /// A web page that may call, such as <https://app.example.com>; may be repeated.
    #[arg(long = "allowed-origin", value_name = "ORIGIN", requires = "http")]
    pub(crate) allowed_origins: Vec<String>,
}

/// Arguments of `search`.
#[derive(Debug, Args)]
pub(crate) struct SearchArgs {
    /// What to look for, in plain words.
    #[arg(required = true, value_name = "WORD")]
    pub(crate) words: Vec<String>,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// How many at most, 1 to 100 [default: 10].
    #[arg(long, short = 'n', value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// Go on where the page before ended.
    #[arg(long, value_name = "CURSOR")]
    pub(crate) cursor: Option<String>,
}

/// Which tools.
#[derive(Debug, Args)]
pub(crate) struct FilterArgs {
    /// Only tools of this namespace.
    #[arg(long, value_name = "NAME")]
    pub(crate) namespace: Option<String>,
    /// Only tools with this tag; may be repeated.
    #[arg(long = "tag", value_name = "TAG")]
    pub(crate) tags: Vec<String>,
}

/// Arguments of `describe`.
#[derive(Debug, Args)]
pub(crate) struct DescribeArgs {
    /// The tool: namespace:name or namespace:name:version.
    pub(crate) tool: String,
    /// How much is shown.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) detail: DetailArg,
    /// The language of the signature.
    #[arg(long, value_enum, default_value_t, value_name = "LANGUAGE")]
    pub(crate) lang: TypeLang,
}

/// A language that tools are declared in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum TypeLang {
    /// TypeScript, for programs in JavaScript too.
    #[default]
    #[value(alias = "ts", alias = "javascript", alias = "js")]
    Typescript,
    /// Python.
    #[value(alias = "py")]
    Python,
}

impl From<TypeLang> for TypeLanguage {
    fn from(lang: TypeLang) -> Self {
        match lang {
            TypeLang::Typescript => Self::TypeScript,
            TypeLang::Python => Self::Python,
        }
    }
}

/// Arguments of `types`.
#[derive(Debug, Args)]
pub(crate) struct TypesArgs {
    /// The language.
    #[arg(long, value_enum, default_value_t, value_name = "LANGUAGE")]
    pub(crate) lang: TypeLang,
    /// Only tools of these namespaces.
    #[arg(value_name = "NAMESPACE")]
    pub(crate) namespaces: Vec<String>,
}

/// How much is shown of a tool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum DetailArg {
    /// What it does.
    Summary,
    /// And how it is called, in a few lines.
    Signature,
    /// And its schemas.
    Schema,
    /// And notes, examples, versions and backends.
    #[default]
    Full,
}

/// Arguments of `list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// List namespaces, with the number of their tools.
    #[arg(long, conflicts_with_all = ["namespace", "tags"])]
    pub(crate) namespaces: bool,
    /// How many at most.
    #[arg(long, short = 'n', value_name = "N")]
    pub(crate) limit: Option<usize>,
}

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Only these sources.
    #[arg(value_name = "SOURCE")]
    pub(crate) sources: Vec<String>,
    /// Check the sandboxes instead: start each, measure it, and attack every limit.
    #[arg(long, conflicts_with = "sources")]
    pub(crate) sandboxes: bool,
}

/// Arguments of `login`.
#[derive(Debug, Args)]
pub(crate) struct LoginArgs {
    /// The name of the server in the configuration.
    pub(crate) server: String,
    /// Do not start a browser; the address to open is printed in any case.
    #[arg(long)]
    pub(crate) no_browser: bool,
    /// The loopback port that the browser comes back to, where the authorization server wants a
    /// fixed one; any free port otherwise.
    #[arg(
        long,
        default_value_t = 0,
        hide_default_value = true,
        value_name = "PORT"
    )]
    pub(crate) port: u16,
}

/// Arguments of `logout`.
#[derive(Debug, Args)]
pub(crate) struct LogoutArgs {
    /// The name of the server in the configuration.
    pub(crate) server: String,
}

/// Arguments of `init`.
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// Where to write it [default: ./toolexec.toml].
    pub(crate) file: Option<PathBuf>,
    /// Overwrite what is there.
    #[arg(long)]
    pub(crate) force: bool,
}

/// Arguments of `import`.
#[derive(Debug, Args)]
#[command(after_help = IMPORT_HELP)]
pub(crate) struct ImportArgs {
    /// What to import.
    pub(crate) file: PathBuf,
    /// The name of an API; its title when absent.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Show what would be written, and write nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Replace sections that are there.
    #[arg(long)]
    pub(crate) force: bool,
}

const IMPORT_HELP: &str = "\
Takes `mcpServers` of Claude Desktop, Cursor and others, `servers` of VS Code (mcp.json), and
OpenAPI 3.0/3.1 or Swagger 2.0 documents. Writes to the configuration file that would be used, or
a new ./toolexec.toml. Comments and order of the file are kept.";

fn timeout(text: &str) -> Result<Duration, String> {
    match parse_time(text)? {
        Some(time) if !time.is_zero() => Ok(time),
        _ => Err("the time must be more than nothing".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
