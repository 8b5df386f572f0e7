//! A client of `toolexec serve` over stdin and stdout that sees every byte.

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use serde_json::{Value, json};

use crate::program::Place;

/// A connection in revision 2025-11-25.
pub(crate) struct Rpc {
    child: Child,
    input: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
    next: u32,
}

impl Rpc {
    /// Starts the server and shakes hands.
    pub(crate) fn start(place: &Place, args: &[&str]) -> Self {
        let mut child = place
            .command(&[&["serve"], args].concat())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut rpc = Self {
            child,
            input,
            output,
            next: 0,
        };
        let info = json!({"name": "test", "version": "1"});
        let version = json!("2025-11-25");
        let hello = json!({"protocolVersion": version, "capabilities": {}, "clientInfo": info});
        assert_eq!(rpc.ask("initialize", &hello)["protocolVersion"], version);
        rpc.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        rpc
    }

    /// Sends a request; returns its result.
    pub(crate) fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.next += 1;
        let id = json!(self.next);
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        for line in self.output.by_ref() {
            let mut message: Value = serde_json::from_str(&line.unwrap()).unwrap();
            if message["id"] == id {
                assert_eq!(message["error"], Value::Null, "{method}");
                return message["result"].take();
            }
        }
        panic!("{method}: the server ended");
    }

    /// Calls a tool; returns the whole result.
    pub(crate) fn call(&mut self, tool: &str, args: &Value) -> Value {
        self.ask("tools/call", &json!({"name": tool, "arguments": args}))
    }

    /// All pages of the list of tools.
    pub(crate) fn tools(&mut self) -> Vec<Value> {
        let mut tools = Vec::new();
        let mut params = json!({});
        loop {
            let mut page = self.ask("tools/list", &params);
            tools.append(page["tools"].as_array_mut().unwrap());
            match page.get("nextCursor") {
                Some(next) => params = json!({"cursor": next}),
                None => return tools,
            }
        }
    }

    fn send(&mut self, message: &Value) {
        let input = self.input.as_mut().unwrap();
        writeln!(input, "{message}").unwrap();
    }
}

impl Drop for Rpc {
    fn drop(&mut self) {
        // The end of its input ends the server; a hanging one is killed.
        self.input = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
