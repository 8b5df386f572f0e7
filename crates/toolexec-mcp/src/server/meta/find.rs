//! Finding and describing tools.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use toolexec_core::index::{Cursor, ListQuery, Page, SearchQuery, ToolSummary};
use toolexec_core::tooldoc::describe as document;
use toolexec_core::{Args, CallContext, Detail, Result, Runner, ToolDoc};

use super::MetaTool;
use crate::server::Server;
use crate::server::answer::Answer;

/// How many tools a search answers when nobody says.
const HITS: usize = 10;

#[derive(Deserialize)]
struct Search {
    query: String,
    namespace: Option<String>,
    limit: Option<usize>,
    cursor: Option<Cursor>,
}

#[derive(Deserialize)]
struct List {
    namespace: Option<String>,
    limit: Option<usize>,
    cursor: Option<Cursor>,
}

#[derive(Deserialize)]
struct Describe {
    tool: String,
    detail: Option<Detail>,
}

#[derive(Deserialize)]
struct Examples {
    tool: String,
}

pub(super) async fn search(server: &Server, args: Args, cx: &CallContext) -> Result<Answer> {
    let args: Search = server.meta().await.read(MetaTool::SearchTools, args)?;
    let runner = server.runner().seen_by(cx.caller());
    runner.load_all().await;
    let query = SearchQuery {
        namespace: args.namespace,
        limit: args.limit.unwrap_or(HITS),
        cursor: args.cursor,
        ..SearchQuery::new(args.query)
    };
    let page = runner.index().search(&query)?;
    Ok(page_answer(page.map(|hit| hit.tool), &runner))
}

pub(super) async fn list(server: &Server, args: Args, cx: &CallContext) -> Result<Answer> {
    let args: List = server.meta().await.read(MetaTool::ListTools, args)?;
    let runner = server.runner().seen_by(cx.caller());
    runner.load_all().await;
    let usual = ListQuery::default();
    let query = ListQuery {
        namespace: args.namespace,
        limit: args.limit.unwrap_or(usual.limit),
        cursor: args.cursor,
        ..usual
    };
    Ok(page_answer(runner.index().list(&query)?, &runner))
}

pub(super) async fn namespaces(server: &Server, args: Args, cx: &CallContext) -> Result<Answer> {
    let _: Map<String, Value> = server.meta().await.read(MetaTool::ListNamespaces, args)?;
    let runner = server.runner().seen_by(cx.caller());
    runner.load_all().await;
    let namespaces = runner.index().namespaces();
    Ok(Answer::structured(json!({ "namespaces": namespaces })))
}

pub(super) async fn describe(server: &Server, args: Args, cx: &CallContext) -> Result<Answer> {
    let args: Describe = server.meta().await.read(MetaTool::DescribeTool, args)?;
    let detail = args.detail.unwrap_or(Detail::Signature);
    let doc = doc(server, &args.tool, detail, cx).await?;
    Ok(Answer::structured(json!({ "tool": doc })))
}

pub(super) async fn examples(server: &Server, args: Args, cx: &CallContext) -> Result<Answer> {
    let args: Examples = server.meta().await.read(MetaTool::ListToolExamples, args)?;
    let doc = doc(server, &args.tool, Detail::Full, cx).await?;
    Ok(Answer::structured(json!({ "examples": doc.examples })))
}

async fn doc(server: &Server, tool: &str, detail: Detail, cx: &CallContext) -> Result<ToolDoc> {
    let runner = server.runner().seen_by(cx.caller());
    let entry = runner.find(tool).await?;
    let key = entry.tool().id.key();
    let versions = runner.index().versions(key);
    let registered = server.docs().get(key);
    Ok(document(&entry, &versions, registered.as_deref(), detail))
}

fn page_answer(page: Page<ToolSummary>, runner: &Runner) -> Answer {
    let tools: Vec<Value> = page.items.iter().map(brief).collect();
    let mut answer = json!({ "tools": tools });
    if let Some(next) = page.next {
        answer["next"] = json!(next);
    }
    // What is not there may be what is looked for.
    let unavailable = runner.unavailable();
    if !unavailable.is_empty() {
        answer["unavailable"] = json!(unavailable);
    }
    Answer::structured(answer)
}

/// What a model needs to choose, and no more.
fn brief(tool: &ToolSummary) -> Value {
    json!({ "id": tool.id, "summary": tool.summary })
}
