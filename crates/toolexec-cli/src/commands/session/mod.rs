//! `toolexec session`: sessions in the background, each with a process that holds it and its forks.

mod client;
mod host;
mod place;
mod wire;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use toolexec::{Error, ErrorKind};

use crate::arguments;
use crate::code_args::CodeLang;
use crate::commands::code;
use crate::diagnostics::Failure;
use crate::exit::Exit;
use crate::printer::{Format, Printer};
use crate::session_args::{SessionExec, SessionTask};
use crate::signals::interruptible;
use client::Connection;
use place::{Place, failed};
use wire::{Exec, Task};

pub(crate) use host::{leave_terminal, run as host};

/// Does what needs no tools: asks the processes of sessions, or starts one.
pub(crate) async fn run(
    task: SessionTask,
    timeout: Option<Duration>,
    printer: &mut Printer,
) -> Result<Exit, Failure> {
    let place = Place::open()?;
    match task {
        SessionTask::Start(_) => start(&place, printer).await,
        SessionTask::Exec(args) => exec(&place, &args, timeout, printer).await,
        SessionTask::Fork { id, name } => {
            let answer = ask(&place, &id, Task::Fork { name }, printer).await?;
            named(&answer, printer)
        }
        SessionTask::Ls => ls(&place, printer).await,
        SessionTask::Stop { ids, all } => {
            let ids = if all { place.names().await? } else { ids };
            for id in &ids {
                ask(&place, id, Task::Stop, printer).await?;
            }
            Ok(Exit::Ok)
        }
    }
}

/// Starts the process of a session, which is this program with the same arguments.
async fn start(place: &Place, printer: &mut Printer) -> Result<Exit, Failure> {
    place.sweep();
    let log = place.unnamed_log();
    let mut child = spawn(&log)?;
    let (sender, said) = tokio::sync::oneshot::channel();
    if let Some(output) = child.stdout.take() {
        // It says one line, or ends.
        std::thread::spawn(move || {
            let mut line = String::new();
            let _ = BufReader::new(output).read_line(&mut line);
            let _ = sender.send(line);
        });
    }
    let token = CancellationToken::new();
    let ready = async {
        tokio::select! {
            line = said => Ok(line.unwrap_or_default()),
            () = token.cancelled() => Ok(String::new()),
        }
    };
    let line = interruptible(&token, ready, |line, _| line).await?;
    if let Ok(info) = serde_json::from_str::<Value>(&line) {
        return named(&info, printer);
    }
    let exit = ended(&mut child, token.is_cancelled())?;
    // What it said is what this program would have said.
    printer.pass_on_talk(&std::fs::read_to_string(&log).unwrap_or_default())?;
    let _ = std::fs::remove_file(&log);
    Ok(exit)
}

#[expect(
    clippy::disallowed_methods,
    reason = "this program itself, which is to outlive this process"
)]
fn spawn(log: &Path) -> Result<Child, Failure> {
    let what = "the process of the session cannot be started";
    let log = std::fs::File::create(log).map_err(|error| failed(what, error))?;
    let program = std::env::current_exe().map_err(|error| failed(what, error))?;
    std::process::Command::new(program)
        .args(std::env::args_os().skip(1))
        .arg("--host")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .map_err(|error| failed(what, error))
}

/// How a process that did not become a session ended.
fn ended(child: &mut Child, is_cancelled: bool) -> Result<Exit, Failure> {
    if is_cancelled {
        let _ = child.kill();
    }
    let status = child
        .wait()
        .map_err(|error| failed("the process of the session is gone", error))?;
    if is_cancelled {
        return Ok(Exit::Interrupted);
    }
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    match code.map(Exit::numbered) {
        Some(exit) if exit != Exit::Ok => Ok(exit),
        _ => {
            let message = "the process of the session ended before it was ready";
            Err(Error::new(ErrorKind::Unavailable, message).into())
        }
    }
}

async fn exec(
    place: &Place,
    args: &SessionExec,
    timeout: Option<Duration>,
    printer: &mut Printer,
) -> Result<Exit, Failure> {
    let (source, language) = match (&args.eval, &args.file) {
        (Some(code), _) => (code.clone(), None),
        (None, Some(file)) if file == Path::new("-") => (code::standard_input()?, None),
        (None, Some(file)) => {
            let end = file.extension().and_then(|end| end.to_str());
            let language = end.and_then(CodeLang::of_extension);
            (
                arguments::read_file(file)?,
                language.map(CodeLang::language),
            )
        }
        // Clap asks for one of them.
        (None, None) => (String::new(), None),
    };
    let inputs = arguments::assemble(arguments::read(&args.input)?, &Value::Null)?;
    let task = Task::Exec(Exec {
        source,
        language,
        inputs,
        run_ms: timeout.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
        stream: args.stream,
    });
    let mut connection = Connection::open(place, &args.id).await?;
    let token = CancellationToken::new();
    let asked = async {
        let (exit, _) = connection.ask(task, Some(&token), printer).await?;
        Ok(exit)
    };
    // A program that ended by itself in the last moment keeps its code.
    let after = |exit, signal| match exit {
        Exit::Interrupted => signal,
        other => other,
    };
    interruptible(&token, asked, after).await
}

async fn ls(place: &Place, printer: &mut Printer) -> Result<Exit, Failure> {
    let mut sessions = Vec::new();
    for name in place.names().await? {
        // One that ends meanwhile is no session any more.
        if let Ok(info) = ask(place, &name, Task::Info, printer).await {
            sessions.push(info);
        }
    }
    if printer.format() != Format::Human {
        printer.items("sessions", &sessions)?;
        return Ok(Exit::Ok);
    }
    if sessions.is_empty() {
        printer.say("no sessions; `toolexec session start` starts one")?;
    }
    for session in &sessions {
        let text = |key: &str| session[key].as_str().unwrap_or_default();
        let count = session["programs"].as_u64().unwrap_or_default();
        let idle = session["idle_ms"].as_f64().unwrap_or_default() / 1e3;
        let mut line = format!(
            "{:<12} {:<8} {:<11} {:<11} {count} programs, not used for {idle:.0} s",
            text("id"),
            text("state"),
            text("language"),
            text("sandbox"),
        );
        if let Some(from) = session["forked_from"].as_str() {
            line = format!("{line}, forked from {from}");
        }
        printer.line(&line)?;
    }
    Ok(Exit::Ok)
}

/// Asks a session for a value; what it says besides is shown.
async fn ask(
    place: &Place,
    name: &str,
    task: Task,
    printer: &mut Printer,
) -> Result<Value, Failure> {
    let mut connection = Connection::open(place, name).await?;
    match connection.ask(task, None, printer).await? {
        (Exit::Ok, value) => Ok(value.unwrap_or_default()),
        (exit, _) => Err(Failure::silent(exit)),
    }
}

/// Shows a session that there is now.
fn named(info: &Value, printer: &mut Printer) -> Result<Exit, Failure> {
    if printer.format() == Format::Human {
        printer.line(info["id"].as_str().unwrap_or_default())?;
    } else {
        printer.document(&json!(info))?;
    }
    Ok(Exit::Ok)
}
