//! What a program answers.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::failure::CodeError;
use super::files::Artifact;
use super::record::CallRecord;
use crate::run::as_millis;
use crate::sandbox::{Enforced, Language, Profile};

/// What a program answers: its value or its error, and everything that is known besides.
///
/// As JSON it has `"v": 1`; fields may be added to a version, and none is removed.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[must_use = "a program's own failure is in here: look at `error`"]
pub struct Outcome {
    /// The version of this form.
    pub v: u32,
    /// The value; null when there is an error.
    pub value: Value,
    /// Why there is no value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<CodeError>,
    /// What it printed.
    pub stdout: String,
    /// What it printed to standard error.
    pub stderr: String,
    /// What it logged.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<LogLine>,
    /// What its reader should know besides, such as sources that could not be searched.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// The calls it made, in the order in which it made them.
    pub calls: Vec<CallRecord>,
    /// The files it left.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<Artifact>,
    /// What it used.
    pub usage: Usage,
    /// The limits it had, and who enforced them.
    pub enforced: Enforced,
    /// Its language.
    pub language: Language,
    /// Where it ran.
    pub sandbox: String,
    /// The isolation that was asked for.
    pub profile: Profile,
}

/// One line of a program's log.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LogLine {
    /// `debug`, `info`, `warning` or `error`.
    pub level: String,
    /// What.
    pub data: Value,
}

/// What a program used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Usage {
    /// From the first message to the last.
    #[serde(rename = "wall_time_ms", serialize_with = "as_millis")]
    pub wall_time: Duration,
    /// Time in which the program itself ran.
    #[serde(rename = "run_time_ms", serialize_with = "as_millis")]
    pub run_time: Duration,
    /// Time in which it waited for answers.
    #[serde(rename = "wait_time_ms", serialize_with = "as_millis")]
    pub wait_time: Duration,
    /// CPU time, where the sandbox can tell.
    #[serde(
        rename = "cpu_time_ms",
        serialize_with = "optional_millis",
        skip_serializing_if = "Option::is_none"
    )]
    pub cpu_time: Option<Duration>,
    /// The most memory in bytes, where the sandbox can tell.
    #[serde(rename = "memory_bytes", skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Tools that were called, steps of chains included.
    pub tool_calls: u64,
    /// The most calls that ran at the same time.
    pub parallel_calls: u64,
    /// The most steps of a chain.
    pub chain_steps: u64,
    /// Bytes printed and logged.
    pub output_bytes: u64,
    /// Bytes of the value, as JSON.
    pub result_bytes: u64,
}

impl Outcome {
    /// The version of the form of outcomes.
    pub const VERSION: u32 = 1;

    /// Whether the program has a value.
    pub fn is_ok(&self) -> bool {
        self.error.is_none()
    }
}

#[expect(clippy::ref_option, reason = "serde passes a reference")]
fn optional_millis<S: serde::Serializer>(
    duration: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    as_millis(&duration.unwrap_or_default(), serializer)
}
