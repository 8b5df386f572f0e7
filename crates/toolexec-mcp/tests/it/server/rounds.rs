//! Calls over HTTP that outlive a request: more input, tasks, clients that hang up.

use std::time::Duration;

use serde_json::{Value, json};

use super::connect;
use super::http::{Listening, listen};
use super::passing::{behind, behind_patient, cancelled};

#[tokio::test]
async fn a_client_that_hangs_up_cancels_its_call() {
    let (server, _) = behind(&[]).await;
    let listening = listen(&server, |options| {
        options.resume_timeout = Duration::from_millis(50);
    })
    .await;
    let client = connect(&server, ()).await;
    let slow = json!({"name": "fake__slow", "arguments": {"steps": 10_000, "ms": 5}});
    let call = listening.modern("tools/call", slow.clone(), json!({}));
    let _ = tokio::time::timeout(Duration::from_millis(300), call).await;
    cancelled(&client, "1").await;
    // In a session the client may come back for the answer; it did not.
    let session = listening.session().await;
    let body = json!({"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": slow});
    let headers = [("mcp-session-id", &*session)];
    let call = listening.post(&headers, body.to_string());
    let _ = tokio::time::timeout(Duration::from_millis(300), call).await;
    cancelled(&client, "2").await;
}

#[tokio::test]
async fn a_call_that_needs_input_waits_for_the_next_round() {
    for options in [&[][..], &["--modern"]] {
        let (server, _) = behind(options).await;
        let listening = listen(&server, |_| {}).await;
        let can = || json!({"elicitation": {}});
        let ask = || json!({"name": "fake__ask", "arguments": {}});
        let asked = listening.modern("tools/call", ask(), can()).await.message();
        let result = &asked["result"];
        assert_eq!(result["resultType"], "input_required", "{asked}");
        let requests = result["inputRequests"].as_object().unwrap();
        let (key, request) = requests.iter().next().unwrap();
        assert_eq!(request["params"]["message"], "Who are you?");
        let round = |state: &Value, answers: Value| {
            let mut params = ask();
            params["requestState"] = state.clone();
            params["inputResponses"] = answers;
            params
        };
        let state = &result["requestState"];
        // Not what was asked for: it is asked again.
        let wrong = round(state, json!({ "other": {}, key: 7 }));
        let again = listening.modern("tools/call", wrong, can()).await.message();
        assert_eq!(again["result"]["resultType"], "input_required", "{again}");
        let state = again["result"]["requestState"].clone();
        let good = json!({ key: {"action": "accept", "content": {"name": "Ada"}} });
        // Neither somebody else's state nor other arguments.
        for (state, args) in [
            (json!("made-up"), json!({})),
            (state.clone(), json!({"other": 1})),
        ] {
            let mut params = round(&state, good.clone());
            params["arguments"] = args;
            let refused = listening.modern("tools/call", params, can()).await;
            assert_eq!(refused.code(), json!(-32602), "{refused:?}");
        }
        let done = listening
            .modern("tools/call", round(&state, good.clone()), can())
            .await;
        let text = done.message()["result"]["content"][0]["text"].clone();
        assert!(text.as_str().unwrap().contains("Ada"), "{done:?}");
        // A state is good once.
        let replayed = listening
            .modern("tools/call", round(&state, good), can())
            .await;
        assert_eq!(replayed.code(), json!(-32602));
    }
}

#[tokio::test]
async fn a_long_call_becomes_a_task_where_the_client_offers_it() {
    let (server, _) = behind_patient(&[], Duration::from_millis(50)).await;
    let listening = listen(&server, |_| {}).await;
    let can = || {
        json!({
            "elicitation": {},
            "extensions": {"io.modelcontextprotocol/tasks": {}},
        })
    };
    let quick = json!({"name": "fake__add", "arguments": {"a": 1, "b": 2}});
    let quick = listening.modern("tools/call", quick, can()).await.message();
    assert_eq!(
        quick["result"]["structuredContent"],
        json!({"sum": 3}),
        "{quick}"
    );

    let slow = |steps: u32| json!({"name": "fake__slow", "arguments": {"steps": steps, "ms": 20}});
    let task = listening
        .modern("tools/call", slow(10), can())
        .await
        .message();
    assert_eq!(task["result"]["resultType"], "task", "{task}");
    let id = json!({"taskId": task["result"]["taskId"]});
    let ended = settled(&listening, &id, &can()).await;
    assert_eq!(ended["status"], "completed", "{ended}");
    assert_eq!(ended["result"]["content"][0]["text"], "10 steps");

    let task = listening
        .modern("tools/call", slow(10_000), can())
        .await
        .message();
    let id = json!({"taskId": task["result"]["taskId"]});
    listening.modern("tasks/cancel", id.clone(), can()).await;
    let ended = settled(&listening, &id, &can()).await;
    assert_eq!(ended["status"], "cancelled", "{ended}");
    cancelled(&connect(&server, ()).await, "1").await;
    let unknown = listening
        .modern("tasks/get", json!({"taskId": "made-up"}), can())
        .await;
    assert_eq!(unknown.code(), json!(-32602));
}

/// Asks for a task until it has ended.
async fn settled(listening: &Listening, id: &Value, capabilities: &Value) -> Value {
    for _ in 0..500 {
        let asked = listening
            .modern("tasks/get", id.clone(), capabilities.clone())
            .await;
        let task = asked.message()["result"].clone();
        if task["status"] != "working" {
            return task;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the task does not end");
}
