//! An MCP server over stdio, written by hand, that can misbehave in every way that tests need.
//!
//! Options:
//! - `--modern`: speaks revision 2026-07-28 (`server/discover`) instead of 2025-11-25;
//! - `--mode MODE`: see [`Mode`];
//! - `--tools FILE`: lists the tools of a JSON file (its `tools`) instead of its own;
//! - `--delay MS`: waits before it reads anything;
//! - `--stderr TEXT`: writes a line to its standard error first.
//!
//! What its tools do is in the table of `tools`.

mod tools;
mod wire;

use std::io::BufRead;
use std::process::exit;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use wire::Server;

/// How it misbehaves as a whole; single tools have ways of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// Not at all.
    Normal,
    /// Ends at once with status 3.
    DieAtStart,
    /// Reads and never answers.
    Mute,
    /// Writes half a message as its first answer and ends.
    HalfAtStart,
    /// Writes lines that are no messages, without end, as its first answer.
    GarbageAtStart,
    /// Writes one line that is no message before each answer.
    Chatty,
    /// Ends when something comes before `initialize`.
    Strict,
    /// Does not answer what comes before `initialize`.
    Deaf,
    /// Lists its tools in pages of three.
    Pages,
    /// Lists pages without end.
    EndlessPages,
    /// Lists the same page again and again.
    SamePage,
    /// Lists tools that are broken or oddly named among good ones.
    OddTools,
}

impl Mode {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "normal" => Self::Normal,
            "die-at-start" => Self::DieAtStart,
            "mute" => Self::Mute,
            "half-at-start" => Self::HalfAtStart,
            "garbage-at-start" => Self::GarbageAtStart,
            "chatty" => Self::Chatty,
            "strict" => Self::Strict,
            "deaf" => Self::Deaf,
            "pages" => Self::Pages,
            "endless-pages" => Self::EndlessPages,
            "same-page" => Self::SamePage,
            "odd-tools" => Self::OddTools,
            _ => return None,
        })
    }
}

/// Runs the server until its input ends; does not return.
///
/// # Panics
/// When an option is unknown.
#[expect(
    clippy::print_stderr,
    clippy::panic,
    reason = "the main function of a test's program"
)]
pub fn main(mut args: impl Iterator<Item = String>) -> ! {
    let (mut mode, mut is_modern) = (Mode::Normal, false);
    while let Some(arg) = args.next() {
        let mut value = || args.next().unwrap_or_default();
        match arg.as_str() {
            "--modern" => is_modern = true,
            "--mode" => {
                let text = value();
                mode = Mode::parse(&text).unwrap_or_else(|| panic!("no mode {text:?}"));
            }
            "--tools" => tools::replay(&value()),
            "--delay" => {
                let millis = value().parse().unwrap_or_default();
                std::thread::sleep(Duration::from_millis(millis));
            }
            "--stderr" => eprintln!("{}", value()),
            other => panic!("unknown option {other:?}"),
        }
    }
    if mode == Mode::DieAtStart {
        eprintln!("fatal: no licence found");
        exit(3);
    }
    let server = Arc::new(Server::new(mode, is_modern));
    for line in std::io::stdin().lock().lines() {
        let Ok(line) = line else { break };
        match serde_json::from_str(&line) {
            Ok(message) => handle(&server, &message),
            Err(error) => eprintln!("unreadable: {error}"),
        }
    }
    exit(0)
}

#[expect(clippy::exit, reason = "ways to end badly")]
fn handle(server: &Arc<Server>, message: &Value) {
    let method = message["method"].as_str();
    let is_first = matches!(method, Some("initialize" | "server/discover"));
    match (server.mode, method) {
        (Mode::Mute, _) | (Mode::Deaf, Some("server/discover")) => return,
        (Mode::HalfAtStart, Some(_)) if is_first => {
            server.write("{\"jsonrpc\":\"2.0\",\"id\":0,\"resu");
            exit(0);
        }
        (Mode::GarbageAtStart, Some(_)) if is_first => loop {
            server.write("starting up, please wait ...\n");
        },
        (Mode::Strict, Some("server/discover")) => {
            exit(1);
        }
        (Mode::Chatty, Some(_)) => server.write("DEBUG request received\n"),
        _ => {}
    }
    let Some(method) = method else {
        server.answered(message);
        return;
    };
    let id = &message["id"];
    match method {
        "initialize" => server.answer(id, &initialize(&message["params"]["protocolVersion"])),
        "server/discover" if server.is_modern => server.answer(id, &discover()),
        "tools/list" => server.answer(id, &tools::list(server, &message["params"]["cursor"])),
        "tools/call" => tools::call(server, message),
        "ping" | "logging/setLevel" => server.answer(id, &json!({})),
        "subscriptions/listen" => server.subscribe(id),
        "notifications/cancelled" => server.cancelled(&message["params"]["requestId"]),
        _ if id.is_null() => {}
        _ => server.error(id, -32601, &format!("no method {method}")),
    }
}

fn initialize(asked: &Value) -> Value {
    json!({
        "protocolVersion": asked,
        "capabilities": {"tools": {"listChanged": true}, "logging": {}},
        "serverInfo": {"name": "fake", "version": "1.2.3"},
        "instructions": "Use with care.",
    })
}

fn discover() -> Value {
    json!({
        "resultType": "complete",
        "supportedVersions": ["2026-07-28"],
        "capabilities": {"tools": {"listChanged": true}, "logging": {}},
        "instructions": "Use with care.",
        "ttlMs": 0,
        "cacheScope": "private",
        "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "fake", "version": "1.2.3"}},
    })
}
