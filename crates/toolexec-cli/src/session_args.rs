//! The command line of `session`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use crate::code_args::{BoundsArgs, CodeLang, time};

/// Arguments of `session`.
#[derive(Debug, Args)]
#[command(after_help = SESSION_HELP)]
pub(crate) struct SessionArgs {
    #[command(subcommand)]
    pub(crate) task: SessionTask,
}

const SESSION_HELP: &str = "\
A session keeps variables and functions from one program to the next, in a process of its own that
outlives the terminal. The configuration and the environment are those of its start. It ends with
`stop`, or when it was not used for a while.

Examples:
  id=$(toolexec session start --lang python --name report)
  toolexec session exec report -e 'rows = tools.math.sum(numbers=[1, 2, 3])'
  toolexec session fork report --name other
  toolexec session exec other -e 'rows * 2'
  toolexec session stop --all";

/// What to do with sessions.
#[derive(Debug, Subcommand)]
pub(crate) enum SessionTask {
    /// Start a session and print its name.
    Start(SessionStart),
    /// Run a program in a session; Ctrl-C ends the program, not the session.
    Exec(SessionExec),
    /// Start a session with the variables of another one, and print its name.
    Fork {
        /// The session.
        id: String,
        /// The name of the new one [default: s1, s2, …].
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
    },
    /// List the sessions.
    Ls,
    /// End sessions, and what runs in them.
    Stop {
        /// Their names.
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        ids: Vec<String>,
        /// All of them.
        #[arg(long)]
        all: bool,
    },
}

/// Arguments of `session start`.
#[derive(Debug, Args)]
pub(crate) struct SessionStart {
    /// The language of its programs.
    #[arg(
        long,
        visible_alias = "language",
        value_enum,
        value_name = "LANGUAGE",
        default_value = "javascript"
    )]
    pub(crate) lang: CodeLang,
    /// Its name [default: s1, s2, …].
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// A global variable from the start: NAME=TEXT or NAME:=JSON; may be repeated.
    #[arg(long, short, value_name = "NAME=VALUE")]
    pub(crate) input: Vec<String>,
    /// The image that it runs in, such as python:3; the configuration must allow it.
    #[arg(long, value_name = "IMAGE")]
    pub(crate) image: Option<String>,
    /// End it when it was not used for this long.
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "30m")]
    pub(crate) idle: Duration,
    /// How many tools all its programs may call together.
    #[arg(long, value_name = "N", help_heading = "Limits")]
    pub(crate) session_tool_calls: Option<u64>,
    /// How long all its programs themselves may run together.
    #[arg(long, value_name = "TIME", value_parser = time, help_heading = "Limits")]
    pub(crate) session_time: Option<Duration>,
    #[command(flatten)]
    pub(crate) bounds: BoundsArgs,
    /// Be the process of the session.
    #[arg(long, hide = true)]
    pub(crate) host: bool,
}

/// Arguments of `session exec`.
#[derive(Debug, Args)]
pub(crate) struct SessionExec {
    /// The session.
    pub(crate) id: String,
    /// The program; - reads it from standard input.
    #[arg(required_unless_present = "eval", conflicts_with = "eval")]
    pub(crate) file: Option<PathBuf>,
    /// The program itself.
    #[arg(short, long, value_name = "CODE", allow_hyphen_values = true)]
    pub(crate) eval: Option<String>,
    /// A global variable of the program: NAME=TEXT or NAME:=JSON; may be repeated.
    #[arg(long, short, value_name = "NAME=VALUE")]
    pub(crate) input: Vec<String>,
    /// Show what happens as it happens.
    #[arg(long)]
    pub(crate) stream: bool,
}

impl SessionArgs {
    /// Whether this process is to be that of a session.
    pub(crate) fn is_host(&self) -> bool {
        matches!(&self.task, SessionTask::Start(start) if start.host)
    }
}
