//! Tools of both kinds through the run path: found, checked, run, normalized, checked.

use std::sync::Arc;

use futures_util::StreamExt;
use serde_json::json;
use toolexec_core::index::Index;
use toolexec_core::run::Request;
use toolexec_core::{ErrorKind, Event, Runner, Source};
use toolexec_providers::{ApiConfig, CommandTool, Commands, OpenApi};

use crate::server::{Server, answer, json as json_answer};

async fn runner<S: Source>(source: &Arc<S>) -> Runner {
    let index = Index::new();
    index.register_all(source.clone().list().await.unwrap().tools);
    Runner::new(index)
}

async fn api(server: &Server) -> Runner {
    let pet =
        json!({"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}});
    let document = json!({"openapi": "3.1.0", "paths": {"/{what}": {"get": {
        "operationId": "get",
        "parameters": [{"name": "what", "in": "path", "required": true, "schema": {"type": "string"}}],
        "responses": {"200": {"content": {"application/json": {"schema": pet}}}},
    }}}});
    let config = ApiConfig {
        base_url: Some(server.url()),
        allow_private: true,
        ..ApiConfig::default()
    };
    runner(&OpenApi::load("pets", &config, document).unwrap()).await
}

#[tokio::test]
async fn an_api_is_checked_on_both_sides() {
    let server = Server::start(|request| match request.path() {
        "/good" => answer(
            "200 OK",
            &[
                ("Content-Type", "application/json"),
                ("Link", "</2>; rel=next"),
            ],
            "{\"name\": \"Rex\"}",
        ),
        "/bad" => json_answer(&json!({"name": 5})),
        _ => answer(
            "404 Not Found",
            &[("Content-Type", "application/json")],
            "{\"message\": \"no pet\"}",
        ),
    })
    .await;
    let runner = api(&server).await;
    let run = async |what: serde_json::Value| {
        runner
            .run(Request::new("pets:get", json!({"what": what})))
            .await
    };

    let good = run(json!("good")).await.unwrap();
    assert_eq!((good.value, good.is_error), (json!({"name": "Rex"}), false));
    assert_eq!(
        json!(good.meta),
        json!({"http": {"status": 200, "headers": {"link": "</2>; rel=next"}}})
    );

    let missing = run(json!("none")).await.unwrap();
    assert!(missing.is_error);
    assert_eq!(missing.failure_message(), "404 Not Found: no pet");
    assert_eq!(
        missing.value,
        json!({"status": 404, "retryable": false, "body": {"message": "no pet"}})
    );

    assert_eq!(
        run(json!("bad")).await.unwrap_err().kind(),
        ErrorKind::InvalidOutput
    );
    let before = server.requests().len();
    assert_eq!(
        run(json!(7)).await.unwrap_err().kind(),
        ErrorKind::InvalidInput
    );
    let unknown = Request::new("pets:get", json!({"what": "good", "wat": 1}));
    assert_eq!(
        runner.run(unknown).await.unwrap_err().kind(),
        ErrorKind::InvalidInput
    );
    assert_eq!(server.requests().len(), before);
}

#[tokio::test]
async fn a_program_is_streamed_and_timed_out() {
    let commands = [CommandTool::new("count", "sh").with_args([
        "-c",
        "echo 1; echo 2; sleep \"$1\"",
        "count",
        "{{seconds}}",
    ])];
    let runner = runner(&Commands::new("programs", "commands", commands).unwrap()).await;
    let mut stream = runner.stream(Request::new("commands:count", json!({"seconds": 0})));
    let (mut chunks, mut last) = (Vec::new(), None);
    while let Some(event) = stream.next().await {
        match event {
            Event::Chunk { data } => chunks.push(data),
            other => last = Some(other),
        }
    }
    assert_eq!(chunks, ["1", "2"]);
    let Some(Event::Done { result }) = last else {
        panic!("{last:?}");
    };
    assert_eq!(result.value, "1\n2");

    let cx = toolexec_core::CallContext::new().with_timeout(std::time::Duration::from_millis(300));
    let slow = Request::new("commands:count", json!({"seconds": 60})).with_context(cx);
    assert_eq!(
        runner.run(slow).await.unwrap_err().kind(),
        ErrorKind::Timeout
    );
}
