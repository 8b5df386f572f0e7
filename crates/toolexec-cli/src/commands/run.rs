//! `toolexec run`.

use futures_util::StreamExt;
use serde_json::{Map, Value};
use toolexec::{BackendChoice, Detail, Event, Request, RunResult};

use crate::args::RunArgs;
use crate::arguments::{self, Word};
use crate::diagnostics::{Failure, show_report};
use crate::exit::Exit;
use crate::live::Live;
use crate::printer::{Format, Printer, Tone, pretty};
use crate::session::Session;

pub(crate) async fn run(
    args: RunArgs,
    session: &Session,
    printer: &mut Printer,
) -> Result<Exit, Failure> {
    let words = arguments::read(&args.args)?;
    let input = input(session, &args.tool, words).await?;
    let backend = args.backend.as_deref().unwrap_or_default();
    let choice = match backend {
        "" => BackendChoice::Any,
        name => name.parse().unwrap_or_default(),
    };
    let request = Request::new(&args.tool, input)
        .on(choice)
        .with_context(session.context());
    if args.stream {
        return session.calls(stream(request, session, printer)).await;
    }
    session.calls(call(request, session, printer)).await
}

/// The arguments; the tool's schema is looked up only when it is needed.
pub(crate) async fn input(
    session: &Session,
    tool: &str,
    words: Vec<Word>,
) -> Result<Map<String, Value>, Failure> {
    if !arguments::need_schema(&words) {
        return arguments::assemble(words, &Value::Null);
    }
    let doc = session
        .lookup(session.executor.describe(tool, Detail::Schema))
        .await?;
    let schema = doc.input_schema.as_deref().unwrap_or(&Value::Null);
    arguments::assemble(words, schema)
}

/// Runs and shows the result; while it runs, a terminal shows how far it is.
async fn call(request: Request, session: &Session, printer: &mut Printer) -> Result<Exit, Failure> {
    if !printer.is_live() {
        let result = session.executor.call(request).await?;
        return finish(&result, printer);
    }
    let live = Live::start(printer, request.tool());
    let mut events = session.executor.stream(request);
    while let Some(event) = events.next().await {
        match event {
            Event::Progress {
                progress,
                total,
                message,
            } => live.progress(progress, total, message.as_deref()),
            Event::Done { result } => {
                drop(live);
                return finish(&result, printer);
            }
            Event::Error { error } => {
                drop(live);
                show_report(printer, &error)?;
                return Ok(Exit::of_code(error.code));
            }
            _ => {}
        }
    }
    Ok(Exit::Internal)
}

/// Shows a result: the value of a tool that succeeded, and what a tool said that failed.
fn finish(result: &RunResult, printer: &mut Printer) -> Result<Exit, Failure> {
    if printer.format() != Format::Human {
        printer.document(result)?;
    } else if result.is_error {
        show_tool_error(result, printer)?;
    } else {
        printer.value(&result.value)?;
    }
    if printer.format() == Format::Human {
        for warning in &result.warnings {
            printer.warn(warning)?;
        }
    }
    if printer.is_verbose() {
        printer.say(&summary(result))?;
    }
    Ok(if result.is_error {
        Exit::ToolError
    } else {
        Exit::Ok
    })
}

fn show_tool_error(result: &RunResult, printer: &mut Printer) -> Result<(), Failure> {
    let label = printer.paint(Tone::Error, "the tool reported an error:");
    let message = result.failure_message();
    printer.talk_line(&format!("{label} {message}"))?;
    // Often the value says no more than the message.
    let only = result.value.as_object().filter(|fields| fields.len() == 1);
    let is_said =
        only.is_some_and(|fields| fields.get("message") == Some(&message.as_str().into()));
    if !is_said && matches!(result.value, Value::Object(_) | Value::Array(_)) {
        printer.talk_line(&pretty(&result.value))?;
    }
    Ok(())
}

fn summary(result: &RunResult) -> String {
    format!(
        "{} on {} in {:.1?}",
        result.tool, result.backend, result.duration
    )
}

/// Runs and shows every event.
async fn stream(
    request: Request,
    session: &Session,
    printer: &mut Printer,
) -> Result<Exit, Failure> {
    let mut events = session.executor.stream(request);
    let mut exit = Exit::Internal;
    while let Some(event) = events.next().await {
        match &event {
            Event::Done { result } if result.is_error => exit = Exit::ToolError,
            Event::Done { .. } => exit = Exit::Ok,
            Event::Error { error } => exit = Exit::of_code(error.code),
            _ => {}
        }
        show_event(&event, printer)?;
    }
    Ok(exit)
}

/// One event as a line.
pub(crate) fn show_event(event: &Event, printer: &mut Printer) -> Result<(), Failure> {
    if printer.format() != Format::Human {
        let line = serde_json::to_string(event).map_err(std::io::Error::other)?;
        printer.line(&line)?;
        return Ok(());
    }
    match event {
        Event::Started { tool, backend } => {
            printer.say(&format!("started   {tool} on {backend}"))?;
        }
        Event::Progress {
            progress,
            total,
            message,
        } => {
            let total = total.map(|total| format!("/{total}")).unwrap_or_default();
            let message = message.as_deref().unwrap_or_default();
            printer.say(format!("progress  {progress}{total} {message}").trim_end())?;
        }
        Event::Log { level, data } => {
            let text = data
                .as_str()
                .map_or_else(|| data.to_string(), str::to_owned);
            printer.say(&format!("log       {level:?}: {text}"))?;
        }
        Event::Chunk { data } => printer.say(&format!("chunk     {data}"))?,
        Event::Step { step } => {
            let status = format!("{:?}", step.status).to_lowercase();
            let tool = step.tool.as_deref().unwrap_or("group");
            printer.say(&format!("step      {} {tool} {status}", step.path))?;
        }
        Event::Done { result } => {
            printer.say(&format!("done      {}", summary(result)))?;
            if result.is_error {
                show_tool_error(result, printer)?;
            } else {
                printer.value(&result.value)?;
            }
        }
        Event::Error { error } => show_report(printer, error)?,
        _ => {}
    }
    Ok(())
}
