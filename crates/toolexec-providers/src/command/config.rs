//! What a person configures about a program.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use toolexec_core::Annotations;
use toolexec_process::Confine;

use crate::secret::Secret;

/// A program that is a tool.
#[derive(Debug, Clone)]
pub struct CommandTool {
    /// The name of the tool.
    pub name: String,
    /// A name for people.
    pub title: Option<String>,
    /// What it does.
    pub description: String,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// Hints about its behaviour.
    pub annotations: Annotations,
    /// The program: a path, or a name that is looked for in the child's `PATH`.
    pub program: String,
    /// Its arguments, which may hold templates; see [the module](crate::command).
    pub args: Vec<ArgTemplate>,
    /// What its standard input gets.
    pub stdin: StdinTemplate,
    /// Its environment.
    pub env: Vec<(String, Secret)>,
    /// Whether it also gets `PATH`, `HOME`, the language and the like from our environment (see
    /// [`toolexec_process::BASE_ENV`]).
    pub base_env: bool,
    /// Its working directory; ours when absent.
    pub cwd: Option<PathBuf>,
    /// What it runs inside of; nothing when absent. It gets the environment of that in place of
    /// what `base_env` adds.
    pub confine: Option<Arc<dyn Confine>>,
    /// JSON Schema of its arguments; derived from the templates when absent.
    pub input_schema: Option<Value>,
    /// JSON Schema of its value.
    pub output_schema: Option<Value>,
    /// What its standard output is.
    pub output: OutputFormat,
    /// The exit codes that are no failure.
    pub success: Vec<i32>,
    /// How long it may run; it and all it started are killed then.
    pub timeout: Duration,
    /// The most bytes it may write to its standard output; it is killed then.
    pub max_output: usize,
}

/// One argument of a program, or several that belong together.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum ArgTemplate {
    /// One argument; left out when a value that it needs is absent.
    One(String),
    /// Arguments that are left out together when a value that one of them needs is absent:
    /// `["--depth", "{{depth}}"]`.
    Group(Vec<String>),
    /// Arguments that are there only when a value is: not absent, null or false.
    When {
        /// The name of the value.
        when: String,
        /// The arguments.
        args: Vec<String>,
    },
}

/// What the standard input of a program gets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum StdinTemplate {
    /// Nothing.
    #[default]
    Nothing,
    /// All arguments of the call as one JSON object.
    Json,
    /// A text with templates; absent values are empty.
    Text(String),
}

/// What the standard output of a program is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputFormat {
    /// Text in UTF-8; one line break at its end is no part of the value.
    #[default]
    Text,
    /// One JSON value; nothing is null.
    Json,
    /// One JSON value per line; the value is their list.
    Jsonl,
}

impl CommandTool {
    /// A tool that runs a program without arguments.
    pub fn new(name: impl Into<String>, program: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            title: None,
            description: String::new(),
            tags: Vec::new(),
            annotations: Annotations::default(),
            program: program.into(),
            args: Vec::new(),
            stdin: StdinTemplate::default(),
            env: Vec::new(),
            base_env: true,
            cwd: None,
            confine: None,
            input_schema: None,
            output_schema: None,
            output: OutputFormat::default(),
            success: vec![0],
            timeout: Duration::from_secs(60),
            max_output: 10 << 20,
        }
    }

    /// Sets the arguments.
    #[must_use]
    pub fn with_args<A: Into<ArgTemplate>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args = args.into_iter().map(Into::into).collect();
        self
    }
}

impl From<&str> for ArgTemplate {
    fn from(text: &str) -> Self {
        Self::One(text.to_owned())
    }
}

impl From<String> for ArgTemplate {
    fn from(text: String) -> Self {
        Self::One(text)
    }
}
