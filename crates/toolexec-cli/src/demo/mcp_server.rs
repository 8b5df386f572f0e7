//! `toolexec demo-mcp-server`: notes over MCP on stdin and stdout.
//!
//! A server of the revisions with `initialize`, small enough to be read: one line is one message.

use std::io;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use super::notes::Notes;
use crate::diagnostics::Failure;
use crate::exit::Exit;

/// The revisions that it speaks, the newest first.
const REVISIONS: &[&str] = &["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];

const PARSE_ERROR: i64 = -32700;
const METHOD_NOT_FOUND: i64 = -32601;
const INVALID_PARAMS: i64 = -32602;

/// Serves until the end of the input.
pub(crate) async fn serve() -> Result<Exit, Failure> {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut stdout = tokio::io::stdout();
    let mut notes = Notes::default();
    while let Some(line) = lines.next_line().await? {
        if line.trim().is_empty() {
            continue;
        }
        if let Some(answer) = answer(&mut notes, &line) {
            send(&mut stdout, &answer).await?;
        }
    }
    Ok(Exit::Ok)
}

async fn send(stdout: &mut tokio::io::Stdout, message: &Value) -> io::Result<()> {
    stdout.write_all(format!("{message}\n").as_bytes()).await?;
    stdout.flush().await
}

/// The answer to one message; none for notifications.
fn answer(notes: &mut Notes, line: &str) -> Option<Value> {
    let Ok(message) = serde_json::from_str::<Value>(line) else {
        return Some(failure(&Value::Null, PARSE_ERROR, "no JSON"));
    };
    let id = message.get("id")?;
    let method = message["method"].as_str()?;
    let params = &message["params"];
    Some(match method {
        "initialize" => success(id, &initialize(params)),
        "ping" => success(id, &json!({})),
        "tools/list" => success(id, &json!({ "tools": Notes::tools() })),
        "tools/call" => call(notes, id, params),
        _ => failure(id, METHOD_NOT_FOUND, &format!("no method {method}")),
    })
}

fn initialize(params: &Value) -> Value {
    let asked = params["protocolVersion"].as_str().unwrap_or_default();
    let revision = REVISIONS.iter().find(|&&one| one == asked);
    json!({
        "protocolVersion": revision.unwrap_or(&REVISIONS[0]),
        "capabilities": { "tools": {} },
        "serverInfo": { "name": "toolexec-demo-notes", "version": env!("CARGO_PKG_VERSION") },
        "instructions": "Notes in memory; they are gone when the server ends.",
    })
}

fn call(notes: &mut Notes, id: &Value, params: &Value) -> Value {
    let name = params["name"].as_str().unwrap_or_default();
    match notes.call(name, &params["arguments"]) {
        None => failure(id, INVALID_PARAMS, &format!("no tool {name}")),
        Some(Ok(value)) => success(
            id,
            &json!({
                "content": [{ "type": "text", "text": value.to_string() }],
                "structuredContent": value,
            }),
        ),
        Some(Err(words)) => success(
            id,
            &json!({ "content": [{ "type": "text", "text": words }], "isError": true }),
        ),
    }
}

fn success(id: &Value, result: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "result": result })
}

fn failure(id: &Value, code: i64, message: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation() {
        let mut notes = Notes::default();
        let mut ask = |message: Value| answer(&mut notes, &message.to_string());
        let hello = ask(json!({
            "jsonrpc": "2.0", "id": 1, "method": "initialize",
            "params": { "protocolVersion": "2025-06-18" },
        }));
        assert_eq!(hello.unwrap()["result"]["protocolVersion"], "2025-06-18");
        let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        assert_eq!(ask(initialized), None);
        let create = json!({
            "jsonrpc": "2.0", "id": 2, "method": "tools/call",
            "params": { "name": "create_note", "arguments": { "title": "t", "text": "x" } },
        });
        let created = json!({ "number": 1, "title": "t", "text": "x" });
        assert_eq!(
            ask(create.clone()).unwrap()["result"]["structuredContent"],
            created
        );
        assert_eq!(ask(create).unwrap()["result"]["isError"], true);
        let discover = json!({ "jsonrpc": "2.0", "id": 3, "method": "server/discover" });
        assert_eq!(ask(discover).unwrap()["error"]["code"], METHOD_NOT_FOUND);
    }
}
