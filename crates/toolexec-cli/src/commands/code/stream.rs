//! What happens while a program runs, as it happens.

use futures_util::StreamExt;
use toolexec::core::code::{Artifact, CallRecord, CodeEvent, CodeStream, Stream};

use super::{finish, show, timeline};
use crate::diagnostics::{Failure, show_report};
use crate::exit::Exit;
use crate::printer::{Format, Printer, shortened};

/// The longest arguments that are shown, in characters.
const ARGS: usize = 100;

pub(crate) async fn run(
    mut events: CodeStream,
    source: &str,
    printer: &mut Printer,
) -> Result<(Exit, Vec<Artifact>), Failure> {
    let mut exit = Exit::Internal;
    let mut artifacts = Vec::new();
    while let Some(event) = events.next().await {
        match &event {
            CodeEvent::Done { outcome } => {
                exit = outcome.error.as_ref().map_or(Exit::Ok, show::exit);
                artifacts.clone_from(&outcome.artifacts);
            }
            CodeEvent::Error { error } => exit = Exit::of_code(error.code),
            _ => {}
        }
        if printer.format() == Format::Human {
            human(&event, source, printer)?;
        } else {
            let line = serde_json::to_string(&event).map_err(std::io::Error::other)?;
            printer.line(&line)?;
        }
    }
    Ok((exit, artifacts))
}

/// What it prints as it comes, and then how it ended: for a program that others wait for.
pub(crate) async fn prints(
    mut events: CodeStream,
    source: &str,
    printer: &mut Printer,
) -> Result<Exit, Failure> {
    let is_human = printer.format() == Format::Human;
    while let Some(event) = events.next().await {
        match &event {
            CodeEvent::Print { .. } | CodeEvent::Log(_) if is_human => {
                human(&event, source, printer)?;
            }
            CodeEvent::Done { outcome } if is_human => {
                return show::ending(outcome, source, printer);
            }
            CodeEvent::Done { outcome } => return finish(outcome, source, printer),
            CodeEvent::Error { error } => {
                show_report(printer, error)?;
                return Ok(Exit::of_code(error.code));
            }
            _ => {}
        }
    }
    Ok(Exit::Internal)
}

fn human(event: &CodeEvent, source: &str, printer: &mut Printer) -> Result<(), Failure> {
    match event {
        CodeEvent::Started {
            language, sandbox, ..
        } => printer.say(&format!("started   {language:?} in {sandbox}"))?,
        CodeEvent::Print { stream, text } => {
            let text = text.strip_suffix('\n').unwrap_or(text);
            match stream {
                Stream::Stdout => printer.line(text)?,
                Stream::Stderr => printer.talk_line(text)?,
            }
        }
        CodeEvent::CallStarted {
            number, tool, args, ..
        } => {
            let args = args.to_string();
            let args = shortened(&args, ARGS);
            let tool = tool.as_deref().unwrap_or_default();
            printer.say(format!("call {number:<4} {tool} {args}").trim_end())?;
        }
        CodeEvent::CallEnded { call } => printer.say(&ended(call))?,
        CodeEvent::Log(line) => {
            printer.say(&format!(
                "log       {}: {}",
                line.level,
                show::text(&line.data)
            ))?;
        }
        CodeEvent::Progress {
            progress,
            total,
            message,
        } => {
            let total = total.map(|total| format!("/{total}")).unwrap_or_default();
            let message = message.as_deref().unwrap_or_default();
            printer.say(format!("progress  {progress}{total} {message}").trim_end())?;
        }
        CodeEvent::Done { outcome } => {
            show::ending(outcome, source, printer)?;
        }
        CodeEvent::Error { error } => show_report(printer, error)?,
        _ => {}
    }
    Ok(())
}

fn ended(call: &CallRecord) -> String {
    let took = timeline::millis(call.duration);
    let end = match &call.error {
        Some(error) => format!("failed: {}", error.message),
        None => "ok".to_owned(),
    };
    format!("answer {:<2} {end} after {took}", call.number)
}
