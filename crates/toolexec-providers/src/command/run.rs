//! Running a program.

use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::ChildStdout;
use tokio::time::{Instant, timeout_at};
use toolexec_core::backend::ToolFailure;
use toolexec_core::event::LogLevel;
use toolexec_core::{Args, CallContext, Error, ErrorKind, RawOutput, Result};
use toolexec_process::{Child, Command, ConfineError, Exit, SpawnError, Stdin, Tail, base_env};

use super::config::{CommandTool, OutputFormat};
use super::template::Templates;

/// The most lines of standard error that a failure tells.
const STDERR_LINES: usize = 20;
/// The most characters of standard output that a failure tells.
const STDOUT_CHARS: usize = 4_000;

/// Runs a program to its end. Dropping the future kills it with all it started.
pub(super) async fn run(
    command: &CommandTool,
    templates: &Templates,
    args: &Args,
    cx: &CallContext,
) -> Result<RawOutput> {
    let filled = templates.fill(args).map_err(|reason| {
        Error::new(ErrorKind::InvalidInput, reason)
            .with_hint("the templates of a command decide what it takes; see its description")
    })?;
    let allowed = cx
        .remaining()
        .map_or(command.timeout, |left| left.min(command.timeout));
    let deadline = Instant::now() + allowed;
    let spawned = spawn(command, filled.args, filled.stdin.is_some());
    let mut child = timeout_at(deadline, spawned)
        .await
        .map_err(|_| late(command, allowed))??;
    let work = work(command, &mut child, filled.stdin, cx);
    let (stdout, exit) = timeout_at(deadline, work)
        .await
        .map_err(|_| late(command, allowed))??;
    let stderr = child.stderr_to_end().await;
    match exit.code {
        Some(code) if command.success.contains(&code) => value(command, &stdout),
        _ if let Some(what) = child.exceeded(exit) => Err(exceeded(command, &what)),
        _ => Ok(RawOutput::Failure(failure(command, exit, &stdout, &stderr))),
    }
}

async fn spawn(command: &CommandTool, args: Vec<String>, has_stdin: bool) -> Result<Child> {
    let mut process = Command::new(&command.program)
        .args(args)
        .stdin(if has_stdin { Stdin::Piped } else { Stdin::Null });
    if let Some(confine) = &command.confine {
        process = process.envs(confine.base_env());
    } else if command.base_env {
        process = process.envs(base_env());
    }
    for (name, value) in &command.env {
        process = process.env(name, value.expose());
    }
    if let Some(dir) = &command.cwd {
        process = process.current_dir(dir);
    }
    let spawned = match &command.confine {
        Some(confine) => confine.spawn(process).await,
        None => process.spawn(),
    };
    spawned.map_err(|error| match error {
        SpawnError::Confine(error) => unconfined(command, error),
        error => unstarted(command, error),
    })
}

/// A program whose sandbox cannot be used, or that cannot be started there.
fn unconfined(command: &CommandTool, mut error: ConfineError) -> Error {
    let message = format!(
        "command {} cannot run in its sandbox: {error}",
        command.name
    );
    let made = Error::new(ErrorKind::SandboxUnavailable, message).with_retryable(false);
    let made = error.hints.drain(..).fold(made, Error::with_hint);
    match error.source {
        Some(source) => made.with_source(source),
        None => made,
    }
}

/// A program that went over a limit of its sandbox.
fn exceeded(command: &CommandTool, what: &str) -> Error {
    let message = format!(
        "command {} {what} and was ended by its sandbox",
        command.name
    );
    Error::new(ErrorKind::LimitExceeded, message)
}

fn unstarted(command: &CommandTool, error: SpawnError) -> Error {
    let what = match &error {
        SpawnError::NotFound { .. } => "was not found",
        SpawnError::NotExecutable { .. } => "may not be executed",
        SpawnError::Directory(_) => "cannot be started: its working directory does not exist",
        _ => "could not be started",
    };
    let hint = error.hint();
    // Its path is for operators only, in the source.
    let made = Error::new(
        ErrorKind::Unavailable,
        format!("the program of command {} {what}", command.name),
    )
    .with_retryable(false)
    .with_source(error);
    match hint {
        Some(hint) => made.with_hint(hint),
        None => made,
    }
}

fn late(command: &CommandTool, allowed: Duration) -> Error {
    Error::new(
        ErrorKind::Timeout,
        format!(
            "command {} ran for {allowed:?} and was killed",
            command.name
        ),
    )
}

/// Feeds the program, reads its output and waits for its end, all at once.
async fn work(
    command: &CommandTool,
    child: &mut Child,
    input: Option<String>,
    cx: &CallContext,
) -> Result<(Vec<u8>, Exit)> {
    let (stdin, stdout, tail) = (
        child.take_stdin(),
        child.take_stdout(),
        child.stderr().clone(),
    );
    let feed = async {
        if let (Some(mut stdin), Some(input)) = (stdin, input) {
            // A program may end without reading everything.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
    };
    let finish = async {
        let stdout = match stdout {
            Some(stdout) => read(command, stdout, cx).await?,
            None => Vec::new(),
        };
        let exit = child.wait().await.map_err(|error| {
            Error::new(ErrorKind::Internal, "waiting for the program failed").with_source(error)
        })?;
        Ok((stdout, exit))
    };
    let mut logged = 0;
    let log = async {
        if cx.events().is_none() {
            return;
        }
        loop {
            let (lines, seen) = tail.after(logged).await;
            logged = seen - lines.len() as u64;
            for line in lines {
                cx.log(LogLevel::Info, line).await;
                logged += 1;
            }
        }
    };
    let done = {
        tokio::pin!(feed, finish, log);
        let mut is_fed = false;
        loop {
            tokio::select! {
                done = &mut finish => break done,
                () = &mut feed, if !is_fed => is_fed = true,
                () = &mut log, if cx.events().is_some() => {}
            }
        }
    };
    if cx.events().is_some() {
        // What came while the program ended.
        for line in child.stderr_to_end().await.since(logged).0 {
            cx.log(LogLevel::Info, line).await;
        }
    }
    done
}

/// Reads standard output up to its limit; sends its lines while somebody reads.
async fn read(command: &CommandTool, mut stdout: ChildStdout, cx: &CallContext) -> Result<Vec<u8>> {
    let mut bytes: Vec<u8> = Vec::new();
    let (mut sent, mut searched) = (0, 0);
    let sends = cx.events().is_some() && command.output != OutputFormat::Json;
    loop {
        // One byte more than allowed tells that there is more.
        let room = command.max_output.saturating_add(1) - bytes.len();
        let mut part = (&mut stdout).take(room as u64);
        let count = part.read_buf(&mut bytes).await.map_err(|error| {
            Error::new(ErrorKind::Backend, "reading the program's output failed").with_source(error)
        })?;
        if bytes.len() > command.max_output {
            return Err(Error::new(
                ErrorKind::LimitExceeded,
                format!(
                    "command {} wrote more than {} bytes and was killed (max_output)",
                    command.name, command.max_output
                ),
            ));
        }
        if sends {
            while let Some(end) = bytes[searched..].iter().position(|byte| *byte == b'\n') {
                send_line(command, &bytes[sent..searched + end], cx).await;
                searched += end + 1;
                sent = searched;
            }
            searched = bytes.len();
        }
        if count == 0 {
            if sends && sent < bytes.len() {
                send_line(command, &bytes[sent..], cx).await;
            }
            return Ok(bytes);
        }
    }
}

async fn send_line(command: &CommandTool, line: &[u8], cx: &CallContext) {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if command.output == OutputFormat::Jsonl {
        // A line that is no JSON is told when the program has ended.
        if let Ok(value) = serde_json::from_slice::<Value>(line) {
            cx.chunk(value).await;
        }
    } else {
        cx.chunk(String::from_utf8_lossy(line).into_owned()).await;
    }
}

/// The value of a success.
fn value(command: &CommandTool, stdout: &[u8]) -> Result<RawOutput> {
    let not_json = |place: String, error: serde_json::Error| {
        Error::new(
            ErrorKind::Protocol,
            format!(
                "command {} wrote {place} that is not JSON: {error}",
                command.name
            ),
        )
    };
    let value = match command.output {
        OutputFormat::Text => Value::String(text(stdout)),
        OutputFormat::Json if stdout.trim_ascii().is_empty() => Value::Null,
        OutputFormat::Json => {
            serde_json::from_slice(stdout).map_err(|error| not_json("output".to_owned(), error))?
        }
        OutputFormat::Jsonl => {
            let lines = stdout.split(|byte| *byte == b'\n').enumerate();
            let lines = lines.filter(|(_, line)| !line.trim_ascii().is_empty());
            let values = lines.map(|(n, line)| {
                serde_json::from_slice(line)
                    .map_err(|error| not_json(format!("a line ({})", n + 1), error))
            });
            Value::Array(values.collect::<Result<_>>()?)
        }
    };
    Ok(RawOutput::Value(value))
}

fn failure(command: &CommandTool, exit: Exit, stdout: &[u8], stderr: &Tail) -> ToolFailure {
    let last = stderr.last(1).filter(|line| !line.is_empty());
    let said = last.map_or(String::new(), |line| format!(": {line}"));
    let mut value = Map::new();
    if let Some(code) = exit.code {
        value.insert("exitCode".into(), json!(code));
    }
    if let Some(signal) = exit.signal {
        value.insert("signal".into(), json!(signal));
    }
    let stderr = stderr.last(STDERR_LINES).unwrap_or_default();
    value.insert("stderr".into(), json!(stderr));
    let stdout: String = text(stdout).chars().take(STDOUT_CHARS).collect();
    value.insert("stdout".into(), json!(stdout));
    ToolFailure {
        message: format!("command {} {exit}{said}", command.name),
        value: Some(Value::Object(value)),
    }
}

/// Text without the line break at its end.
fn text(bytes: &[u8]) -> String {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    String::from_utf8_lossy(bytes).into_owned()
}
