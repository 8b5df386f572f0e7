//! The messages.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// From guest to host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToHost {
    /// The first message: who speaks.
    Hello(Hello),
    /// The program printed. Text is as printed, newlines included; a guest may join several.
    Print {
        /// Where to.
        stream: Stream,
        /// What.
        text: String,
    },
    /// The program calls out.
    Call {
        /// Chosen by the guest; unique among the calls that are not answered yet.
        id: u32,
        /// What it wants.
        #[serde(flatten)]
        op: Op,
    },
    /// The guest itself wants something of the files of the program: they are no calls of its own.
    File {
        /// As that of a call.
        id: u32,
        /// What it wants.
        #[serde(flatten)]
        op: FileOp,
    },
    /// Nothing can go on before an answer comes.
    Waiting,
    /// The program is compiled; its own time runs from when it is ready.
    Preparing {
        /// Whether it is over.
        ready: bool,
    },
    /// The program logged.
    Log {
        /// `debug`, `info`, `warning` or `error`.
        level: String,
        /// What.
        data: Value,
    },
    /// The program tells how far it is.
    Progress {
        /// How much is done.
        progress: f64,
        /// How much there is to do.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        total: Option<f64>,
        /// What is being done.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// The answer to a `start` that only checks.
    Checked {
        /// What is wrong with the text itself.
        #[serde(default)]
        problems: Vec<Failure>,
        /// The tool calls that stand in it, in the order of the text.
        #[serde(default)]
        calls: Vec<SeenCall>,
    },
    /// The program ended with a value.
    Done {
        /// Its `return`, else `__out`, else its last expression; null without one.
        value: Value,
        /// What the guest measured.
        #[serde(default)]
        usage: GuestUsage,
    },
    /// The program ended without a value.
    Failed {
        /// Why.
        error: Failure,
        /// What the guest measured.
        #[serde(default)]
        usage: GuestUsage,
        /// Whether the variables are there for the next program, where they were to be kept.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kept: Option<bool>,
    },
}

/// From host to guest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToGuest {
    /// Run a program.
    Start(Start),
    /// The answer to a call.
    Answer {
        /// The call.
        id: u32,
        /// The answer.
        #[serde(flatten)]
        outcome: Outcome,
    },
    /// End the program that runs.
    Cancel {
        /// Why, for the program's error.
        reason: String,
    },
}

/// Who the guest is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// [`PROTOCOL`](crate::PROTOCOL) as the guest was built.
    pub protocol: u32,
    /// The version of the guest program.
    pub version: String,
    /// The languages it runs.
    pub languages: Vec<Language>,
    /// The largest frame it reads.
    pub max_frame: usize,
}

/// A language of programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// ECMAScript modules.
    JavaScript,
    /// TypeScript; types are stripped, not checked.
    TypeScript,
    /// Python.
    Python,
    /// The little language of toolexec.
    Script,
    /// A WebAssembly module; its bytes come beside the message, which has no text.
    Wasm,
    /// The body of a Go function, compiled by the toolchain beside the guest.
    Go,
    /// Shell scripts, for the bash beside the guest.
    Bash,
    /// Python, on the CPython beside the guest.
    CPython,
    /// ECMAScript modules, on the Node beside the guest.
    Node,
}

/// A program to run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// Its language.
    pub language: Language,
    /// Its text.
    pub source: String,
    /// Values it finds as global variables.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub inputs: Map<String, Value>,
    /// What it may use.
    #[serde(default)]
    pub limits: GuestLimits,
    /// Whether variables stay for the next `start`.
    #[serde(default)]
    pub keep: bool,
    /// Only look at the text, run nothing; the answer is `checked`.
    #[serde(default)]
    pub check_only: bool,
    /// Whether it is given files, or may leave some.
    #[serde(default)]
    pub files: bool,
}

/// What the guest itself enforces. The host enforces these too, from outside; the guest's part
/// gives the better error.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestLimits {
    /// Time in which the program itself runs, in milliseconds: waiting for answers is not counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_ms: Option<u64>,
    /// Memory of the program, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Bytes of the value, as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_bytes: Option<u64>,
}

/// What the guest measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestUsage {
    /// Time in which the program itself ran, in microseconds.
    #[serde(default)]
    pub run_us: u64,
    /// The most memory of the engine, in bytes, when it can tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
}

/// What a call wants.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Op {
    /// Run a tool. The answer is its value.
    Run {
        /// The tool.
        tool: String,
        /// Its arguments: an object.
        args: Value,
    },
    /// Run a chain. The answer is its outcome.
    Chain {
        /// The chain, or the list of its steps.
        chain: Value,
    },
    /// Find tools. The answer is a list of hits.
    Search {
        /// The words.
        query: String,
        /// How many hits at most.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<usize>,
    },
    /// Describe a tool. The answer is its document.
    Describe {
        /// The tool.
        tool: String,
        /// `summary`, `signature`, `schema` or `full`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// The examples of a tool. The answer is a list.
    Examples {
        /// The tool.
        tool: String,
    },
    /// The namespaces. The answer is a list.
    Namespaces,
    /// Wait. The answer is null, after that time.
    Sleep {
        /// How long, in milliseconds.
        ms: u64,
    },
}

/// What a guest wants of the files of its program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum FileOp {
    /// Those that it is given. The answer is a list of `{name, size}`.
    List,
    /// Read a piece of one. The answer is base64; nothing, past its end.
    Read {
        /// Its name.
        name: String,
        /// Where, in bytes.
        offset: u64,
        /// How many bytes at most.
        length: u64,
    },
    /// Write one, or add to it. The answer is its size.
    Write {
        /// Its name.
        name: String,
        /// The bytes.
        base64: String,
        /// Whether to add to it.
        append: bool,
    },
}

/// The answer to a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It has a value.
    Ok(Value),
    /// It failed; the program may catch it.
    Error(CallError),
}

/// Why a call failed, as the program sees it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CallError {
    /// The tool, if it was about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// A stable name, such as `invalid_input`; `tool_error` for a tool's own failure.
    pub code: String,
    /// What happened.
    pub message: String,
    /// What is wrong with the arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub violations: Vec<Value>,
    /// Whether the same call may work later.
    #[serde(default)]
    pub retryable: bool,
    /// What a failing tool said in detail.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub value: Value,
    /// What to do next.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
}

/// A tool call that stands in a program, as far as can be seen without running it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenCall {
    /// The tool: of `tools.run("ns:name", ..)` the text, of `tools.ns.name(..)` `ns:name`.
    pub tool: String,
    /// The line, from 1.
    pub line: u32,
    /// The column, in characters, from 1.
    pub column: u32,
    /// The names of its arguments, when all of them can be seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub args: Option<Vec<String>>,
    /// The arguments whose values stand in the text.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub literals: Map<String, Value>,
}

/// Where a program prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Why a program has no value.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind of failure.
    pub kind: FailureKind,
    /// What happened.
    pub message: String,
    /// The name of the exception, such as `TypeError`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The line in the program as written, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The column, in characters, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// The calls that led there, innermost first, as the language writes them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trace: Vec<String>,
    /// The error of the call that was not caught, if it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<Box<CallError>>,
    /// What to do next.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
}

/// What kind of failure ended a program.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The text is not a program.
    Syntax,
    /// An exception was not caught.
    #[default]
    Exception,
    /// It uses what the engine lacks.
    Unsupported,
    /// It ran longer than `run_ms`.
    Time,
    /// It needed more than `memory_bytes`, or recursed too deep.
    Memory,
    /// Its value is larger than `result_bytes`.
    ResultSize,
    /// The host cancelled it.
    Cancelled,
    /// The guest itself failed.
    Internal,
}
