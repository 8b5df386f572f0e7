//! `toolexec types`.

use std::sync::Arc;

use serde_json::json;
use toolexec::core::id::ToolId;
use toolexec::core::index::MAX_LIMIT;
use toolexec::core::types::{TypeLanguage, declarations};
use toolexec::{Error, ErrorKind, ListQuery, Tool};

use crate::args::TypesArgs;
use crate::commands::list::warn_of_sources;
use crate::diagnostics::Failure;
use crate::exit::Exit;
use crate::live::Live;
use crate::printer::{Format, Printer};
use crate::session::Session;

pub(crate) async fn run(
    args: &TypesArgs,
    session: &Session,
    printer: &mut Printer,
) -> Result<Exit, Failure> {
    let live = Live::start(printer, "loading tools");
    let tools = session.lookup(tools(args, session)).await;
    drop(live);
    let tools = tools?;
    warn_of_sources(session, printer)?;
    let language = TypeLanguage::from(args.lang);
    let text = declarations(tools.iter().map(|tool| &**tool), language);
    if printer.format() == Format::Human {
        printer.line(text.trim_end())?;
    } else {
        printer.document(&json!({
            "v": 1,
            "language": language.as_str(),
            "tools": tools.len(),
            "declarations": text,
        }))?;
    }
    Ok(Exit::Ok)
}

/// The tools of the namespaces that were asked for.
async fn tools(args: &TypesArgs, session: &Session) -> Result<Vec<Arc<Tool>>, Error> {
    let namespaces = session.executor.namespaces().await;
    for wanted in &args.namespaces {
        if !namespaces.iter().any(|known| known.name == *wanted) {
            let known: Vec<&str> = namespaces.iter().map(|one| one.name.as_str()).collect();
            let error = Error::new(
                ErrorKind::NotFound,
                format!("there is no namespace {wanted}"),
            );
            return Err(error.with_hint(format!("there are {}", known.join(", "))));
        }
    }
    let mut query = ListQuery {
        namespace: None,
        tags: Vec::new(),
        limit: MAX_LIMIT,
        cursor: None,
    };
    let mut tools = Vec::new();
    loop {
        let page = session.executor.list(&query).await?;
        let is_wanted = |id: &ToolId| {
            args.namespaces.is_empty() || args.namespaces.iter().any(|one| one == id.namespace())
        };
        let ids = page.items.iter().map(|item| &item.id);
        let found = ids
            .filter(|id| is_wanted(id))
            .filter_map(|id| session.executor.index().get(id));
        tools.extend(found.map(|entry| entry.tool().clone()));
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => return Ok(tools),
        }
    }
}
