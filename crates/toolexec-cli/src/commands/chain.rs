//! `toolexec chain`.

use std::io::Read;
use std::path::Path;

use serde_json::{Map, Value};
use toolexec::core::EventSink;
use toolexec::{CallContext, Chain, ChainOutcome, Event, Step, StepReport, StepStatus};

use crate::args::ChainArgs;
use crate::arguments;
use crate::commands::run::{input, show_event};
use crate::diagnostics::{Failure, show_report};
use crate::exit::Exit;
use crate::live::Live;
use crate::printer::{Format, Printer, Tone};
use crate::session::Session;

pub(crate) async fn run(
    args: ChainArgs,
    session: &Session,
    printer: &mut Printer,
) -> Result<Exit, Failure> {
    let chain = read(&args.steps, session).await?;
    if args.stream {
        return session.calls(stream(chain, session, printer)).await;
    }
    let work = async {
        let live = Live::start(printer, "chain");
        let outcome = session.executor.chain_with(chain, &session.context()).await;
        drop(live);
        show(&outcome?, printer)
    };
    session.calls(work).await
}

/// A chain as one JSON text, or step by step.
async fn read(words: &[String], session: &Session) -> Result<Chain, Failure> {
    let [only] = words else {
        return steps(words, session).await;
    };
    let text = if only == "-" {
        let mut text = String::new();
        std::io::stdin().lock().read_to_string(&mut text)?;
        text
    } else if let Some(path) = only.strip_prefix('@') {
        arguments::read_file(Path::new(path))?
    } else if only.trim_start().starts_with(['{', '[']) {
        only.clone()
    } else {
        return steps(words, session).await;
    };
    serde_json::from_str(&text).map_err(|error| {
        Failure::usage(format!("this is no chain: {error}"))
            .hint("a chain is a list: [{\"tool\": \"math:add\", \"args\": {\"a\": 1, \"b\": 2}}]")
    })
}

async fn steps(words: &[String], session: &Session) -> Result<Chain, Failure> {
    let mut steps = Vec::with_capacity(words.len());
    for (number, word) in words.iter().enumerate() {
        let failed = |why: &str| {
            Failure::usage(format!("step {} {why}: {word}", number + 1))
                .hint("a step is a tool and its arguments: 'math:add a=1 b={{prev}}'")
        };
        let parts = shlex::split(word).ok_or_else(|| failed("has an open quote"))?;
        let Some((tool, args)) = parts.split_first() else {
            return Err(failed("is empty"));
        };
        let words = arguments::read(args)?;
        // A step may name a tool that is not there; the chain says so with all the others.
        let args = match input(session, tool, words).await {
            Ok(args) => args,
            Err(_) if number > 0 && !args.iter().any(|arg| arg.contains('=')) => Map::new(),
            Err(failure) => return Err(failure),
        };
        steps.push(Step::call(tool, Value::Object(args)));
    }
    Ok(Chain::new(steps))
}

async fn stream(chain: Chain, session: &Session, printer: &mut Printer) -> Result<Exit, Failure> {
    const BUFFER: usize = 32;
    let (sink, mut events) = EventSink::channel(BUFFER);
    let cx: CallContext = session.context().with_events(sink);
    let work = async move {
        // The context, and with it the sink, is gone when the chain ends.
        let cx = cx;
        session.executor.chain_with(chain, &cx).await
    };
    tokio::pin!(work);
    let outcome = loop {
        tokio::select! {
            biased;
            Some(event) = events.recv() => show_step(&event, printer)?,
            outcome = &mut work => break outcome,
        }
    };
    while let Ok(event) = events.try_recv() {
        show_step(&event, printer)?;
    }
    show(&outcome?, printer)
}

/// The end of one call is no end of the chain; its step says the same.
fn show_step(event: &Event, printer: &mut Printer) -> Result<(), Failure> {
    if event.is_last() {
        return Ok(());
    }
    show_event(event, printer)
}

/// Shows what became of a chain: its value, and the steps that did not go well.
pub(crate) fn show(outcome: &ChainOutcome, printer: &mut Printer) -> Result<Exit, Failure> {
    if printer.format() == Format::Human {
        let all = printer.is_verbose();
        for step in &outcome.steps {
            show_report_of(step, all || !outcome.is_ok(), printer)?;
        }
        if outcome.error.is_none() {
            printer.value(&outcome.value)?;
        }
        if let Some(error) = &outcome.error {
            show_report(printer, error)?;
        }
    } else {
        printer.document(outcome)?;
    }
    Ok(match &outcome.error {
        Some(error) if error.code != "backend_failed" => Exit::of_code(error.code),
        Some(_) => Exit::ToolError,
        None if outcome.failed > 0 => Exit::ToolError,
        None => Exit::Ok,
    })
}

fn show_report_of(step: &StepReport, show: bool, printer: &mut Printer) -> Result<(), Failure> {
    if show {
        let tool = step.tool.as_deref().unwrap_or("(group)");
        let end = match step.status {
            StepStatus::Ok => printer.paint(Tone::Good, "ok").into_owned(),
            StepStatus::Failed => {
                let why = step.error.as_ref().map_or("", |error| &error.message);
                format!("{}: {why}", printer.paint(Tone::Error, "failed"))
            }
            StepStatus::Skipped => {
                let why = step.skipped.as_deref().unwrap_or_default();
                format!("{}: {why}", printer.paint(Tone::Warning, "skipped"))
            }
        };
        printer.say(&format!("{} {tool} {end}", step.path))?;
    }
    step.children
        .iter()
        .try_for_each(|child| show_report_of(child, show, printer))
}
