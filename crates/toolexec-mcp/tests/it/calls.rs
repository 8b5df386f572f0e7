//! Calls of a server that behaves.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};
use toolexec_core::context::TraceContext;
use toolexec_core::event::{EventSink, LogLevel};
use toolexec_core::{Backend, CallContext, ErrorKind, Event};

use super::{brief, call, call_text, call_with, fake, request, serve, still_serves, text};

/// Both lifecycles of the protocol.
const BOTH: [&[&str]; 2] = [&[], &["--modern"]];

#[tokio::test]
async fn a_tool_answers_content_and_value() {
    for options in BOTH {
        let server = serve(fake(options));
        still_serves(&server).await;
        toolexec_core::Source::shutdown(&*server).await;
    }
}

#[tokio::test]
async fn every_kind_of_content_comes_through() {
    for options in BOTH {
        let server = serve(fake(options));
        let raw = call(&server, "kinds", json!({})).await.unwrap();
        let blocks = serde_json::to_value(&raw.content).unwrap();
        let kinds: Vec<&str> = blocks
            .as_array()
            .unwrap()
            .iter()
            .map(|block| block["type"].as_str().unwrap())
            .collect();
        assert_eq!(
            kinds,
            ["text", "image", "audio", "resource_link", "resource"]
        );
        assert_eq!(blocks[0]["annotations"], json!({"audience": ["user"]}));
        assert_eq!(blocks[4]["resource"]["text"], "two");
        assert_eq!(raw.structured, Some(json!({"kinds": 5})));
        assert_eq!(raw.meta["fake/key"], "value");
    }
}

#[tokio::test]
async fn a_tools_own_failure_is_a_result() {
    let server = serve(fake(&[]));
    let raw = call(&server, "fail", json!({})).await.unwrap();
    assert!(raw.is_error);
    assert_eq!(text(&raw), "the cup is empty");
}

#[tokio::test]
async fn errors_of_the_protocol_have_a_kind() {
    let server = serve(fake(&[]));
    let error = call(&server, "no_such_tool", json!({})).await.unwrap_err();
    assert_eq!(
        brief(&error),
        (
            ErrorKind::InvalidInput,
            "MCP server fake refused the arguments: Unknown tool: no_such_tool"
        )
    );
    let error = call(&server, "refuse", json!({"code": -32050})).await;
    assert_eq!(
        brief(&error.unwrap_err()),
        (
            ErrorKind::Backend,
            "MCP server fake answered error -32050: refused as asked"
        )
    );
    let error = call(&server, "refuse", json!({"code": -32601})).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Unsupported);
    still_serves(&server).await;
}

#[tokio::test]
async fn progress_comes_in_order_and_before_the_answer() {
    for options in BOTH {
        let server = serve(fake(options));
        let (sink, mut events) = EventSink::channel(1);
        let cx = CallContext::new().with_events(sink);
        let args = json!({"steps": 50, "ms": 0});
        let calling = {
            let server = server.clone();
            tokio::spawn(async move { call_with(&server, "slow", args, &cx).await })
        };
        let mut seen = Vec::new();
        while let Some(event) = events.recv().await {
            match event {
                Event::Progress {
                    progress,
                    total,
                    message,
                } => {
                    assert_eq!(total, Some(50.0));
                    assert_eq!(message.as_deref(), Some(&*format!("step {progress}")));
                    seen.push(progress);
                }
                other => panic!("only progress, not {other:?}"),
            }
        }
        assert_eq!(seen, (1..=50).map(f64::from).collect::<Vec<_>>());
        assert_eq!(text(&calling.await.unwrap().unwrap()), "50 steps");
    }
}

#[tokio::test]
async fn a_slow_reader_loses_progress_but_is_told_and_stops_nobody() {
    let server = serve(fake(&[]));
    let (sink, mut events) = EventSink::channel(1);
    let cx = CallContext::new().with_events(sink);
    let args = json!({"steps": 2000, "ms": 0});
    let calling = {
        let server = server.clone();
        tokio::spawn(async move { call_with(&server, "slow", args, &cx).await })
    };
    // Nobody reads yet: other calls go on.
    still_serves(&server).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut progress = 0;
    let mut warning = None;
    while let Some(event) = events.recv().await {
        match event {
            Event::Progress { .. } => progress += 1,
            Event::Log { level, data } => warning = Some((level, data)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(text(&calling.await.unwrap().unwrap()), "2000 steps");
    let (level, data) = warning.expect("the loss is reported");
    assert_eq!(level, LogLevel::Warning);
    let lost = 2000 - progress;
    let expected = format!("{lost} events came faster than they were read and were left out");
    assert_eq!(data, json!(expected));
}

#[tokio::test]
async fn log_messages_reach_the_one_call_under_way() {
    for options in BOTH {
        let server = serve(fake(options));
        let (sink, mut events) = EventSink::channel(10);
        let cx = CallContext::new().with_events(sink);
        call_with(&server, "log", json!({"count": 2}), &cx)
            .await
            .unwrap();
        drop(cx);
        let mut logs = Vec::new();
        while let Some(event) = events.recv().await {
            let Event::Log { level, data } = event else {
                panic!("{event:?}");
            };
            logs.push((level, data));
        }
        let log = |n: i32| (LogLevel::Warning, json!({"logger": "fake", "data": n}));
        assert_eq!(logs, [log(0), log(1)]);
    }
}

#[tokio::test]
async fn log_messages_are_not_shown_to_the_wrong_call() {
    let server = serve(fake(&[]));
    let (sink, mut events) = EventSink::channel(100);
    let cx = CallContext::new().with_events(sink);
    let slow = call_with(&server, "slow", json!({"steps": 1, "ms": 500}), &cx);
    let log = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        call(&server, "log", json!({"count": 3})).await
    };
    let (slow, log) = tokio::join!(slow, log);
    slow.unwrap();
    log.unwrap();
    drop(cx);
    while let Some(event) = events.recv().await {
        assert!(matches!(event, Event::Progress { .. }), "{event:?}");
    }
}

#[tokio::test]
async fn many_calls_at_once_share_one_process() {
    let server = serve(fake(&[]));
    let calls = (0..50).map(|_| call_text(&server, "pid", json!({})));
    let mut pids: Vec<String> = join_all(calls)
        .await
        .into_iter()
        .collect::<Result<_, _>>()
        .unwrap();
    pids.dedup();
    assert_eq!(pids.len(), 1);
    let diagnostics = server.diagnostics();
    assert_eq!(diagnostics.starts, 1);
    assert_eq!(diagnostics.pid.map(|pid| pid.to_string()), pids.pop());
}

#[tokio::test]
async fn answers_find_their_calls_whatever_their_order() {
    let server = serve(fake(&[]));
    let calls = (0..20_u64).map(|number| {
        let server = server.clone();
        async move {
            let ms = 20 - number;
            let args = json!({"steps": 1 + number % 3, "ms": ms});
            let answer = call_text(&server, "slow", args).await.unwrap();
            assert_eq!(answer, format!("{} steps", 1 + number % 3));
            let echo = call_text(&server, "echo", json!({"n": number})).await;
            assert_eq!(echo.unwrap(), json!({"n": number}).to_string());
        }
    });
    join_all(calls).await;
}

#[tokio::test]
async fn trace_context_and_progress_token_are_in_the_meta() {
    let server = serve(fake(&["--modern"]));
    let trace = TraceContext {
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01".to_owned(),
        tracestate: Some("vendor=1".to_owned()),
    };
    let cx = CallContext::new().with_trace(Arc::new(trace));
    let raw = call_with(&server, "meta", json!({}), &cx).await.unwrap();
    let meta: Value = serde_json::from_str(text(&raw)).unwrap();
    assert_eq!(
        meta["traceparent"],
        "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"
    );
    assert_eq!(meta["tracestate"], "vendor=1");
    assert_eq!(
        meta["io.modelcontextprotocol/protocolVersion"],
        "2026-07-28"
    );
    assert!(meta["progressToken"].is_number(), "{meta}");
}

#[tokio::test]
async fn the_environment_is_what_the_configuration_names() {
    let mut config = fake(&[]);
    let toolexec_mcp::Transport::Stdio(stdio) = &mut config.transport else {
        panic!("a stdio server");
    };
    stdio.inherit_env = false;
    stdio.env.insert("ONLY_THIS".to_owned(), "1".to_owned());
    let server = serve(config);
    let names = call_text(&server, "env", json!({})).await.unwrap();
    assert_eq!(names, r#"["ONLY_THIS"]"#);
}

#[tokio::test]
async fn a_deadline_ends_the_call_and_tells_the_server() {
    for options in BOTH {
        let server = serve(fake(options));
        still_serves(&server).await;
        let start = Instant::now();
        let cx = CallContext::new().with_timeout(Duration::from_millis(200));
        let error = call_with(&server, "never", json!({}), &cx).await;
        assert_eq!(
            brief(&error.unwrap_err()),
            (
                ErrorKind::Timeout,
                "MCP server fake did not answer before the deadline"
            )
        );
        assert!(start.elapsed() < Duration::from_secs(2));
        wait_for_cancelled(&server, "1").await;
        still_serves(&server).await;
    }
}

#[tokio::test]
async fn the_configured_limit_of_a_call_counts_too() {
    let mut config = fake(&[]);
    config.timeouts.call = Some(Duration::from_millis(200));
    let server = serve(config);
    still_serves(&server).await;
    let error = server
        .call(request("never", &json!({})), &CallContext::new())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    still_serves(&server).await;
}

#[tokio::test]
async fn dropping_or_cancelling_a_call_tells_the_server() {
    let server = serve(fake(&[]));
    still_serves(&server).await;
    let dropped = call(&server, "never", json!({}));
    let waited = tokio::time::timeout(Duration::from_millis(100), dropped).await;
    assert!(waited.is_err());
    wait_for_cancelled(&server, "1").await;
    let token = tokio_util::sync::CancellationToken::new();
    let cx = CallContext::new().with_cancel(token.clone());
    let cancel = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        token.cancel();
    };
    let (result, ()) = tokio::join!(call_with(&server, "never", json!({}), &cx), cancel);
    assert_eq!(
        brief(&result.unwrap_err()),
        (ErrorKind::Cancelled, "the call was cancelled")
    );
    wait_for_cancelled(&server, "2").await;
    still_serves(&server).await;
}

/// The notification travels on its own: waits until the server has seen as many.
async fn wait_for_cancelled(server: &Arc<toolexec_mcp::McpServer>, count: &str) {
    for _ in 0..100 {
        if call_text(server, "cancelled", json!({})).await.unwrap() == count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the server did not hear of {count} cancelled calls");
}
