//! Servers that do what no server should. Each test ends with a call that works.

use std::time::{Duration, Instant};

use serde_json::json;
use toolexec_core::{CallContext, ErrorKind};

use super::{brief, call, call_text, call_with, fake, serve, still_serves, text};

#[tokio::test]
async fn a_server_that_dies_in_a_call_is_started_again() {
    let server = serve(fake(&[]));
    let error = call(&server, "die", json!({"code": 7})).await.unwrap_err();
    assert_eq!(
        brief(&error),
        (
            ErrorKind::Backend,
            "MCP server fake exited with status 7 while it had the call"
        )
    );
    assert!(!error.is_retryable());
    assert_eq!(
        error.report().causes,
        ["the end of its standard error:\npanic: the cat tripped over the cable"]
    );
    assert_eq!(
        error.hints(),
        [
            "the call was not repeated: it may have had effects",
            "`toolexec doctor` shows what the server wrote last"
        ]
    );
    still_serves(&server).await;
    assert_eq!(server.diagnostics().starts, 2);
}

#[tokio::test]
async fn every_call_under_way_fails_when_the_server_dies() {
    let server = serve(fake(&[]));
    still_serves(&server).await;
    let (one, two, die) = tokio::join!(
        call(&server, "never", json!({})),
        call(&server, "never", json!({})),
        async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            call(&server, "die", json!({"code": 1})).await
        }
    );
    for result in [one, two, die] {
        assert_eq!(
            brief(&result.unwrap_err()),
            (
                ErrorKind::Backend,
                "MCP server fake exited with status 1 while it had the call"
            )
        );
    }
    still_serves(&server).await;
}

#[tokio::test]
async fn half_an_answer_is_an_end() {
    let server = serve(fake(&[]));
    let error = call(&server, "half", json!({})).await.unwrap_err();
    assert_eq!(
        brief(&error),
        (
            ErrorKind::Backend,
            "MCP server fake exited with status 0 while it had the call"
        )
    );
    still_serves(&server).await;
    let notices = server.diagnostics().notices;
    assert!(
        notices[0].starts_with("the server's output ended in the middle of a message: "),
        "{notices:?}"
    );
}

#[tokio::test]
async fn a_server_that_closes_its_output_is_ended() {
    let server = serve(fake(&[]));
    let error = call(&server, "close", json!({})).await.unwrap_err();
    assert_eq!(
        brief(&error),
        (
            ErrorKind::Backend,
            "MCP server fake closed its standard output and went on running while it had the call"
        )
    );
    still_serves(&server).await;
}

#[tokio::test]
async fn an_answer_over_the_limit_fails_its_call_only() {
    let mut config = fake(&[]);
    config.limits.message = 1 << 20;
    let server = serve(config);
    still_serves(&server).await;
    let pid = server.diagnostics().pid;
    for id_last in [false, true] {
        let args = json!({"bytes": 100_u64 << 20, "id_last": id_last});
        // Another call waits meanwhile: the id in the message says whose it is.
        let (flood, slow) = tokio::join!(
            call(&server, "flood", args),
            call_text(&server, "slow", json!({"steps": 1, "ms": 1}))
        );
        assert_eq!(
            brief(&flood.unwrap_err()),
            (
                ErrorKind::LimitExceeded,
                "MCP server fake: the answer is larger than 1048576 bytes"
            )
        );
        slow.unwrap();
    }
    still_serves(&server).await;
    assert_eq!(server.diagnostics().pid, pid, "it was not started again");
}

#[tokio::test]
async fn an_answer_below_the_limit_arrives_whole() {
    let server = serve(fake(&[]));
    let answer = call_text(&server, "flood", json!({"bytes": 8_u64 << 20})).await;
    assert_eq!(answer.unwrap().len(), 8 << 20);
    still_serves(&server).await;
}

#[tokio::test]
async fn lines_that_are_no_messages_are_skipped_and_reported() {
    let server = serve(fake(&[]));
    let answer = call_text(&server, "garbage", json!({"lines": 500})).await;
    assert_eq!(answer.unwrap(), "clean");
    still_serves(&server).await;
    let notice = |n: i32| {
        format!(
            "a line on the server's standard output is no message and was ignored: \"INFO line {n}\""
        )
    };
    assert_eq!(
        server.diagnostics().notices,
        [notice(0), notice(1), notice(2)]
    );
}

#[tokio::test]
async fn lines_without_end_that_are_no_messages_end_the_connection() {
    let server = serve(fake(&[]));
    let error = call(&server, "endless", json!({})).await.unwrap_err();
    assert_eq!(
        brief(&error),
        (
            ErrorKind::Backend,
            "MCP server fake wrote 1001 lines in a row to its standard output that are no \
             messages while it had the call"
        )
    );
    still_serves(&server).await;
}

#[tokio::test]
async fn answers_that_nobody_asked_for_are_ignored_and_reported() {
    let server = serve(fake(&[]));
    let answer = call_text(&server, "wrong_id", json!({})).await;
    assert_eq!(answer.unwrap(), "for you");
    still_serves(&server).await;
    let answer = call_text(&server, "twice", json!({})).await;
    assert_eq!(answer.unwrap(), "once");
    still_serves(&server).await;
    let notices = server.diagnostics().notices;
    assert_eq!(notices.len(), 2, "{notices:?}");
    assert!(notices[0].starts_with("an answer to 987654 was ignored"));
}

#[tokio::test]
async fn a_call_whose_answer_never_comes_ends_at_its_deadline() {
    let server = serve(fake(&[]));
    still_serves(&server).await;
    for tool in ["never", "only_wrong_id"] {
        let start = Instant::now();
        let cx = CallContext::new().with_timeout(Duration::from_millis(300));
        let error = call_with(&server, tool, json!({}), &cx).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{tool}");
        assert!(start.elapsed() < Duration::from_secs(2));
        still_serves(&server).await;
    }
}

#[tokio::test]
async fn an_id_that_comes_back_as_a_string_is_known() {
    let server = serve(fake(&[]));
    let answer = call_text(&server, "string_id", json!({})).await;
    assert_eq!(answer.unwrap(), "id as a string");
    still_serves(&server).await;
}

#[tokio::test]
async fn an_error_without_id_goes_to_the_only_call() {
    let server = serve(fake(&[]));
    let error = call(&server, "no_id", json!({})).await.unwrap_err();
    assert_eq!(
        brief(&error),
        (
            ErrorKind::Backend,
            "MCP server fake answered error -32700: cannot read that"
        )
    );
    still_serves(&server).await;
}

#[tokio::test]
async fn an_answer_that_is_too_deep_fails_its_call() {
    let server = serve(fake(&[]));
    let error = call(&server, "deep", json!({"depth": 100_000})).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert!(
        error
            .guest_message()
            .starts_with("MCP server fake: unreadable answer: recursion limit exceeded"),
        "{error}"
    );
    still_serves(&server).await;
}

#[tokio::test]
async fn a_result_that_is_no_object_is_a_protocol_error() {
    let server = serve(fake(&[]));
    let error = call(&server, "bad_result", json!({})).await.unwrap_err();
    assert_eq!(
        brief(&error),
        (ErrorKind::Protocol, "the tool's answer is no JSON object")
    );
    still_serves(&server).await;
}

#[tokio::test]
async fn content_of_an_unknown_kind_is_kept_as_text() {
    for options in [&[][..], &["--modern"]] {
        let server = serve(fake(options));
        let raw = call(&server, "odd_content", json!({})).await.unwrap();
        assert_eq!(text(&raw), r#"{"type":"hologram","beam":3}"#);
        still_serves(&server).await;
    }
}

#[tokio::test]
async fn a_value_that_belies_its_schema_is_passed_on_for_the_run_path_to_judge() {
    let server = serve(fake(&[]));
    let raw = call(&server, "lie", json!({})).await.unwrap();
    assert_eq!(raw.structured, Some(json!({"lie": true})));
    still_serves(&server).await;
}

#[tokio::test]
async fn a_flood_on_standard_error_is_kept_in_part_and_blocks_nothing() {
    let server = serve(fake(&[]));
    let answer = call_text(&server, "stderr", json!({"lines": 200_000})).await;
    assert_eq!(answer.unwrap(), "written");
    still_serves(&server).await;
    let stderr = server.diagnostics().stderr;
    assert!(
        !stderr.is_empty() && stderr.len() < 2000,
        "{}",
        stderr.len()
    );
}

#[tokio::test]
async fn a_server_that_talks_between_messages_is_understood() {
    let server = serve(fake(&["--mode", "chatty"]));
    still_serves(&server).await;
    still_serves(&server).await;
}
