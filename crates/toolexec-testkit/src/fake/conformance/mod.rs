//! An MCP server over stdio (revision 2026-07-28) with the tools, resources and prompts that the
//! conformance suite asks for. The suite judges a server that passes them through.

mod content;
mod questions;
mod tools;

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use serde_json::{Value, json};

const META: &str = "io.modelcontextprotocol/";

/// What a request is answered with: a result or an error.
type Answer = Result<Value, Value>;

/// Whether there is one more tool.
static HAS_ADDED: AtomicBool = AtomicBool::new(false);
/// The subscriptions that are open: what each wants to hear of, by its id.
static SUBSCRIPTIONS: Mutex<BTreeMap<String, (Value, Value)>> = Mutex::new(BTreeMap::new());

/// Serves until standard input ends.
pub fn main() {
    let mut requests = Vec::new();
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let Ok(message) = serde_json::from_str::<Value>(&line) else {
            continue;
        };
        if message.get("id").is_some() && message.get("method").is_some() {
            requests.push(thread::spawn(move || serve(&message)));
        }
        requests.retain(|request| !request.is_finished());
    }
}

fn serve(message: &Value) {
    let id = &message["id"];
    let method = message["method"].as_str().unwrap_or_default();
    let request = Request {
        params: &message["params"],
    };
    if method == "subscriptions/listen" {
        return subscribe(id, &request.params["notifications"]);
    }
    let reply = match answer(method, &request) {
        Ok(mut result) => {
            if result.get("resultType").is_none() {
                result["resultType"] = json!("complete");
            }
            json!({"jsonrpc": "2.0", "id": id, "result": result})
        }
        Err(error) => json!({"jsonrpc": "2.0", "id": id, "error": error}),
    };
    send(&reply);
}

fn answer(method: &str, request: &Request<'_>) -> Answer {
    let params = request.params;
    match method {
        "server/discover" => Ok(json!({
            "supportedVersions": ["2026-07-28"],
            "capabilities": {
                "tools": {"listChanged": true},
                "resources": {"subscribe": true},
                "prompts": {"listChanged": true},
                "completions": {},
                "logging": {},
            },
            "serverInfo": {"name": "conformance-fixture", "version": "1.0.0"},
            "ttlMs": 0,
            "cacheScope": "private",
        })),
        "tools/list" => Ok(cacheable(json!({"tools": tools::list()}))),
        "tools/call" => tools::call(request),
        "resources/list" => Ok(cacheable(json!({"resources": content::resources()}))),
        "resources/templates/list" => Ok(cacheable(
            json!({"resourceTemplates": content::templates()}),
        )),
        "resources/read" => content::read(&params["uri"]).map(cacheable),
        "prompts/list" => Ok(cacheable(json!({"prompts": content::prompts()}))),
        "prompts/get" => content::prompt(request),
        "completion/complete" => Ok(content::complete(params)),
        _ => Err(error(-32601, &format!("there is no method {method}"))),
    }
}

fn error(code: i64, text: &str) -> Value {
    json!({"code": code, "message": text})
}

/// Opens a subscription; it is never closed.
fn subscribe(id: &Value, wanted: &Value) {
    let mut open = SUBSCRIPTIONS.lock().unwrap_or_else(PoisonError::into_inner);
    let meta = json!({format!("{META}subscriptionId"): id});
    let params = json!({"_meta": meta, "notifications": wanted});
    notify("notifications/subscriptions/acknowledged", &params);
    open.insert(id.to_string(), (id.clone(), wanted.clone()));
}

/// Says that a list changed to those that want to hear of it.
fn changed(list: &str, filter: &str) {
    let open = SUBSCRIPTIONS.lock().unwrap_or_else(PoisonError::into_inner);
    for (id, _) in open.values().filter(|(_, wanted)| wanted[filter] == true) {
        let meta = json!({format!("{META}subscriptionId"): id});
        notify(
            &format!("notifications/{list}/list_changed"),
            &json!({"_meta": meta}),
        );
    }
}

/// Adds a tool, or takes it out again.
fn change_tools() {
    HAS_ADDED.fetch_xor(true, Ordering::Relaxed);
    changed("tools", "toolsListChanged");
}

fn cacheable(mut result: Value) -> Value {
    result["ttlMs"] = json!(1_000);
    result["cacheScope"] = json!("public");
    result
}

/// A request, as far as tools and prompts look at it.
struct Request<'a> {
    params: &'a Value,
}

impl Request<'_> {
    fn meta(&self, key: &str) -> &Value {
        &self.params["_meta"][format!("{META}{key}")]
    }

    /// The client's answer to the question `key`, unless it did not come.
    fn response(&self, key: &str) -> Option<&Value> {
        self.params["inputResponses"].get(key)
    }

    fn state(&self) -> Option<&str> {
        self.params["requestState"].as_str()
    }

    fn log(&self, text: &str) {
        // Without a level the client wants none.
        if self.meta("logLevel").is_string() {
            let params = json!({"level": "info", "data": text});
            notify("notifications/message", &params);
        }
    }

    fn progress(&self, progress: u32, total: u32) {
        if let Some(token) = self.params["_meta"].get("progressToken") {
            let params = json!({"progressToken": token, "progress": progress, "total": total});
            notify("notifications/progress", &params);
        }
    }
}

fn notify(method: &str, params: &Value) {
    send(&json!({"jsonrpc": "2.0", "method": method, "params": params}));
}

fn send(message: &Value) {
    // A client that is gone ends our input as well.
    let _ = writeln!(std::io::stdout().lock(), "{message}");
}
