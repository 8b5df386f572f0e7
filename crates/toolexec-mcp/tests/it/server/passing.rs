//! What passes through: progress, logs, cancellation, questions, content, changes.
#![expect(
    deprecated,
    reason = "logging is deprecated in 2026-07-28, and older clients use it"
)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rmcp::ClientHandler;
use rmcp::model::{
    CallToolRequest, CallToolRequestParams, ClientCapabilities, ClientConfig, ClientRequest,
    ElicitRequestParams, ElicitResult, ElicitationCapability, ErrorData, Implementation,
    LoggingMessageNotificationParam, ProgressNotificationParam,
};
use rmcp::service::{
    NotificationContext, PeerRequestOptions, RequestContext, RoleClient, RunningService,
};
use serde_json::{Value, json};
use toolexec_core::backend::local::{Local, LocalTool};
use toolexec_core::index::Index;
use toolexec_core::{DocStore, Runner, Source};
use toolexec_mcp::interaction::Relay;
use toolexec_mcp::server::Mode;
use toolexec_mcp::{McpServer, Server};

use super::{call, connect};
use crate::fake;

/// The fake server with these options, behind a server that shows its tools.
pub(super) async fn behind(options: &[&str]) -> (Server, Index) {
    behind_patient(options, Duration::from_secs(10)).await
}

/// The same, where clients that know tasks wait so long for an answer.
pub(super) async fn behind_patient(options: &[&str], patience: Duration) -> (Server, Index) {
    let mut config = fake(options);
    config.interaction = Some(Arc::new(Relay));
    let upstream = McpServer::new("fake", "fake", config);
    let index = Index::new();
    let listing = Source::list(upstream.clone()).await.unwrap();
    index.register_all(listing.tools);
    let server = Server::builder(Runner::new(index.clone()), Arc::new(DocStore::default()))
        .mode(Mode::Direct)
        .task_after(patience)
        .upstream(upstream)
        .build();
    (server, index)
}

/// A client that notes what it is told, and is called Ada when somebody asks.
#[derive(Debug, Clone, Default)]
struct Ada(Arc<Mutex<Vec<Value>>>);

impl Ada {
    fn note(&self, note: Value) {
        self.0.lock().unwrap().push(note);
    }

    /// Waits until it was told so many things.
    async fn told(&self, count: usize) -> Vec<Value> {
        for _ in 0..500 {
            let told = self.0.lock().unwrap().clone();
            if told.len() >= count {
                return told;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.0.lock().unwrap().clone()
    }
}

impl ClientHandler for Ada {
    fn get_info(&self) -> ClientConfig {
        let mut capabilities = ClientCapabilities::default();
        capabilities.elicitation = Some(ElicitationCapability::default());
        ClientConfig::new(capabilities, Implementation::new("ada", "1"))
    }

    async fn on_progress(
        &self,
        params: ProgressNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        self.note(json!([params.progress, params.total, params.message]));
    }

    async fn on_logging_message(
        &self,
        params: LoggingMessageNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        self.note(json!([params.level, params.logger, params.data]));
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.note(json!("tools"));
    }

    #[expect(
        clippy::unused_async_trait_impl,
        reason = "the trait has it as a future"
    )]
    async fn create_elicitation(
        &self,
        params: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        self.note(json!(params)["message"].clone());
        let answer = json!({"action": "accept", "content": {"name": "Ada"}});
        Ok(serde_json::from_value(answer).unwrap())
    }
}

fn text(result: &rmcp::model::CallToolResult) -> String {
    result.content[0].as_text().unwrap().text.clone()
}

#[tokio::test]
async fn progress_and_logs_reach_the_client_that_called() {
    let (server, _) = behind(&[]).await;
    let ada = Ada::default();
    let client = connect(&server, ada.clone()).await;
    let result = call(&client, "fake__slow", json!({"steps": 3, "ms": 1})).await;
    assert_eq!(text(&result), "3 steps");
    let mut told = ada.told(3).await;
    // The client's library hands each to a task of its own.
    told.sort_by_key(|note| note[0].as_f64().map(f64::to_bits));
    let step = |number: u32| json!([f64::from(number), 3.0, format!("step {number}")]);
    assert_eq!(told, [step(1), step(2), step(3)]);

    let ada = Ada::default();
    let client = connect(&server, ada.clone()).await;
    call(&client, "fake__log", json!({"count": 2})).await;
    let mut told = ada.told(2).await;
    told.sort_by_key(|note| note[2].as_u64());
    assert_eq!(
        told,
        [json!(["warning", "fake", 0]), json!(["warning", "fake", 1])]
    );
}

/// Waits until the server behind was told so many times to stop.
pub(super) async fn cancelled<H: ClientHandler>(
    client: &RunningService<RoleClient, H>,
    count: &str,
) {
    for _ in 0..500 {
        if text(&call(client, "fake__cancelled", json!({})).await) == count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the server behind was not told to stop");
}

#[tokio::test]
async fn a_cancelled_call_is_cancelled_behind() {
    let (server, _) = behind(&[]).await;
    let client = connect(&server, ()).await;
    let Value::Object(args) = json!({"steps": 10_000, "ms": 5}) else {
        panic!("an object");
    };
    let params = CallToolRequestParams::new("fake__slow").with_arguments(args);
    let request = ClientRequest::CallToolRequest(CallToolRequest::new(params));
    let handle = client
        .peer()
        .send_cancellable_request(request, PeerRequestOptions::no_options())
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    handle.cancel(Some("enough".to_owned())).await.unwrap();
    cancelled(&client, "1").await;
}

#[tokio::test]
async fn a_client_that_leaves_cancels_its_calls() {
    let (server, _) = behind(&[]).await;
    let leaving = connect(&server, ()).await;
    let staying = connect(&server, ()).await;
    let call_and_leave = async {
        let args = json!({"steps": 10_000, "ms": 5});
        call(&leaving, "fake__slow", args).await;
    };
    let _ = tokio::time::timeout(Duration::from_millis(200), call_and_leave).await;
    leaving.cancel().await.unwrap();
    cancelled(&staying, "1").await;
}

#[tokio::test]
async fn questions_go_to_the_client_that_called() {
    for (options, answer) in [
        (
            &[][..],
            json!({"action": "accept", "content": {"name": "Ada"}}),
        ),
        (
            &["--modern"],
            json!({
                "answers": {"who": {"action": "accept", "content": {"name": "Ada"}}},
                "state": "opaque-1",
            }),
        ),
    ] {
        let (server, _) = behind(options).await;
        let ada = Ada::default();
        let client = connect(&server, ada.clone()).await;
        let result = call(&client, "fake__ask", json!({})).await;
        let value: Value = serde_json::from_str(&text(&result)).unwrap();
        assert_eq!(value, answer, "{options:?}");
        assert_eq!(ada.told(1).await, ["Who are you?"]);
        // One that can answer nothing is not asked, and the tool learns it.
        let silent = connect(&server, ()).await;
        let result = call(&silent, "fake__ask", json!({})).await;
        assert!(
            text(&result).contains("elicitation/create is not supported here"),
            "{options:?} {result:?}"
        );
        assert_eq!(ada.told(1).await.len(), 1);
    }
}

#[tokio::test]
async fn every_kind_of_content_comes_through() {
    let (server, _) = behind(&[]).await;
    let client = connect(&server, ()).await;
    let result = json!(call(&client, "fake__kinds", json!({})).await);
    let kinds: Vec<&Value> = result["content"]
        .as_array()
        .unwrap()
        .iter()
        .map(|block| &block["type"])
        .collect();
    assert_eq!(
        kinds,
        ["text", "image", "audio", "resource_link", "resource"]
    );
    assert_eq!(
        result["content"][0]["annotations"],
        json!({"audience": ["user"]})
    );
    assert_eq!(result["content"][3]["size"], 3);
    assert_eq!(result["content"][4]["resource"]["text"], "two");
    assert_eq!(result["structuredContent"], json!({"kinds": 5}));
    assert_eq!(result["_meta"], json!({"fake/key": "value"}));
}

/// The failure of a tool, of a call, and of a server that lies about its schema.
#[tokio::test]
async fn failures_are_answers_and_the_server_goes_on() {
    let (server, _) = behind(&[]).await;
    let client = connect(&server, ()).await;
    let failed = call(&client, "fake__fail", json!({})).await;
    assert_eq!(
        (failed.is_error, text(&failed)),
        (Some(true), "the cup is empty".to_owned())
    );
    let cases = [
        ("fake__lie", json!({}), "invalid_output"),
        ("fake__add", json!({"a": 1}), "invalid_input"),
        ("fake__die", json!({"code": 3}), "backend_failed"),
    ];
    for (name, args, code) in cases {
        let result = call(&client, name, args).await;
        assert_eq!(result.is_error, Some(true), "{name}");
        let error: Value = serde_json::from_str(&text(&result)).unwrap();
        assert_eq!(error["error"]["code"], code, "{name}");
    }
    let result = call(&client, "fake__add", json!({"a": 1, "b": 2})).await;
    assert_eq!(result.structured_content, Some(json!({"sum": 3})));
}

#[tokio::test]
async fn several_changes_of_the_list_are_told_once() {
    let (server, index) = behind(&[]).await;
    let ada = Ada::default();
    let client = connect(&server, ada.clone()).await;
    let before = client.list_all_tools().await.unwrap();
    let again = client.list_all_tools().await.unwrap();
    assert_eq!(json!(before).to_string(), json!(again).to_string());
    // Until the session listens.
    tokio::time::sleep(Duration::from_millis(100)).await;
    for name in ["one", "two", "three"] {
        let tool = LocalTool::new(name, async |_| Ok::<_, String>(1));
        index.register_all(Local::new("late").tool(tool).registrations().unwrap());
    }
    assert_eq!(ada.told(1).await, ["tools"]);
    let after = client.list_all_tools().await.unwrap();
    assert_eq!(after.len(), before.len() + 3);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(ada.told(1).await, ["tools"]);
}

#[tokio::test]
async fn an_unknown_tool_is_an_error_of_the_protocol() {
    let (server, _) = behind(&[]).await;
    let client = connect(&server, ()).await;
    for name in ["fake__ad", "nobody__nothing", "run_tool", "", "a b"] {
        let params = CallToolRequestParams::new(name.to_owned());
        let error = client.call_tool(params).await.unwrap_err();
        let rmcp::ServiceError::McpError(data) = error else {
            panic!("an error of the protocol, not {error}");
        };
        assert_eq!(data.code.0, -32602, "{name}");
    }
}
