//! A jq filter over a result, in a process of its own.
//!
//! A filter can loop, recurse and build without end. It runs in a child process that bounds its
//! own memory and CPU time, and is killed when its time is over.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;
use toolexec_core::{CallContext, Error, ErrorKind, Result};
use toolexec_process::Command;

use super::worker::{Answer, Task};

/// How long a filter may run.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The longest filter, in bytes.
const MAX_FILTER: usize = 16 << 10;

/// The program that runs [`jq_worker`](super::jq_worker).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JqProgram {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
}

impl JqProgram {
    /// A program without arguments, such as `toolexec-jq`.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
        }
    }

    /// The values that the filter gives for `json`, as many as fit into `max` characters.
    ///
    /// # Cancel safety
    /// Dropping the future kills the process.
    pub(super) async fn apply(
        &self,
        filter: &str,
        json: &[u8],
        max: usize,
        cx: &CallContext,
    ) -> Result<Value> {
        if filter.len() > MAX_FILTER {
            let message = format!("the filter is longer than {MAX_FILTER} bytes");
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        let task = Task {
            filter: filter.to_owned(),
            max_output: max,
        };
        let mut input = json!(task).to_string().into_bytes();
        input.push(b'\n');
        input.extend_from_slice(json);
        let command = Command::new(self.program.to_string_lossy()).args(self.args.iter().cloned());
        // What the worker adds to the values it gives.
        let run = command.run(input, 2 * max + 4096);
        let time = cx.remaining().map_or(TIMEOUT, |left| left.min(TIMEOUT));
        let ended = tokio::select! {
            ended = timeout(time, run) => ended,
            () = cx.cancelled() => {
                return Err(Error::new(ErrorKind::Cancelled, "the call was cancelled"));
            }
        };
        let output = ended.map_err(|_| over("time"))?.map_err(|error| {
            Error::new(ErrorKind::Internal, "the filter could not be run").with_source(error)
        })?;
        let answer = serde_json::from_slice(&output.stdout);
        match answer {
            Ok(Answer::Values { values, truncated }) => {
                let mut answer = json!({ "values": values });
                if truncated {
                    answer["truncated"] = json!(true);
                }
                Ok(answer)
            }
            Ok(Answer::Error { error }) => Err(Error::new(ErrorKind::InvalidInput, error)),
            // It ended without an answer: it was killed, or ran out of memory.
            Err(_) => Err(over("memory or time")),
        }
    }
}

fn over(what: &str) -> Error {
    Error::new(
        ErrorKind::LimitExceeded,
        format!("the jq filter took more {what} than it may"),
    )
    .with_hint("make it simpler, or read a smaller part with `at`")
}
