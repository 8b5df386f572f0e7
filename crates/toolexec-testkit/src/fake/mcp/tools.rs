//! The tools of the fake server.

use std::process::exit;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::{Value, json};

use super::Mode;
use super::wire::Server;

/// A transparent PNG of one pixel.
const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/// Every tool: its name and what it does.
const TOOLS: &[(&str, &str)] = &[
    ("echo", "Answers its arguments as text"),
    ("add", "Adds a and b"),
    (
        "slow",
        "Reports progress in `steps` steps of `ms` milliseconds",
    ),
    ("log", "Writes `count` log messages"),
    ("kinds", "Answers every kind of content"),
    ("fail", "Fails by its own word"),
    ("refuse", "Answers an error of the protocol with `code`"),
    ("meta", "Answers the _meta of its request"),
    ("env", "Answers the names of its environment's variables"),
    ("pid", "Answers its process id"),
    ("cancelled", "Answers how many requests were cancelled"),
    ("stderr", "Writes `lines` lines to standard error"),
    ("grow", "Adds a tool and says that the list changed"),
    ("ask", "Asks the person for a name"),
    ("never", "Never answers"),
    (
        "die",
        "Writes a line to standard error and ends with status `code`",
    ),
    ("half", "Writes half an answer and ends"),
    ("close", "Closes its output and stays"),
    ("flood", "Answers with `bytes` bytes in one line"),
    (
        "garbage",
        "Writes `lines` lines that are no messages, then answers",
    ),
    ("endless", "Writes lines that are no messages for ever"),
    (
        "wrong_id",
        "Answers an id that nobody asked for, then the right one",
    ),
    ("only_wrong_id", "Answers an id that nobody asked for"),
    ("twice", "Answers twice"),
    ("string_id", "Answers with its id as a string"),
    ("no_id", "Answers an error without id"),
    ("deep", "Answers nested `depth` deep"),
    ("bad_result", "Answers a result that is no object"),
    ("odd_content", "Answers content of a kind that nobody knows"),
    ("lie", "Answers a value that does not fit its output schema"),
];

/// The list of a file, instead of the own one.
static REPLAYED: OnceLock<Value> = OnceLock::new();

/// Lists the tools of a file from now on.
#[expect(clippy::expect_used, reason = "a test's program")]
pub(super) fn replay(file: &str) {
    let text = std::fs::read_to_string(file).expect("a file of tools");
    let document: Value = serde_json::from_str(&text).expect("a JSON document");
    let _ = REPLAYED.set(json!({"tools": document["tools"]}));
}

/// A page of the list.
pub(super) fn list(server: &Server, cursor: &Value) -> Value {
    if let Some(replayed) = REPLAYED.get() {
        return replayed.clone();
    }
    let mut all: Vec<Value> = TOOLS.iter().map(|(name, text)| tool(name, text)).collect();
    for number in 0..server.added.load(Ordering::Relaxed) {
        all.push(tool(&format!("added_{number}"), "Added while it ran"));
    }
    let at: usize = cursor.as_str().and_then(|at| at.parse().ok()).unwrap_or(0);
    match server.mode {
        Mode::Pages => {
            let mut page = json!({"tools": all.iter().skip(at).take(3).collect::<Vec<_>>()});
            if at + 3 < all.len() {
                page["nextCursor"] = json!((at + 3).to_string());
            }
            page
        }
        Mode::EndlessPages => json!({
            "tools": [tool(&format!("t{at}"), "One of many")],
            "nextCursor": (at + 1).to_string(),
        }),
        Mode::SamePage => json!({"tools": [tool("echo", "Echo")], "nextCursor": "again"}),
        Mode::OddTools => json!({"tools": odd()}),
        _ => json!({ "tools": all }),
    }
}

fn tool(name: &str, text: &str) -> Value {
    let mut tool = json!({
        "name": name,
        "description": text,
        "inputSchema": {"type": "object", "additionalProperties": true},
    });
    if name == "add" {
        let number = json!({"type": "number"});
        tool["title"] = json!("Add");
        tool["annotations"] = json!({"readOnlyHint": true});
        tool["inputSchema"] = json!({
            "type": "object",
            "properties": {"a": number, "b": number},
            "required": ["a", "b"],
        });
        let sum = json!({"type": "object", "properties": {"sum": number}, "required": ["sum"]});
        tool["outputSchema"] = sum;
    }
    if name == "lie" {
        tool["outputSchema"] = json!({"type": "object", "required": ["truth"]});
    }
    tool
}

fn odd() -> Vec<Value> {
    let schema = json!({"type": "object"});
    vec![
        tool("echo", "Echo"),
        json!({"name": "read/file", "inputSchema": schema}),
        json!({"name": "read file", "inputSchema": schema}),
        json!({"name": "naïve", "inputSchema": schema}),
        json!({"name": "x".repeat(200), "inputSchema": schema}),
        json!({"name": "", "inputSchema": schema}),
        json!({"description": "no name", "inputSchema": schema}),
        json!("no object"),
        json!({"name": "no_schema"}),
        json!({"name": "untyped", "inputSchema": {"$schema": "http://json-schema.org/draft-07/schema#"}}),
        json!({"name": "bad_schema", "inputSchema": "string"}),
        json!({"name": "bad_output", "inputSchema": schema, "outputSchema": []}),
        json!({"name": "bad_title", "title": 7, "description": [], "inputSchema": schema}),
        json!({"name": "echo", "description": "again", "inputSchema": schema}),
    ]
}

/// Runs a tool; those that wait do so in a thread of their own.
pub(super) fn call(server: &Arc<Server>, message: &Value) {
    let name = message["params"]["name"].as_str().unwrap_or_default();
    let waits = matches!(name, "slow" | "ask" | "endless" | "flood" | "log");
    if waits {
        let (server, message) = (server.clone(), message.clone());
        std::thread::spawn(move || run(&server, &message));
    } else {
        run(server, message);
    }
}

fn run(server: &Server, message: &Value) {
    let params = &message["params"];
    let name = params["name"].as_str().unwrap_or_default();
    // A server with odd names knows them all.
    if server.mode == Mode::OddTools {
        return server.answer(&message["id"], &text(name));
    }
    if !misbehave(server, name, message) {
        behave(server, name, message);
    }
}

fn behave(server: &Server, name: &str, message: &Value) {
    let (id, params) = (&message["id"], &message["params"]);
    let args = &params["arguments"];
    let count = |key: &str| args[key].as_u64().unwrap_or(1);
    let result = match name {
        "echo" => text(&args.to_string()),
        "add" => {
            let sum = args["a"].as_f64().unwrap_or(0.0) + args["b"].as_f64().unwrap_or(0.0);
            let mut result = text(&json!({"sum": sum}).to_string());
            result["structuredContent"] = json!({"sum": sum});
            result
        }
        "slow" => match slow(server, message, count("steps"), count("ms")) {
            Some(done) => text(&format!("{done} steps")),
            None => return,
        },
        "log" => {
            for number in 0..count("count") {
                let log = json!({"level": "warning", "logger": "fake", "data": number});
                server.notify("notifications/message", &log);
            }
            text("logged")
        }
        "kinds" => kinds(),
        "fail" => {
            let mut result = text("the cup is empty");
            result["isError"] = json!(true);
            result
        }
        "meta" => text(&params["_meta"].to_string()),
        "env" => {
            let mut names: Vec<String> = std::env::vars().map(|(name, _)| name).collect();
            names.sort();
            text(&json!(names).to_string())
        }
        "pid" => text(&std::process::id().to_string()),
        "cancelled" => text(&server.cancelled_count().to_string()),
        "stderr" => {
            write_stderr(count("lines"));
            text("written")
        }
        "grow" => {
            server.added.fetch_add(1, Ordering::Relaxed);
            server.tools_changed();
            text("grown")
        }
        "ask" => return ask(server, message),
        name if name.starts_with("added_") => text(name),
        _ => return server.error(id, -32602, &format!("Unknown tool: {name}")),
    };
    server.answer(id, &result);
}

/// Does what no server should; returns whether `name` is such a tool.
#[expect(clippy::exit, clippy::print_stderr, reason = "ways to end badly")]
fn misbehave(server: &Server, name: &str, message: &Value) -> bool {
    let (id, args) = (&message["id"], &message["params"]["arguments"]);
    let count = |key: &str| args[key].as_u64().unwrap_or(1);
    match name {
        "never" => {}
        "die" => {
            eprintln!("panic: the cat tripped over the cable");
            exit(i32::try_from(count("code")).unwrap_or(1));
        }
        "half" => {
            server.write(&format!(
                "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{\"con"
            ));
            exit(0);
        }
        "close" => {
            close_output();
            // Longer than any test waits, whatever happens to its input.
            std::thread::sleep(Duration::from_mins(1));
        }
        "refuse" => {
            let code = args["code"]
                .as_i64()
                .and_then(|code| i32::try_from(code).ok());
            server.error(id, code.unwrap_or(-32000), "refused as asked");
        }
        "flood" => flood(server, id, count("bytes"), args["id_last"] == true),
        "garbage" => {
            for number in 0..count("lines") {
                server.write(&format!("INFO line {number}\n"));
            }
            server.answer(id, &text("clean"));
        }
        "endless" => loop {
            server.write("y\n");
        },
        "wrong_id" => {
            server.answer(&json!(987_654), &text("for nobody"));
            server.answer(id, &text("for you"));
        }
        "only_wrong_id" => server.answer(&json!("nobody"), &text("for nobody")),
        "twice" => {
            server.answer(id, &text("once"));
            server.answer(id, &text("twice"));
        }
        "string_id" => {
            server.answer(&json!(id.to_string()), &text("id as a string"));
        }
        "no_id" => server.error(&Value::Null, -32700, "cannot read that"),
        "deep" => {
            let depth = usize::try_from(count("depth")).unwrap_or(1);
            let nested = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
            server.write(&format!(
                "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{\"content\":[],\"structuredContent\":{nested}}}}}\n"
            ));
        }
        "bad_result" => server.answer(id, &json!(7)),
        "odd_content" => {
            server.answer(id, &json!({"content": [{"type": "hologram", "beam": 3}]}));
        }
        "lie" => {
            let mut result = text("{\"lie\":true}");
            result["structuredContent"] = json!({"lie": true});
            server.answer(id, &result);
        }
        _ => return false,
    }
    true
}

fn text(text: &str) -> Value {
    json!({"content": [{"type": "text", "text": text}]})
}

fn kinds() -> Value {
    json!({
        "content": [
            {"type": "text", "text": "hello", "annotations": {"audience": ["user"]}},
            {"type": "image", "data": PNG, "mimeType": "image/png"},
            {"type": "audio", "data": "UklGRg==", "mimeType": "audio/wav"},
            {"type": "resource_link", "uri": "fake://one", "name": "one", "size": 3},
            {"type": "resource", "resource": {"uri": "fake://two", "mimeType": "text/plain", "text": "two"}},
        ],
        "structuredContent": {"kinds": 5},
        "_meta": {"fake/key": "value"},
    })
}

/// Reports progress; `None` when it was cancelled.
fn slow(server: &Server, message: &Value, steps: u64, ms: u64) -> Option<u64> {
    let token = &message["params"]["_meta"]["progressToken"];
    for step in 1..=steps {
        std::thread::sleep(Duration::from_millis(ms));
        if server.is_cancelled(&message["id"]) {
            return None;
        }
        let progress = json!({
            "progressToken": token, "progress": step, "total": steps,
            "message": format!("step {step}"),
        });
        server.notify("notifications/progress", &progress);
    }
    Some(steps)
}

/// Asks for a name: by a request of its own, or (2026-07-28) by an answer that asks for more.
fn ask(server: &Server, message: &Value) {
    let id = &message["id"];
    let question = json!({
        "mode": "form",
        "message": "Who are you?",
        "requestedSchema": {"type": "object", "properties": {"name": {"type": "string"}}},
    });
    if !server.is_modern {
        let answer = server.ask("elicitation/create", &question);
        let outcome = answer.get("result").or_else(|| answer.get("error"));
        return server.answer(id, &text(&outcome.cloned().unwrap_or_default().to_string()));
    }
    let answers = &message["params"]["inputResponses"];
    if answers.is_null() {
        return server.answer(
            id,
            &json!({
                "resultType": "input_required",
                "inputRequests": {"who": {"method": "elicitation/create", "params": question}},
                "requestState": "opaque-1",
            }),
        );
    }
    let state = &message["params"]["requestState"];
    server.answer(
        id,
        &text(&json!({"answers": answers, "state": state}).to_string()),
    );
}

/// One line of many bytes, written in parts; the id comes first or last.
fn flood(server: &Server, id: &Value, bytes: u64, id_last: bool) {
    let id = format!("\"id\":{id}");
    let (head, tail) = if id_last {
        ("{\"jsonrpc\":\"2.0\",".to_owned(), format!(",{id}}}\n"))
    } else {
        (format!("{{\"jsonrpc\":\"2.0\",{id},"), "}\n".to_owned())
    };
    let part = "x".repeat(64 * 1024);
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    let head = format!("{head}\"result\":{{\"content\":[{{\"type\":\"text\",\"text\":\"");
    let tail = format!("\"}}]}}{tail}");
    let parts = std::iter::repeat_n(&*part, bytes / part.len());
    let rest = &part[..bytes % part.len()];
    server.write_all([&*head].into_iter().chain(parts).chain([rest, &tail]));
}

#[expect(clippy::print_stderr, reason = "that is what it is for")]
fn write_stderr(lines: u64) {
    for number in 0..lines {
        eprintln!("stderr line {number}");
    }
}

/// Closes standard output and stays.
fn close_output() {
    // `/dev/null` takes its place: the pipe's end is closed by that.
    if let Ok(null) = std::fs::OpenOptions::new().write(true).open("/dev/null") {
        let _ = nix::unistd::dup2_stdout(&null);
    }
}
