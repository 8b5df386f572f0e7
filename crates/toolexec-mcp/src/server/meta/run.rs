//! Running one tool, or several in order.

use serde::Deserialize;
use serde_json::{Value, json};
use toolexec_core::{Args, CallContext, Chain, Content, Request, Result, RunResult};

use super::MetaTool;
use crate::server::Server;
use crate::server::answer::{Answer, text_of};

#[derive(Deserialize)]
struct Run {
    tool: String,
    #[serde(default)]
    args: Args,
}

pub(super) async fn tool(server: &Server, args: Args, cx: CallContext) -> Result<Answer> {
    let args: Run = server.meta().await.read(MetaTool::RunTool, args)?;
    let request = Request::new(args.tool, args.args).with_context(cx.clone());
    let mut result = server.runner().run(request).await?;
    let mut failure = result.is_error.then(|| result.failure_message());
    if let Some(results) = server.results() {
        results.fit_result(&mut result, &cx).await;
        failure = failure.map(|message| results.shortened(&message));
    }
    Ok(value_answer(result, failure))
}

pub(super) async fn chain(server: &Server, args: Args, cx: CallContext) -> Result<Answer> {
    let chain: Chain = server.meta().await.read(MetaTool::RunChain, args)?;
    let outcome = server
        .runner()
        .chain(chain, server.chain_limits(), &cx)
        .await?;
    let outcome = match server.results() {
        Some(results) => results.fit_chain(outcome, &cx).await,
        None => outcome,
    };
    let is_error = !outcome.is_ok();
    Ok(Answer {
        is_error,
        ..Answer::structured(json!(outcome))
    })
}

/// The value of a tool; pictures, sounds and resources stay blocks of content.
fn value_answer(result: RunResult, failure: Option<String>) -> Answer {
    let is_text = result
        .content
        .iter()
        .all(|block| matches!(block, Content::Text { .. }));
    let mut structured = if is_text {
        json!({ "value": result.value })
    } else {
        json!({ "value": without_data(&result.value) })
    };
    if let Some(message) = failure {
        structured["error"] = json!({"code": "tool_failed", "message": message});
    }
    let content = if is_text {
        vec![Content::text(text_of(&result.value))]
    } else {
        result.content
    };
    Answer {
        content,
        structured: Some(structured),
        is_error: result.is_error,
        meta: result.meta,
    }
}

/// Blocks of content whose data stands in the content of the answer already.
fn without_data(value: &Value) -> Value {
    match value {
        Value::Array(blocks) => blocks.iter().map(without_data).collect(),
        Value::Object(block) if block.contains_key("type") => {
            let mut block = block.clone();
            for key in ["data", "resource"] {
                if block.contains_key(key) {
                    block.insert(key.to_owned(), json!("in the content"));
                }
            }
            Value::Object(block)
        }
        other => other.clone(),
    }
}
