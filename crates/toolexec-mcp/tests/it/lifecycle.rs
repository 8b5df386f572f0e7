//! Starting, agreeing on a protocol, ending, starting again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, join_all};
use serde_json::{Value, json};
use toolexec_core::{BackendRef, CallContext, ErrorKind, Source};
use toolexec_mcp::config::Protocol;
use toolexec_mcp::{Interaction, McpServer, ServerConfig, ServerState};

use super::{brief, call, call_text, call_with, fake, serve, still_serves};

fn protocol_of(server: &McpServer) -> String {
    match server.diagnostics().state {
        ServerState::Connected {
            protocol_version, ..
        } => protocol_version,
        other => panic!("connected, not {other:?}"),
    }
}

#[tokio::test]
async fn both_lifecycles_are_found_out() {
    for (options, version) in [
        (&["--modern"][..], "2026-07-28"),
        (&[], "2025-11-25"),
        (&["--mode", "strict"], "2025-11-25"),
    ] {
        let server = serve(fake(options));
        assert_eq!(server.diagnostics().state, ServerState::NotStarted);
        still_serves(&server).await;
        assert_eq!(protocol_of(&server), version, "{options:?}");
    }
}

#[tokio::test]
async fn a_server_that_ignores_the_question_is_spoken_to_in_the_old_way() {
    let server = serve(fake(&["--mode", "deaf"]));
    let cx = CallContext::new();
    let start = Instant::now();
    call_with(&server, "echo", json!({}), &cx).await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(15));
    assert_eq!(protocol_of(&server), "2025-11-25");
    // It is not asked again.
    Source::shutdown(&*server).await;
    let start = Instant::now();
    still_serves(&server).await;
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_lifecycle_can_be_demanded() {
    let mut config = fake(&[]);
    config.protocol = Protocol::Stateless;
    let error = call(&serve(config), "echo", json!({})).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    let mut config = fake(&["--modern"]);
    config.protocol = Protocol::Initialize;
    let server = serve(config);
    still_serves(&server).await;
    assert_eq!(protocol_of(&server), "2025-11-25");
}

#[tokio::test]
async fn what_the_server_says_of_itself_is_kept() {
    for options in [&[][..], &["--modern"]] {
        let server = serve(fake(options));
        server.connect().await.unwrap();
        let ServerState::Connected {
            name,
            version,
            instructions,
            ..
        } = server.diagnostics().state
        else {
            panic!("connected");
        };
        assert_eq!(name.as_deref(), Some("fake"));
        assert_eq!(version.as_deref(), Some("1.2.3"));
        assert_eq!(instructions.as_deref(), Some("Use with care."));
    }
}

#[tokio::test]
async fn callers_share_one_start() {
    let server = serve(fake(&["--delay", "300"]));
    let calls = (0..20).map(|_| call_text(&server, "pid", json!({})));
    for result in join_all(calls).await {
        result.unwrap();
    }
    assert_eq!(server.diagnostics().starts, 1);
}

#[tokio::test]
async fn a_start_goes_on_when_the_first_caller_gives_up() {
    let server = serve(fake(&["--delay", "500"]));
    let cx = CallContext::new().with_timeout(Duration::from_millis(100));
    let error = call_with(&server, "echo", json!({}), &cx).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Timeout);
    still_serves(&server).await;
    assert_eq!(server.diagnostics().starts, 1);
}

#[tokio::test]
async fn a_server_that_dies_at_its_start_is_left_alone_for_a_while() {
    let server = serve(fake(&["--mode", "die-at-start"]));
    let error = call(&server, "echo", json!({})).await.unwrap_err();
    assert_eq!(
        brief(&error),
        (
            ErrorKind::Unavailable,
            "MCP server fake exited with status 3 during its start"
        )
    );
    assert_eq!(
        error.report().causes,
        ["the end of its standard error:\nfatal: no licence found"]
    );
    let start = Instant::now();
    let error = call(&server, "echo", json!({})).await.unwrap_err();
    assert!(start.elapsed() < Duration::from_millis(100), "fails fast");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let wait = error.retry_after().expect("it says how long to wait");
    assert!(wait <= Duration::from_millis(500), "{wait:?}");
    assert!(matches!(
        server.diagnostics().state,
        ServerState::BackingOff { .. }
    ));
    // The next pause is twice as long.
    tokio::time::sleep(wait + Duration::from_millis(50)).await;
    call(&server, "echo", json!({})).await.unwrap_err();
    let error = call(&server, "echo", json!({})).await.unwrap_err();
    let wait = error.retry_after().unwrap();
    assert!(wait > Duration::from_millis(500), "{wait:?}");
}

#[tokio::test]
async fn a_server_that_keeps_dying_is_rested_and_then_serves() {
    let mut config = fake(&[]);
    config.restart.first_pause = Duration::from_millis(200);
    let server = serve(config);
    for _ in 0..2 {
        let error = call(&server, "die", json!({"code": 9})).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Backend);
    }
    let error = call(&server, "echo", json!({})).await.unwrap_err();
    let wait = error.retry_after().expect("it rests");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(
        error.report().causes,
        ["the end of its standard error:\npanic: the cat tripped over the cable"]
    );
    tokio::time::sleep(wait + Duration::from_millis(20)).await;
    still_serves(&server).await;
}

#[tokio::test]
async fn starts_that_hang_or_babble_end_in_an_error() {
    let mut config = fake(&["--mode", "mute"]);
    config.timeouts.connect = Duration::from_millis(500);
    let error = call(&serve(config), "echo", json!({})).await.unwrap_err();
    assert_eq!(
        brief(&error),
        (
            ErrorKind::Unavailable,
            "MCP server fake did not finish its start within 500ms"
        )
    );
    let config = fake(&["--mode", "garbage-at-start"]);
    let error = call(&serve(config), "echo", json!({})).await.unwrap_err();
    assert_eq!(
        brief(&error),
        (
            ErrorKind::Unavailable,
            "MCP server fake wrote 1001 lines in a row to its standard output that are no \
             messages during its start"
        )
    );
    let config = fake(&["--mode", "half-at-start"]);
    let error = call(&serve(config), "echo", json!({})).await.unwrap_err();
    assert_eq!(
        brief(&error),
        (
            ErrorKind::Unavailable,
            "MCP server fake exited with status 0 during its start"
        )
    );
}

#[tokio::test]
async fn a_program_that_is_missing_is_named_with_what_brings_it() {
    let config = ServerConfig::stdio("npx-that-is-not-there", ["-y", "some-server"]);
    let error = call(&serve(config), "echo", json!({})).await.unwrap_err();
    assert_eq!(
        brief(&error),
        (
            ErrorKind::Unavailable,
            "MCP server fake cannot be started: program \"npx-that-is-not-there\" was not found"
        )
    );
    assert_eq!(error.hints(), ["install it, or give its full path"]);
    assert!(!error.is_retryable());
}

#[tokio::test]
async fn shutdown_ends_the_process_and_use_starts_another() {
    let server = serve(fake(&[]));
    still_serves(&server).await;
    let pid = server.diagnostics().pid.expect("it runs");
    Source::shutdown(&*server).await;
    assert!(!is_running(pid));
    assert_eq!(server.diagnostics().state, ServerState::NotStarted);
    still_serves(&server).await;
    assert_ne!(server.diagnostics().pid, Some(pid));
}

#[tokio::test]
async fn dropping_the_server_ends_the_process() {
    let server = serve(fake(&[]));
    still_serves(&server).await;
    let pid = server.diagnostics().pid.expect("it runs");
    drop(server);
    let start = Instant::now();
    while is_running(pid) {
        assert!(start.elapsed() < Duration::from_secs(3), "it still runs");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_server_that_was_killed_from_outside_is_started_again() {
    let server = serve(fake(&[]));
    still_serves(&server).await;
    let pid = server.diagnostics().pid.expect("it runs");
    let pid = nix::unistd::Pid::from_raw(pid.cast_signed());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    let start = Instant::now();
    while server.diagnostics().state != ServerState::NotStarted {
        assert!(start.elapsed() < Duration::from_secs(3), "not noticed");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    still_serves(&server).await;
}

#[tokio::test]
async fn questions_of_a_server_are_refused_unless_somebody_answers() {
    let server = serve(fake(&[]));
    let answer = call_text(&server, "ask", json!({})).await.unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(&answer).unwrap(),
        json!({"code": -32601, "message": "elicitation/create"})
    );
    still_serves(&server).await;
    let server = serve(fake(&["--modern"]));
    let error = call(&server, "ask", json!({})).await.unwrap_err();
    assert_eq!(
        brief(&error),
        (
            ErrorKind::Unsupported,
            "the tool of MCP server fake asks for input: elicitation/create is not supported here"
        )
    );
    still_serves(&server).await;
}

#[tokio::test]
async fn questions_of_a_server_are_answered_in_both_lifecycles() {
    let asking = |options: &[&str]| {
        let mut config = fake(options);
        config.interaction = Some(Arc::new(Ada));
        serve(config)
    };
    let answer = call_text(&asking(&[]), "ask", json!({})).await.unwrap();
    let expected = json!({"action": "accept", "content": {"name": "Ada"}});
    assert_eq!(serde_json::from_str::<Value>(&answer).unwrap(), expected);
    let answer = call_text(&asking(&["--modern"]), "ask", json!({})).await;
    assert_eq!(
        serde_json::from_str::<Value>(&answer.unwrap()).unwrap(),
        json!({"answers": {"who": expected}, "state": "opaque-1"})
    );
}

/// Answers every question with her name.
#[derive(Debug)]
struct Ada;

impl Interaction for Ada {
    fn supports(&self, method: &str) -> bool {
        method == toolexec_mcp::interaction::ELICIT
    }

    fn ask<'a>(
        &'a self,
        server: &'a BackendRef,
        _method: &'a str,
        params: Value,
    ) -> BoxFuture<'a, Result<Value, String>> {
        Box::pin(async move {
            assert_eq!(server.to_string(), "mcp/fake");
            assert_eq!(params["message"], "Who are you?");
            Ok(json!({"action": "accept", "content": {"name": "Ada"}}))
        })
    }
}

fn is_running(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}
