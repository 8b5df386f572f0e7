//! `toolexec doctor --sandboxes`.

use serde_json::json;
use toolexec::sandbox::doctor::{Finding, LimitFinding, Verdict, examine};

use crate::commands::code;
use crate::diagnostics::Failure;
use crate::exit::Exit;
use crate::live::Live;
use crate::printer::{Format, Printer, Tone};
use crate::session::Session;

/// Starts every sandbox, measures it and attacks its limits. An interrupt ends what was started.
pub(crate) async fn run(session: &Session, printer: &mut Printer) -> Result<Exit, Failure> {
    let live = Live::start(printer, "attacking the limits of every sandbox");
    let [cold, warm] = [0, 1].map(|guests| {
        let setup = code::setup(&session.config);
        setup.always_warm(guests).sandboxes()
    });
    let work = async { Ok(examine(&cold, &warm).await) };
    let findings = session.within(Box::pin(work)).await;
    drop(live);
    let findings = findings?;
    match printer.format() {
        Format::Human => {
            for finding in &findings {
                show(finding, printer)?;
            }
        }
        Format::Jsonl => printer.items("sandboxes", &findings)?,
        Format::Json => {
            printer.document(&json!({ "v": 1, "sandboxes": findings }))?;
        }
    }
    let broken = |limit: &LimitFinding| limit.verdict == Verdict::Broken;
    let is_broken = findings.iter().any(|one| one.limits.iter().any(broken));
    Ok(if is_broken {
        Exit::Unavailable
    } else {
        Exit::Ok
    })
}

fn show(finding: &Finding, printer: &mut Printer) -> Result<(), Failure> {
    let (word, tone) = match &finding.missing {
        None => ("ok     ", Tone::Good),
        Some(_) => ("absent ", Tone::Dim),
    };
    let state = printer.paint_data(tone, word).into_owned();
    let mut line = format!("{state} {:<11}", finding.name);
    if let Some(version) = &finding.version {
        line = format!("{line} {version}");
    }
    let times = [
        ("first", finding.first_ms),
        ("cold", finding.cold_ms),
        ("warm", finding.warm_ms),
    ];
    let times = times
        .into_iter()
        .filter_map(|(name, ms)| Some(format!("{name} {:.1} ms", ms?)));
    let times: Vec<String> = times.collect();
    if !times.is_empty() {
        line = format!("{line}  {}", times.join(", "));
    }
    if let Some(description) = &finding.description {
        line = format!("{line}  {}", description.summary);
    }
    printer.line(&line)?;
    for limit in &finding.limits {
        show_limit(limit, printer)?;
    }
    if let Some(missing) = &finding.missing {
        printer.line(&format!("        {}", missing.message))?;
        for cause in &missing.causes {
            printer.line(&format!("        cause: {}", cause.trim_end()))?;
        }
        for hint in &missing.hints {
            printer.line(&format!("        hint: {hint}"))?;
        }
    }
    Ok(())
}

fn show_limit(limit: &LimitFinding, printer: &mut Printer) -> Result<(), Failure> {
    let (word, tone) = match limit.verdict {
        Verdict::Held => ("held        ", Tone::Good),
        Verdict::NoMeans => ("no means    ", Tone::Good),
        Verdict::NotEnforced => ("not enforced", Tone::Warning),
        _ => ("BROKEN      ", Tone::Error),
    };
    let word = printer.paint_data(tone, word).into_owned();
    let by: Vec<String> = limit
        .by
        .iter()
        .map(|by| format!("{by:?}").to_lowercase())
        .collect();
    printer.line(&format!(
        "        {word} {:<15} {:<20} {}",
        limit.name.as_str(),
        by.join(", "),
        limit.detail
    ))?;
    Ok(())
}
