//! `toolexec list`.

use toolexec::core::index::MAX_LIMIT;
use toolexec::{ListQuery, ToolSummary};

use crate::args::ListArgs;
use crate::diagnostics::Failure;
use crate::exit::Exit;
use crate::live::Live;
use crate::printer::{Format, Printer, Tone, shortened};
use crate::session::Session;

pub(crate) async fn run(
    args: &ListArgs,
    session: &Session,
    printer: &mut Printer,
) -> Result<Exit, Failure> {
    if args.namespaces {
        return namespaces(session, printer).await;
    }
    let live = Live::start(printer, "loading tools");
    let tools = session.lookup(all(args, session)).await;
    drop(live);
    let tools = tools?;
    warn_of_sources(session, printer)?;
    if printer.format() != Format::Human {
        printer.items("items", &tools)?;
        return Ok(Exit::Ok);
    }
    let lines: Vec<(String, &str)> = tools
        .iter()
        .map(|tool| (tool.id.to_string(), &*tool.summary))
        .collect();
    rows(&lines, printer)?;
    if lines.is_empty() {
        printer.say("no tools")?;
    }
    Ok(Exit::Ok)
}

/// Every page, up to the limit.
async fn all(args: &ListArgs, session: &Session) -> Result<Vec<ToolSummary>, toolexec::Error> {
    let wanted = args.limit.unwrap_or(usize::MAX);
    let mut query = ListQuery {
        namespace: args.filter.namespace.clone(),
        tags: args.filter.tags.clone(),
        limit: wanted.min(MAX_LIMIT),
        cursor: None,
    };
    let mut tools = Vec::new();
    loop {
        let page = session.executor.list(&query).await?;
        tools.extend(page.items);
        match page.next {
            Some(next) if tools.len() < wanted => query.cursor = Some(next),
            _ => break,
        }
    }
    tools.truncate(wanted);
    Ok(tools)
}

async fn namespaces(session: &Session, printer: &mut Printer) -> Result<Exit, Failure> {
    let work = async { Ok(session.executor.namespaces().await) };
    let namespaces = session.lookup(work).await?;
    warn_of_sources(session, printer)?;
    if printer.format() != Format::Human {
        printer.items("items", &namespaces)?;
        return Ok(Exit::Ok);
    }
    for namespace in namespaces {
        printer.line(&format!("{:>5}  {}", namespace.tools, namespace.name))?;
    }
    Ok(Exit::Ok)
}

/// Says which sources could not be loaded, so that nothing is missing in silence.
pub(crate) fn warn_of_sources(session: &Session, printer: &mut Printer) -> Result<(), Failure> {
    for source in session.executor.sources() {
        if let Some(error) = &source.error {
            let backend = &source.backend;
            let message = &error.message;
            printer.warn(&format!("{backend} is left out: {message}"))?;
        } else if printer.is_verbose() {
            for notice in &source.notices {
                printer.say(&format!("{}: {notice}", source.backend))?;
            }
        }
    }
    if session
        .executor
        .sources()
        .iter()
        .any(|source| source.error.is_some())
    {
        let label = printer.paint(Tone::Hint, "hint:").into_owned();
        printer.say(&format!("{label} `toolexec doctor` tells more"))?;
    }
    Ok(())
}

/// Two columns; the second ends where a terminal does.
pub(crate) fn rows(lines: &[(String, &str)], printer: &mut Printer) -> Result<(), Failure> {
    const WIDEST: usize = 48;
    let longest = lines.iter().map(|(name, _)| name.chars().count()).max();
    let column = longest.unwrap_or(0).min(WIDEST);
    for (name, text) in lines {
        let padding = " ".repeat(column.saturating_sub(name.chars().count()));
        let room = printer
            .width()
            .map_or(usize::MAX, |width| width.saturating_sub(column + 2).max(20));
        let shown = printer.paint_data(Tone::Name, name);
        let line = format!("{shown}{padding}  {}", shortened(text, room));
        printer.line(line.trim_end())?;
    }
    Ok(())
}
