//! Programs over MCP.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::BoxFuture;
use rmcp::model::CallToolRequestParams;
use toolexec_core::code::CodeExecutor;
use toolexec_core::index::Index;
use toolexec_core::sandbox::{
    Description, Enforcement, Isolation, Language, Profile, Sandbox, Sandboxes, Session,
    SessionSpec,
};
use toolexec_core::{DocStore, Error, ErrorKind, Result, Runner};
use toolexec_mcp::Server;

use super::connect;

/// A sandbox without isolation that must never be started.
#[derive(Default)]
struct NoWalls(AtomicBool);

impl Sandbox for NoWalls {
    fn name(&self) -> &'static str {
        "host"
    }

    fn describe(&self) -> Description {
        Description {
            isolation: Isolation::None,
            languages: vec![Language::JavaScript, Language::Python],
            summary: "no isolation",
            enforcement: Enforcement::default(),
        }
    }

    fn probe(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async { Ok(()) })
    }

    fn start(&self, _: SessionSpec) -> BoxFuture<'_, Result<Session>> {
        self.0.store(true, Ordering::SeqCst);
        Box::pin(async { Err(Error::new(ErrorKind::Internal, "started")) })
    }
}

/// However the program is set up, no client gets a program without isolation.
#[tokio::test]
async fn dev_is_out_of_reach() {
    let sandbox = Arc::new(NoWalls::default());
    let sandboxes = Sandboxes::new()
        .with(sandbox.clone())
        .candidates(Profile::Standard, ["host"])
        .allow_unsafe(true);
    let (runner, docs) = (Runner::new(Index::new()), Arc::new(DocStore::default()));
    let code = CodeExecutor::builder(runner.clone(), docs.clone(), sandboxes)
        .profile(Profile::Dev)
        .build();
    let server = Server::builder(runner, docs)
        .code(code)
        .profile(Profile::Dev)
        .build();
    let client = connect(&server, ()).await;
    let names: Vec<String> = client
        .list_all_tools()
        .await
        .unwrap()
        .into_iter()
        .map(|tool| tool.name.into_owned())
        .collect();
    assert_eq!(
        names,
        [
            "search_tools",
            "describe_tool",
            "list_namespaces",
            "list_tools",
            "list_tool_examples",
            "run_tool",
            "run_chain",
        ]
    );
    let args = serde_json::json!({"language": "javascript", "code": "1", "profile": "dev"});
    let params = CallToolRequestParams::new("execute_code")
        .with_arguments(args.as_object().unwrap().clone());
    client.call_tool(params).await.unwrap_err();
    assert!(!sandbox.0.load(Ordering::SeqCst));
}
