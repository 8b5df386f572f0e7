//! Sources are loaded when first needed, shared, refreshed, and never in the way of others.

use std::time::Duration;

use serde_json::json;
use toolexec::{Chain, Detail, ErrorKind, Executor, OnError, Request, Step, StepStatus};

use crate::fixture::Scripted;

#[tokio::test]
async fn a_call_loads_only_the_source_it_needs() {
    let (one, two) = (
        Scripted::new("one", &["a"]),
        Scripted::new("two", &["a", "b"]),
    );
    let executor = Executor::builder()
        .source(one.clone())
        .source(two.clone())
        .build()
        .unwrap();
    assert_eq!((one.listed(), two.listed()), (0, 0));
    let result = executor.run("two:b", json!({"x": 1})).await.unwrap();
    assert_eq!(result.value, json!({"tool": "b", "args": {"x": 1}}));
    assert_eq!((one.listed(), two.listed()), (0, 1));
    executor.search("a", 5).await.unwrap();
    executor.search("b", 5).await.unwrap();
    assert_eq!((one.listed(), two.listed()), (1, 1));
}

#[tokio::test]
async fn callers_at_the_same_time_share_one_attempt() {
    let source = Scripted::new("s", &["a"]);
    let executor = Executor::builder().source(source.clone()).build().unwrap();
    let calls = (0..20).map(|_| executor.run("s:a", json!({})));
    for result in futures_util::future::join_all(calls).await {
        assert_eq!(result.unwrap().value["tool"], "a");
    }
    assert_eq!(source.listed(), 1);
}

#[tokio::test]
async fn a_source_that_fails_hides_no_other_and_its_own_calls_say_why() {
    let (good, bad) = (Scripted::new("good", &["a"]), Scripted::new("bad", &["b"]));
    bad.offer(None);
    let executor = Executor::builder()
        .source(good.clone())
        .source(bad.clone())
        .build()
        .unwrap();
    assert_eq!(executor.search("", 10).await.unwrap().len(), 1);

    let error = executor.run("bad:b", json!({})).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.to_string(), "the server cannot be reached");
    assert_eq!(error.hints(), ["start it"]);
    assert_eq!(error.backend().unwrap().to_string(), "mcp/bad");
    assert!(
        error
            .report()
            .causes
            .contains(&"connection refused".to_owned())
    );
    let status = executor
        .sources()
        .into_iter()
        .find(|status| status.namespace == "bad")
        .unwrap();
    assert!(!status.loaded && status.error.is_some());

    // It is tried again, and works as soon as the source does.
    bad.offer(Some(&["b"]));
    assert!(executor.run("bad:b", json!({})).await.is_ok());
}

#[tokio::test]
async fn a_change_of_the_tools_reaches_the_index() {
    let source = Scripted::new("s", &["old"]);
    let executor = Executor::builder().source(source.clone()).build().unwrap();
    executor.load().await;
    let mut changes = executor.index().subscribe();
    source.offer(Some(&["new"]));
    for _ in 0..2 {
        tokio::time::timeout(Duration::from_secs(10), changes.recv())
            .await
            .unwrap()
            .unwrap();
    }
    assert!(executor.run("s:new", json!({})).await.is_ok());
    let error = executor.run("s:old", json!({})).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    // A refresh that fails leaves what was there.
    source.offer(None);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(executor.describe("s:new", Detail::Summary).await.is_ok());
}

#[tokio::test]
async fn a_chain_with_a_source_that_fails_runs_the_rest() {
    let (good, bad) = (Scripted::new("good", &["a"]), Scripted::new("bad", &["b"]));
    bad.offer(None);
    let executor = Executor::builder()
        .source(good)
        .source(bad)
        .build()
        .unwrap();
    let steps = [
        Step::call("bad:b", json!({})),
        Step::call("good:a", json!({})),
    ];
    let outcome = executor
        .chain(Chain::new(steps).on_error(OnError::Continue))
        .await
        .unwrap();
    let statuses: Vec<StepStatus> = outcome.steps.iter().map(|step| step.status).collect();
    assert_eq!(statuses, [StepStatus::Failed, StepStatus::Ok]);
    // The step says that the server is down, not that there is no such tool.
    assert_eq!(
        outcome.steps[0].error.as_ref().unwrap().code,
        "backend_unavailable"
    );
}

#[tokio::test]
async fn a_bare_name_looks_in_every_source() {
    let source = Scripted::new("s", &["only_here"]);
    let executor = Executor::builder().source(source).build().unwrap();
    assert!(
        executor
            .call(Request::new("only_here", json!({})))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn shutdown_reaches_every_source_and_two_of_one_name_are_refused() {
    let source = Scripted::new("s", &["a"]);
    let executor = Executor::builder().source(source.clone()).build().unwrap();
    executor.load().await;
    let notices: Vec<String> = executor.sources().remove(0).notices;
    assert_eq!(notices, ["one tool was left out"]);
    executor.shutdown().await;
    assert_eq!(
        source.shut_down.load(std::sync::atomic::Ordering::SeqCst),
        1
    );
    let twice = Executor::builder()
        .source(source.clone())
        .source(source)
        .build();
    assert_eq!(twice.unwrap_err().kind(), ErrorKind::Config);
}
