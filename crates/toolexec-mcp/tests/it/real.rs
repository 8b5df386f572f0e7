//! Servers that people use, called for real.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use toolexec_core::backend::RawContent;
use toolexec_core::event::EventSink;
use toolexec_core::{CallContext, Event, Listing, Source};
use toolexec_mcp::{McpServer, ServerConfig, ServerState, Transport};
use toolexec_testkit::peers::{self, Peer};

use super::{call, call_with, text};

/// A real server whose data is in a directory of the test.
struct Real {
    server: Arc<McpServer>,
    listing: Listing,
    // Removed with the test.
    scratch: tempfile::TempDir,
}

/// Starts a server and lists its tools, or `None` when it is not installed.
async fn real(peer: Peer) -> Option<Real> {
    let scratch = tempfile::tempdir().unwrap();
    let launch = peers::require_stdio(peer, scratch.path())?;
    let mut config = ServerConfig::stdio(launch.program.to_string_lossy(), launch.args);
    if let Transport::Stdio(stdio) = &mut config.transport {
        stdio.env.extend(launch.env);
    }
    let server = McpServer::new(peer.name(), peer.name(), config);
    let listing = Source::list(server.clone()).await.unwrap();
    Some(Real {
        server,
        listing,
        scratch,
    })
}

impl Real {
    fn names(&self) -> Vec<&str> {
        let tools = self.listing.tools.iter();
        tools.map(|tool| tool.tool.id.name()).collect()
    }

    async fn call(&self, name: &str, args: Value) -> RawContent {
        let raw = call(&self.server, name, args).await.unwrap();
        assert!(!raw.is_error, "{raw:?}");
        raw
    }

    fn protocol(&self) -> String {
        match self.server.diagnostics().state {
            ServerState::Connected {
                protocol_version, ..
            } => protocol_version,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn everything_echoes_adds_reports_progress_and_shows_pictures() {
    let Some(real) = real(Peer::Everything).await else {
        return;
    };
    assert!(real.names().len() >= 10, "{:?}", real.names());
    let echo = real.call("echo", json!({"message": "hello"})).await;
    assert_eq!(text(&echo), "Echo: hello");
    let sum = real.call("get-sum", json!({"a": 2, "b": 3})).await;
    assert_eq!(text(&sum), "The sum of 2 and 3 is 5.");
    let image = real.call("get-tiny-image", json!({})).await;
    let blocks = serde_json::to_value(&image.content).unwrap();
    let kinds: Vec<&Value> = blocks
        .as_array()
        .unwrap()
        .iter()
        .map(|block| &block["type"])
        .collect();
    assert_eq!(kinds, ["text", "image", "text"]);
    let args = json!({"location": "New York"});
    let weather = real.call("get-structured-content", args).await;
    let weather = weather.structured.expect("a value");
    assert!(weather["temperature"].is_number(), "{weather}");
    let (sink, mut events) = EventSink::channel(100);
    let cx = CallContext::new().with_events(sink);
    let args = json!({"duration": 1, "steps": 4});
    call_with(&real.server, "trigger-long-running-operation", args, &cx)
        .await
        .unwrap();
    drop(cx);
    let mut progress = Vec::new();
    while let Some(event) = events.recv().await {
        if let Event::Progress {
            progress: done,
            total,
            ..
        } = event
        {
            progress.push((done, total));
        }
    }
    assert_eq!(progress, [1.0, 2.0, 3.0, 4.0].map(|step| (step, Some(4.0))));
}

#[tokio::test]
async fn filesystem_writes_and_reads_a_file() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("note.txt");
    std::fs::write(&path, "first").unwrap();
    let Some(launch) = peers::require_stdio(Peer::Filesystem, scratch.path()) else {
        return;
    };
    let config = ServerConfig::stdio(launch.program.to_string_lossy(), launch.args);
    let server = McpServer::new("filesystem", "filesystem", config);
    let args = json!({"path": path});
    let read = call(&server, "read_text_file", args).await.unwrap();
    assert_eq!(text(&read), "first");
    let args = json!({"path": path, "content": "second"});
    call(&server, "write_file", args).await.unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "second");
    let outside = call(&server, "read_text_file", json!({"path": "/etc/passwd"})).await;
    assert!(outside.unwrap().is_error, "its own guard refuses");
    let listing = Source::list(server.clone()).await.unwrap();
    assert_eq!(listing.tools.len(), 14);
    let with_output =
        |tool: &&toolexec_core::index::Registration| tool.tool.output_schema.is_some();
    assert_eq!(listing.tools.iter().filter(with_output).count(), 14);
}

#[tokio::test]
async fn memory_remembers() {
    let Some(real) = real(Peer::Memory).await else {
        return;
    };
    assert_eq!(real.names().len(), 9);
    let entity = json!({"name": "Ada", "entityType": "person", "observations": ["counts"]});
    real.call("create_entities", json!({"entities": [entity]}))
        .await;
    let found = real.call("search_nodes", json!({"query": "Ada"})).await;
    let found = found.structured.expect("a value");
    assert_eq!(found["entities"][0], entity);
}

#[tokio::test]
async fn git_commits() {
    let Some(real) = real(Peer::Git).await else {
        return;
    };
    assert_eq!(real.names().len(), 12);
    let repo = real.scratch.path();
    std::fs::write(repo.join("new.txt"), "text").unwrap();
    let status = real.call("git_status", json!({"repo_path": repo})).await;
    assert!(text(&status).contains("new.txt"), "{status:?}");
    let files = json!({"repo_path": repo, "files": ["new.txt"]});
    real.call("git_add", files).await;
    let commit = json!({"repo_path": repo, "message": "add a file"});
    real.call("git_commit", commit).await;
    let log = real.call("git_log", json!({"repo_path": repo})).await;
    assert!(text(&log).contains("add a file"), "{log:?}");
}

#[tokio::test]
async fn time_converts() {
    let Some(real) = real(Peer::Time).await else {
        return;
    };
    assert_eq!(real.names(), ["get_current_time", "convert_time"]);
    let args = json!({
        "source_timezone": "UTC",
        "time": "12:00",
        "target_timezone": "Asia/Tokyo",
    });
    let raw = real.call("convert_time", args).await;
    let value = match raw.structured {
        Some(value) => value,
        None => serde_json::from_str(text(&raw)).unwrap(),
    };
    assert_eq!(value["time_difference"], "+9.0h");
}

#[tokio::test]
async fn sqlite_stores_and_finds() {
    let Some(real) = real(Peer::Sqlite).await else {
        return;
    };
    assert_eq!(real.names().len(), 6);
    let create = json!({"query": "CREATE TABLE cats (name TEXT)"});
    real.call("create_table", create).await;
    let insert = json!({"query": "INSERT INTO cats VALUES ('Tom')"});
    real.call("write_query", insert).await;
    let select = json!({"query": "SELECT name FROM cats"});
    let rows = real.call("read_query", select).await;
    assert_eq!(text(&rows), "[{'name': 'Tom'}]");
}

#[tokio::test]
async fn fetch_reads_a_page_of_loopback() {
    let page = super::http::page("<html><body><h1>Hello from loopback</h1></body></html>").await;
    let Some(real) = real(Peer::Fetch).await else {
        return;
    };
    let raw = real.call("fetch", json!({"url": page})).await;
    assert!(text(&raw).contains("Hello from loopback"), "{raw:?}");
}

#[tokio::test]
async fn each_real_server_says_which_revision_it_speaks_and_comes_back_after_a_kill() {
    for peer in Peer::ALL {
        let Some(real) = real(*peer).await else {
            continue;
        };
        let protocol = real.protocol();
        assert!(
            ["2024-11-05", "2025-06-18", "2025-11-25", "2026-07-28"].contains(&&*protocol),
            "{}: {protocol}",
            peer.name()
        );
        println!("{}: {protocol}, {} tools", peer.name(), real.names().len());
        let pid = real.server.diagnostics().pid.unwrap();
        let pid = nix::unistd::Pid::from_raw(pid.cast_signed());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
        let again = Source::list(real.server.clone()).await.unwrap();
        assert_eq!(again.tools.len(), real.names().len(), "{}", peer.name());
        Source::shutdown(&*real.server).await;
    }
}
