//! `toolexec doctor`.

mod sandboxes;

use std::time::Instant;

use serde::Serialize;
use serde_json::{Value, json};
use toolexec::core::error::ErrorReport;
use toolexec::mcp::ServerState;
use toolexec::{Error, ErrorKind, SourceStatus};

use crate::args::DoctorArgs;
use crate::diagnostics::Failure;
use crate::exit::Exit;
use crate::live::Live;
use crate::printer::{Format, Printer, Tone};
use crate::session::Session;

/// What is known of one source.
#[derive(Debug, Serialize)]
struct Finding {
    name: String,
    namespace: String,
    kind: &'static str,
    state: State,
    tools: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    load_ms: Option<f64>,
    /// The sandboxes that the server or the commands run in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sandboxes: Vec<Sandbox>,
    /// What a server says about itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    disabled_tools: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notices: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stderr: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorReport>,
}

/// What is known of the sandbox of a server or a command.
#[derive(Debug, Serialize)]
struct Sandbox {
    /// Whose it is.
    of: String,
    /// What it is, and what it holds its program to.
    is: String,
    /// Why nothing can run there.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorReport>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    Failed,
    Off,
}

pub(crate) async fn run(
    args: &DoctorArgs,
    session: &Session,
    printer: &mut Printer,
) -> Result<Exit, Failure> {
    if args.sandboxes {
        return sandboxes::run(session, printer).await;
    }
    let started = Instant::now();
    let live = Live::start(printer, "checking every source");
    let statuses = session.load().await;
    drop(live);
    let mut findings: Vec<Finding> = vec![builtin(session)];
    findings.extend(statuses?.into_iter().map(|status| loaded(status, session)));
    findings.extend(session.config.disabled.iter().map(|source| Finding {
        name: source.name.clone(),
        namespace: source.namespace.clone(),
        kind: match source.section {
            "servers" => "mcp",
            _ => "provider",
        },
        state: State::Off,
        tools: 0,
        load_ms: None,
        sandboxes: Vec::new(),
        server: None,
        disabled_tools: Vec::new(),
        notices: Vec::new(),
        stderr: Vec::new(),
        error: None,
    }));
    select(&mut findings, &args.sources)?;
    try_sandboxes(&mut findings, session).await;
    let failed = findings
        .iter()
        .filter(|one| one.state == State::Failed)
        .count();
    if printer.format() == Format::Human {
        show_config(session, printer)?;
        for finding in &findings {
            show(finding, printer)?;
        }
        let tools: usize = findings.iter().map(|one| one.tools).sum();
        let took = started.elapsed();
        printer.line(&format!(
            "\n{tools} tools, {failed} sources failed, {took:.1?}"
        ))?;
    } else if printer.format() == Format::Jsonl {
        printer.items("sources", &findings)?;
    } else {
        let config = session.found.as_ref().map(|found| &found.file);
        printer.document(&json!({ "config": config, "sources": findings }))?;
    }
    Ok(if failed == 0 {
        Exit::Ok
    } else {
        Exit::Unavailable
    })
}

/// Tries the sandboxes of servers and commands; one in which nothing can run is a failure of its
/// source.
async fn try_sandboxes(findings: &mut [Finding], session: &Session) {
    for confined in session.connected.confined() {
        let is_it = |finding: &&mut Finding| finding.name == confined.source;
        let Some(finding) = findings.iter_mut().find(is_it) else {
            continue;
        };
        let error = confined.confine.probe().await.err().map(|error| {
            let made = Error::new(ErrorKind::SandboxUnavailable, error.message);
            let made = error.hints.into_iter().fold(made, Error::with_hint);
            let made = match error.source {
                Some(source) => made.with_source(source),
                None => made,
            };
            made.report()
        });
        if error.is_some() {
            finding.state = State::Failed;
        }
        finding.sandboxes.push(Sandbox {
            of: confined.name.clone(),
            is: confined.confine.describe(),
            error,
        });
    }
}

/// Only the sources that were asked for.
fn select(findings: &mut Vec<Finding>, wanted: &[String]) -> Result<(), Failure> {
    if wanted.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = findings.iter().map(|one| one.name.clone()).collect();
    if let Some(unknown) = wanted.iter().find(|name| !names.contains(name)) {
        return Err(Failure::usage(format!("there is no source {unknown:?}"))
            .exit_with(Exit::InvalidInput)
            .hint(format!("there are: {}", names.join(", "))));
    }
    findings.retain(|one| wanted.contains(&one.name));
    Ok(())
}

fn builtin(session: &Session) -> Finding {
    let is_on = session.config.sections.builtin.enabled != Some(false);
    let local = crate::builtin::all();
    let tools = local.iter().filter_map(|set| set.registrations().ok());
    Finding {
        name: "builtin".to_owned(),
        namespace: "math, text, time, demo".to_owned(),
        kind: "local",
        state: if is_on { State::Ok } else { State::Off },
        tools: if is_on {
            tools.map(|set| set.len()).sum()
        } else {
            0
        },
        load_ms: None,
        sandboxes: Vec::new(),
        server: None,
        disabled_tools: Vec::new(),
        notices: Vec::new(),
        stderr: Vec::new(),
        error: None,
    }
}

fn loaded(status: SourceStatus, session: &Session) -> Finding {
    let disabled = session.executor.index().disabled();
    let disabled_tools = disabled
        .iter()
        .filter(|(_, backend, _)| *backend == status.backend)
        .map(|(id, _, why)| format!("{id}: {why}"))
        .collect();
    let server = session.connected.server(&status.backend.name);
    let diagnostics = server.map(|server| server.diagnostics());
    let about = diagnostics
        .as_ref()
        .and_then(|diagnostics| match &diagnostics.state {
            ServerState::Connected {
                protocol_version,
                name,
                version,
                ..
            } => Some(json!({
                "name": name,
                "version": version,
                "protocolVersion": protocol_version,
                "pid": diagnostics.pid,
            })),
            _ => None,
        });
    let mut notices = status.notices;
    let (oddities, stderr) = diagnostics.map_or_else(Default::default, |diagnostics| {
        (diagnostics.notices, diagnostics.stderr)
    });
    notices.extend(oddities);
    Finding {
        name: status.backend.name.to_string(),
        namespace: status.namespace,
        kind: if server.is_some() { "mcp" } else { "provider" },
        state: if status.loaded {
            State::Ok
        } else {
            State::Failed
        },
        tools: status.tools,
        load_ms: Some(status.load_ms),
        sandboxes: Vec::new(),
        server: about,
        disabled_tools,
        notices,
        // What a healthy server logs is nobody's business here.
        stderr: if status.loaded { Vec::new() } else { stderr },
        error: if status.loaded {
            None
        } else {
            Some(status.error.map_or_else(no_answer, place_first))
        },
    }
}

fn no_answer() -> ErrorReport {
    Error::new(ErrorKind::Timeout, "it did not answer in time")
        .with_hint("allow it more time: --timeout 2m")
        .report()
}

/// The cause of an error in the configuration is the same with file and line.
fn place_first(mut error: ErrorReport) -> ErrorReport {
    if error.code == ErrorKind::Config.code() && error.message.contains(" at line ") {
        error.message = error.causes.drain(..).next().unwrap_or(error.message);
    }
    error
}

fn show_config(session: &Session, printer: &mut Printer) -> Result<(), Failure> {
    match &session.found {
        Some(found) => {
            printer.line(&format!(
                "configuration  {} ({})",
                found.file.display(),
                found.origin
            ))?;
        }
        None => printer.line("configuration  none; `toolexec init` writes one")?,
    }
    Ok(())
}

fn show(finding: &Finding, printer: &mut Printer) -> Result<(), Failure> {
    let (word, tone) = match finding.state {
        State::Ok => ("ok     ", Tone::Good),
        State::Failed => ("failed ", Tone::Error),
        State::Off => ("off    ", Tone::Dim),
    };
    let state = printer.paint_data(tone, word).into_owned();
    let mut line = format!("{state} {:<9} {}", finding.kind, finding.name);
    if finding.state == State::Ok {
        line = format!("{line}  {} tools", finding.tools);
    }
    if let Some(load_ms) = finding.load_ms {
        line = format!("{line}  {load_ms:.0} ms");
    }
    if let Some(server) = &finding.server {
        let text = |key: &str| server[key].as_str().unwrap_or("?").to_owned();
        line = format!(
            "{line}  {} {}, protocol {}",
            text("name"),
            text("version"),
            text("protocolVersion")
        );
    }
    printer.line(&line)?;
    for sandbox in &finding.sandboxes {
        show_sandbox(finding, sandbox, printer)?;
    }
    for tool in &finding.disabled_tools {
        printer.line(&format!("        disabled: {tool}"))?;
    }
    for notice in &finding.notices {
        printer.line(&format!("        note: {notice}"))?;
    }
    if let Some(error) = &finding.error {
        printer.line(&format!(
            "        {}",
            error.message.replace('\n', "\n        ")
        ))?;
        let causes = error.causes.iter().map(|cause| cause.trim_end());
        for cause in causes.filter(|cause| !error.message.contains(cause)) {
            printer.line(&format!(
                "        cause: {}",
                cause.replace('\n', "\n        ")
            ))?;
        }
        let said = error.causes.concat();
        for line in finding.stderr.iter().filter(|line| !said.contains(*line)) {
            printer.line(&format!("        stderr: {line}"))?;
        }
        for hint in &error.hints {
            printer.line(&format!("        hint: {hint}"))?;
        }
    }
    Ok(())
}

fn show_sandbox(
    finding: &Finding,
    sandbox: &Sandbox,
    printer: &mut Printer,
) -> Result<(), Failure> {
    let of = match &sandbox.of {
        of if *of == finding.name => String::new(),
        of => format!(" of {of}"),
    };
    let Some(error) = &sandbox.error else {
        return printer
            .line(&format!("        sandbox{of}: {}", sandbox.is))
            .map_err(Failure::from);
    };
    // What the source itself says already is not said again.
    let known = finding.error.as_ref().map(|error| error.message.as_str());
    if known.is_some_and(|known| known.contains(&error.message)) {
        return Ok(());
    }
    printer.line(&format!("        sandbox{of}: {}", error.message))?;
    for cause in &error.causes {
        printer.line(&format!("        cause: {}", cause.trim_end()))?;
    }
    for hint in &error.hints {
        printer.line(&format!("        hint: {hint}"))?;
    }
    Ok(())
}
