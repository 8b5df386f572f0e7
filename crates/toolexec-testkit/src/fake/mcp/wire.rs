//! Writing messages, and what the server remembers.

use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};

use serde_json::{Value, json};

use super::Mode;

/// The server's side of the connection.
pub(super) struct Server {
    pub(super) mode: Mode,
    pub(super) is_modern: bool,
    /// How many tools were added while it ran.
    pub(super) added: AtomicUsize,
    out: Mutex<std::io::Stdout>,
    // Our own questions that wait for an answer, by id.
    asked: Mutex<HashMap<String, mpsc::Sender<Value>>>,
    // The requests that the client cancelled.
    cancelled: Mutex<HashSet<String>>,
    subscription: Mutex<Option<Value>>,
}

impl Server {
    pub(super) fn new(mode: Mode, is_modern: bool) -> Self {
        Self {
            mode,
            is_modern,
            added: AtomicUsize::new(0),
            out: Mutex::new(std::io::stdout()),
            asked: Mutex::default(),
            cancelled: Mutex::default(),
            subscription: Mutex::default(),
        }
    }

    /// Writes text as it is.
    pub(super) fn write(&self, text: &str) {
        self.write_all(std::iter::once(text));
    }

    /// Writes parts as they are, with nothing in between.
    pub(super) fn write_all<'a>(&self, parts: impl Iterator<Item = &'a str>) {
        let mut out = lock(&self.out);
        for part in parts {
            // A client that is gone ends our input as well.
            let _ = out.write_all(part.as_bytes());
        }
        let _ = out.flush();
    }

    pub(super) fn send(&self, message: &Value) {
        self.write(&format!("{message}\n"));
    }

    pub(super) fn answer(&self, id: &Value, result: &Value) {
        let mut result = result.clone();
        if self.is_modern && result.is_object() && result.get("resultType").is_none() {
            result["resultType"] = json!("complete");
        }
        self.send(&json!({"jsonrpc": "2.0", "id": id, "result": result}));
    }

    pub(super) fn error(&self, id: &Value, code: i32, text: &str) {
        let error = json!({"code": code, "message": text});
        self.send(&json!({"jsonrpc": "2.0", "id": id, "error": error}));
    }

    pub(super) fn notify(&self, method: &str, params: &Value) {
        self.send(&json!({"jsonrpc": "2.0", "method": method, "params": params}));
    }

    /// Asks the client and waits for its answer: its `result`, or its `error`.
    pub(super) fn ask(&self, method: &str, params: &Value) -> Value {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let id = format!("s{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let (sender, answer) = mpsc::channel();
        lock(&self.asked).insert(id.clone(), sender);
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        answer.recv().unwrap_or_default()
    }

    /// Takes the client's answer to one of our questions.
    pub(super) fn answered(&self, message: &Value) {
        let id = message["id"].as_str().unwrap_or_default();
        if let Some(sender) = lock(&self.asked).remove(id) {
            let _ = sender.send(message.clone());
        }
    }

    pub(super) fn cancelled(&self, id: &Value) {
        lock(&self.cancelled).insert(id.to_string());
    }

    pub(super) fn is_cancelled(&self, id: &Value) -> bool {
        lock(&self.cancelled).contains(&id.to_string())
    }

    pub(super) fn cancelled_count(&self) -> usize {
        lock(&self.cancelled).len()
    }

    pub(super) fn subscribe(&self, id: &Value) {
        *lock(&self.subscription) = Some(id.clone());
        let params = json!({
            "_meta": {"io.modelcontextprotocol/subscriptionId": id},
            "notifications": {"toolsListChanged": true},
        });
        self.notify("notifications/subscriptions/acknowledged", &params);
    }

    pub(super) fn tools_changed(&self) {
        let method = "notifications/tools/list_changed";
        match (&*lock(&self.subscription), self.is_modern) {
            (Some(id), _) => {
                let meta = json!({"io.modelcontextprotocol/subscriptionId": id});
                self.notify(method, &json!({ "_meta": meta }));
            }
            (None, false) => self.notify(method, &json!({})),
            // Nobody asked to hear of it.
            (None, true) => {}
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
