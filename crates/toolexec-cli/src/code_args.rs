//! The command line of `code` and `repl`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use toolexec::config::units::{parse_size, parse_time};
use toolexec::core::sandbox::{Language, Limits, Profile};

/// Arguments of `code`.
#[derive(Debug, Args)]
#[command(after_help = CODE_HELP)]
pub(crate) struct CodeArgs {
    /// The program; - reads it from standard input.
    #[arg(required_unless_present = "eval", conflicts_with = "eval")]
    pub(crate) file: Option<PathBuf>,
    /// The program itself.
    #[arg(short, long, value_name = "CODE", allow_hyphen_values = true)]
    pub(crate) eval: Option<String>,
    /// Its language [default: what the file's name says, else javascript].
    #[arg(long, visible_alias = "language", value_enum, value_name = "LANGUAGE")]
    pub(crate) lang: Option<CodeLang>,
    /// What runs it: monty or cpython for Python, quickjs or node for JavaScript.
    #[arg(long, value_name = "ENGINE")]
    pub(crate) engine: Option<String>,
    /// A global variable of the program: NAME=TEXT or NAME:=JSON; may be repeated.
    #[arg(long, short, value_name = "NAME=VALUE")]
    pub(crate) input: Vec<String>,
    /// A file that it may read: PATH, or NAME=PATH; may be repeated.
    #[arg(long = "file", value_name = "[NAME=]PATH", help_heading = "Files")]
    pub(crate) given: Vec<String>,
    /// A directory whose files it may read, by their paths below it.
    #[arg(long, value_name = "DIR", help_heading = "Files")]
    pub(crate) input_dir: Option<PathBuf>,
    /// Where the files go that it writes.
    #[arg(
        long,
        value_name = "DIR",
        conflicts_with = "check",
        help_heading = "Files"
    )]
    pub(crate) output_dir: Option<PathBuf>,
    /// Overwrite files that are there.
    #[arg(long, requires = "output_dir", help_heading = "Files")]
    pub(crate) force: bool,
    /// The image that it runs in, such as python:3; the configuration must allow it.
    #[arg(long, value_name = "IMAGE")]
    pub(crate) image: Option<String>,
    /// Only check it: syntax, tools, arguments. Nothing runs.
    #[arg(long, conflicts_with = "stream")]
    pub(crate) check: bool,
    /// Show what happens as it happens.
    #[arg(long)]
    pub(crate) stream: bool,
    #[command(flatten)]
    pub(crate) bounds: BoundsArgs,
}

const CODE_HELP: &str = "\
What a program sees:
  await tools.math.add({a: 1, b: 2})         JavaScript and TypeScript
  await tools.math.add(a=1, b=2)             Python
  run(\"math:add\", {a: 1, b: 2})              script
  `toolexec types` writes what there is. The value of a program is its `return`, else the variable
  `__out`, else its last expression. With --file, --input-dir or --output-dir it has the tools
  files:list, files:read and files:write; in Go, bash, CPython and Node the files also lie where it
  runs, and what it leaves there is taken.

Examples:
  toolexec code report.py --timeout 10s
  toolexec code -e 'await tools.math.add({a: 5, b: 3})'
  toolexec code chart.py --file sales.csv --output-dir charts
  toolexec code --lang python -e 'sum([tools.math.add(a=n, b=1) for n in range(3)])'";

/// Arguments of `repl`.
#[derive(Debug, Args)]
pub(crate) struct ReplArgs {
    /// The language.
    #[arg(
        long,
        value_enum,
        value_name = "LANGUAGE",
        default_value = "javascript"
    )]
    pub(crate) lang: CodeLang,
    #[command(flatten)]
    pub(crate) bounds: BoundsArgs,
}

/// Where a program runs and what it may use.
#[derive(Debug, Default, Args)]
pub(crate) struct BoundsArgs {
    /// How much isolation it needs [default: standard].
    #[arg(long, value_enum, value_name = "PROFILE", help_heading = "Limits")]
    pub(crate) profile: Option<ProfileArg>,
    /// Allow the dev profile, which runs programs without isolation.
    #[arg(long, help_heading = "Limits")]
    pub(crate) allow_unsafe: bool,
    /// How many tools it may call [default: 1000].
    #[arg(long, value_name = "N", help_heading = "Limits")]
    pub(crate) max_tool_calls: Option<u64>,
    /// How many calls run at the same time [default: 32].
    #[arg(long, value_name = "N", help_heading = "Limits")]
    pub(crate) max_parallel_calls: Option<u64>,
    /// Memory, such as 64m [default: 256m].
    #[arg(long, value_name = "SIZE", value_parser = size, help_heading = "Limits")]
    pub(crate) max_memory: Option<u64>,
    /// What it prints and logs, such as 10k [default: 1m].
    #[arg(long, value_name = "SIZE", value_parser = size, help_heading = "Limits")]
    pub(crate) max_output: Option<u64>,
    /// Its value as JSON [default: 4m].
    #[arg(long, value_name = "SIZE", value_parser = size, help_heading = "Limits")]
    pub(crate) max_result: Option<u64>,
    /// The files it leaves, all together [default: 16m].
    #[arg(long, value_name = "SIZE", value_parser = size, help_heading = "Limits")]
    pub(crate) max_file_bytes: Option<u64>,
    /// How many files it leaves [default: 100].
    #[arg(long, value_name = "N", help_heading = "Limits")]
    pub(crate) max_files: Option<u64>,
    /// Time in which it waits for tools [default: --timeout, else 5m].
    #[arg(long, value_name = "TIME", value_parser = time, help_heading = "Limits")]
    pub(crate) wait_timeout: Option<Duration>,
}

/// A language of programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CodeLang {
    /// JavaScript: modules, top-level await.
    #[value(name = "javascript", alias = "js")]
    JavaScript,
    /// TypeScript; types are stripped, not checked.
    #[value(name = "typescript", alias = "ts")]
    TypeScript,
    /// Python, as far as monty has it.
    #[value(alias = "py")]
    Python,
    /// The little language of toolexec.
    Script,
    /// A WebAssembly module, or its bytes as base64 text.
    Wasm,
    /// Go, where a sandbox has its toolchain.
    Go,
    /// Shell scripts, where a sandbox has bash.
    #[value(alias = "sh")]
    Bash,
    /// Python itself, where a sandbox has it.
    #[value(name = "cpython")]
    CPython,
    /// JavaScript on Node, where a sandbox has it.
    Node,
}

/// How much isolation a program needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProfileArg {
    /// None: for one's own programs, with --allow-unsafe.
    Dev,
    /// An engine or the kernel separates it from this machine.
    Standard,
    /// A kernel of its own.
    Hardened,
}

impl CodeLang {
    /// The language.
    pub(crate) fn language(self) -> Language {
        match self {
            Self::JavaScript => Language::JavaScript,
            Self::TypeScript => Language::TypeScript,
            Self::Python => Language::Python,
            Self::Script => Language::Script,
            Self::Wasm => Language::Wasm,
            Self::Go => Language::Go,
            Self::Bash => Language::Bash,
            Self::CPython => Language::CPython,
            Self::Node => Language::Node,
        }
    }

    /// Its name, for people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::JavaScript => "JavaScript",
            Self::TypeScript => "TypeScript",
            Self::Python => "Python",
            Self::Script => "script",
            Self::Wasm => "WebAssembly",
            Self::Go => "Go",
            Self::Bash => "bash",
            Self::CPython => "CPython",
            Self::Node => "Node",
        }
    }

    /// What the end of a file's name says.
    pub(crate) fn of_extension(extension: &str) -> Option<Self> {
        match extension {
            "js" | "mjs" | "cjs" => Some(Self::JavaScript),
            "ts" | "mts" | "cts" => Some(Self::TypeScript),
            "py" => Some(Self::Python),
            "script" => Some(Self::Script),
            "wasm" => Some(Self::Wasm),
            "go" => Some(Self::Go),
            "sh" | "bash" => Some(Self::Bash),
            _ => None,
        }
    }
}

impl BoundsArgs {
    /// The profile that was asked for.
    pub(crate) fn profile(&self) -> Option<Profile> {
        self.profile.map(|profile| match profile {
            ProfileArg::Dev => Profile::Dev,
            ProfileArg::Standard => Profile::Standard,
            ProfileArg::Hardened => Profile::Hardened,
        })
    }

    /// The limits that were asked for. `--timeout` bounds the time of the program itself, and the
    /// time in which it waits.
    pub(crate) fn limits(&self, timeout: Option<Duration>) -> Limits {
        Limits {
            run_time: timeout,
            wait_time: self.wait_timeout.or(timeout),
            memory: self.max_memory,
            tool_calls: self.max_tool_calls,
            parallel_calls: self.max_parallel_calls,
            output: self.max_output,
            result: self.max_result,
            file_bytes: self.max_file_bytes,
            files: self.max_files,
            ..Limits::default()
        }
    }
}

fn size(text: &str) -> Result<u64, String> {
    parse_size(text).map(|size| size as u64)
}

pub(crate) fn time(text: &str) -> Result<Duration, String> {
    match parse_time(text)? {
        Some(time) if !time.is_zero() => Ok(time),
        _ => Err("the time must be more than nothing".to_owned()),
    }
}
