//! `toolexec search`.

use toolexec::core::index::Match;
use toolexec::{Hit, Page, SearchQuery};

use crate::args::SearchArgs;
use crate::commands::list::{rows, warn_of_sources};
use crate::diagnostics::Failure;
use crate::exit::Exit;
use crate::live::Live;
use crate::printer::{Format, Printer, Tone};
use crate::session::Session;

/// How many tools a search shows when nobody says.
const LIMIT: usize = 10;

pub(crate) async fn run(
    args: &SearchArgs,
    session: &Session,
    printer: &mut Printer,
) -> Result<Exit, Failure> {
    let limit = args.limit.or(session.config.sections.search.limit);
    let query = SearchQuery {
        namespace: args.filter.namespace.clone(),
        tags: args.filter.tags.clone(),
        limit: limit.unwrap_or(LIMIT),
        cursor: args.cursor.as_deref().map(Into::into),
        ..SearchQuery::new(args.words.join(" "))
    };
    let live = Live::start(printer, "loading tools");
    let page = session.lookup(session.executor.search_page(&query)).await;
    drop(live);
    let page = page?;
    warn_of_sources(session, printer)?;
    show(&page, printer)
}

fn show(page: &Page<Hit>, printer: &mut Printer) -> Result<Exit, Failure> {
    match printer.format() {
        Format::Jsonl => printer.items("items", &page.items)?,
        Format::Json => printer.document(page)?,
        Format::Human if page.items.is_empty() => {
            printer.say("nothing found")?;
            let label = printer.paint(Tone::Hint, "hint:").into_owned();
            printer.say(&format!("{label} `toolexec list` shows every tool"))?;
        }
        Format::Human => {
            let lines: Vec<(String, &str)> = page
                .items
                .iter()
                .map(|hit| (hit.tool.id.to_string(), &*hit.tool.summary))
                .collect();
            rows(&lines, printer)?;
        }
    }
    if printer.is_verbose() && printer.format() == Format::Human {
        for hit in &page.items {
            let why: Vec<String> = hit.matched.iter().map(reason).collect();
            printer.say(&format!(
                "{}: {:.2} {}",
                hit.tool.id,
                hit.score,
                why.join("; ")
            ))?;
        }
        if let Some(next) = &page.next {
            printer.say(&format!("more: --cursor {next}"))?;
        }
    }
    Ok(Exit::Ok)
}

fn reason(matched: &Match) -> String {
    let fields: Vec<String> = matched
        .fields
        .iter()
        .map(|field| format!("{field:?}").to_lowercase())
        .collect();
    let other = matched.as_term.as_ref();
    let other = other.map(|term| format!(" as {term}")).unwrap_or_default();
    format!("{}{other} in {}", matched.term, fields.join(", "))
}
