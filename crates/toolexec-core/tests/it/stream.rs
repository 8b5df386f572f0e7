//! A call as a stream of events.

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::{Value, json};
use toolexec_core::{CallContext, Event, Request, Runner};

use crate::fixture::runner;

fn kind(event: &Event) -> String {
    let event = serde_json::to_value(event).unwrap();
    event["event"].as_str().unwrap().to_owned()
}

async fn kinds(runner: &Runner, tool: &str, args: Value) -> Vec<String> {
    runner
        .stream(Request::new(tool, args))
        .map(|event| kind(&event))
        .collect()
        .await
}

#[tokio::test]
async fn events_come_in_order_and_end_once() {
    let runner = runner();
    assert_eq!(
        kinds(&runner, "math:add", json!({"a": 1, "b": 2})).await,
        ["started", "done"]
    );
    assert_eq!(
        kinds(&runner, "test:noisy", json!({"count": 2})).await,
        [
            "started", "log", "progress", "chunk", "progress", "chunk", "done"
        ]
    );
    // What fails before the backend has it never starts.
    assert_eq!(kinds(&runner, "math:add", json!({})).await, ["error"]);
    assert_eq!(kinds(&runner, "no:tool", json!({})).await, ["error"]);
    assert_eq!(
        kinds(&runner, "test:panic", json!({})).await,
        ["started", "error"]
    );
    // A tool's own failure is a result.
    assert_eq!(
        kinds(&runner, "math:div", json!({"a": 1, "b": 0})).await,
        ["started", "done"]
    );
}

#[tokio::test]
async fn a_tool_waits_for_a_slow_reader_and_loses_nothing() {
    let mut stream = runner().stream(Request::new("test:noisy", json!({"count": 1000})));
    let mut chunks = 0;
    while let Some(event) = stream.next().await {
        if matches!(event, Event::Chunk { .. }) {
            assert!(matches!(&event, Event::Chunk { data } if *data == json!(chunks)));
            chunks += 1;
            if chunks % 100 == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }
    assert_eq!(chunks, 1000);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_the_stream_with_an_error() {
    let cx = CallContext::new().with_timeout(Duration::from_millis(10));
    let stream = runner().stream(Request::new("test:slow", json!({})).with_context(cx));
    let events: Vec<Event> = stream.collect().await;
    assert_eq!(
        events.iter().map(kind).collect::<Vec<_>>(),
        ["started", "error"]
    );
    let Some(Event::Error { error }) = events.last() else {
        panic!("no error")
    };
    assert_eq!(error.code, "timeout");
}

#[tokio::test]
async fn nothing_runs_before_the_first_poll_and_dropping_cancels() {
    let runner = runner();
    drop(runner.stream(Request::new("test:panic", json!({}))));
    let mut stream = runner.stream(Request::new("test:slow", json!({})));
    assert_eq!(kind(&stream.next().await.unwrap()), "started");
    drop(stream);
    assert_eq!(
        kinds(&runner, "math:add", json!({"a": 1, "b": 2})).await,
        ["started", "done"]
    );
}

#[tokio::test]
async fn the_last_event_holds_the_result() {
    let stream = runner().stream(Request::new("math:add", json!({"a": 5, "b": 3})));
    let last: Vec<Event> = stream.collect().await;
    let Some(Event::Done { result }) = last.last() else {
        panic!("not done")
    };
    assert_eq!(result.value, json!(8));
}
