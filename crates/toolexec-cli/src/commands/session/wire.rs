//! What is said between `toolexec session` and the process of a session: a JSON value to a line.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use toolexec::core::sandbox::Language;

use crate::printer::Looks;

/// The longest line: a program with its inputs.
const MAX_LINE: u64 = 32 << 20;

/// What is asked. Closing the stream for writing cancels it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Request {
    /// The version of the program that asks.
    pub(super) version: String,
    pub(super) looks: Looks,
    pub(super) task: Task,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Task {
    Exec(Exec),
    Fork { name: Option<String> },
    Info,
    Stop,
}

/// A program to run.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Exec {
    pub(super) source: String,
    /// What its file's name says.
    pub(super) language: Option<Language>,
    pub(super) inputs: Map<String, Value>,
    pub(super) run_ms: Option<u64>,
    pub(super) stream: bool,
}

/// A part of the answer; the last one is `exit`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reply {
    /// Goes to stdout.
    Out(String),
    /// Goes to stderr.
    Err(String),
    /// What was asked for.
    Value(Value),
    /// How it ended.
    Exit(u8),
}

/// Sends one value.
pub(super) async fn send(
    stream: &mut (impl AsyncWrite + Unpin),
    value: &impl Serialize,
) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    stream.write_all(&line).await
}

/// The next value; nothing at the end of the stream.
pub(super) async fn receive<T: for<'de> Deserialize<'de>>(
    stream: &mut (impl AsyncBufRead + Unpin),
) -> std::io::Result<Option<T>> {
    let mut line = Vec::new();
    stream.take(MAX_LINE).read_until(b'\n', &mut line).await?;
    if line.pop() != Some(b'\n') {
        return Ok(None);
    }
    Ok(Some(serde_json::from_slice(&line)?))
}
