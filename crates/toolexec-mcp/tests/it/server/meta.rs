//! The tools that find, describe and run the others.

use serde_json::{Value, json};
use toolexec_core::schema::Schema;

use super::{builder, call, connect, tools};

/// Every answer of every tool, those of failures too, fits the schema that the tool declares.
#[tokio::test]
async fn every_answer_fits_its_schema() {
    let server = builder(&tools()).build();
    let client = connect(&server, ()).await;
    let listed = client.list_all_tools().await.unwrap();
    let calls = [
        ("search_tools", json!({"query": "add numbers", "limit": 1})),
        ("search_tools", json!({"query": ""})),
        (
            "search_tools",
            json!({"query": "add", "cursor": "nonsense"}),
        ),
        ("search_tools", json!({"limit": 3})),
        ("describe_tool", json!({"tool": "math:add"})),
        (
            "describe_tool",
            json!({"tool": "math:add", "detail": "full"}),
        ),
        ("describe_tool", json!({"tool": "math:ad"})),
        ("list_namespaces", json!({})),
        ("list_namespaces", json!({"a": 1})),
        ("list_tools", json!({"namespace": "math", "limit": 2})),
        ("list_tools", json!({"limit": 0})),
        ("list_tool_examples", json!({"tool": "math:add"})),
        ("list_tool_examples", json!({"tool": "nowhere:nothing"})),
        (
            "run_tool",
            json!({"tool": "math:add", "args": {"a": 5, "b": 3}}),
        ),
        ("run_tool", json!({"tool": "math:nothing"})),
        ("run_tool", json!({"tool": "math:fail"})),
        ("run_tool", json!({"tool": "math:add", "args": {"a": "x"}})),
        ("run_tool", json!({"tool": "math:ad"})),
        (
            "run_chain",
            json!({"steps": [
                {"tool": "math:add", "args": {"a": 1, "b": 2}},
                {"tool": "math:add", "args": {"a": "{{prev}}", "b": 4}},
            ]}),
        ),
        ("run_chain", json!({"steps": [{"tool": "math:nothing"}]})),
        ("run_chain", json!({"steps": [{"tool": "math:fail"}]})),
        ("run_chain", json!({"steps": []})),
        (
            "run_chain",
            json!({"steps": [{"tool": "math:add", "arguments": {}}]}),
        ),
    ];
    let mut shown = Vec::new();
    for (name, args) in calls {
        let result = call(&client, name, args.clone()).await;
        let tool = listed.iter().find(|tool| tool.name == name).unwrap();
        let schema = Value::Object((**tool.output_schema.as_ref().unwrap()).clone());
        let schema = Schema::compile(schema.into()).unwrap();
        let structured = result.structured_content.unwrap();
        assert_eq!(schema.validate(&structured), Ok(()), "{name} {args}");
        let error = structured.pointer("/error/code").cloned();
        shown.push((name, result.is_error.unwrap_or_default(), error));
        if name == "run_tool" && args == json!({"tool": "math:nothing"}) {
            assert_eq!(structured, json!({"value": null}));
        }
    }
    let failed = |code: &str| (true, Some(json!(code)));
    let fine = || (false, None);
    let expected = [
        fine(),
        fine(),
        failed("invalid_input"),
        failed("invalid_input"),
        fine(),
        fine(),
        failed("not_found"),
        fine(),
        failed("invalid_input"),
        fine(),
        failed("invalid_input"),
        fine(),
        failed("not_found"),
        fine(),
        fine(),
        failed("tool_failed"),
        failed("invalid_input"),
        failed("not_found"),
        fine(),
        fine(),
        failed("backend_failed"),
        fine(),
        failed("invalid_input"),
    ];
    let shown: Vec<_> = shown
        .into_iter()
        .map(|(_, is_error, code)| (is_error, code))
        .collect();
    assert_eq!(shown, expected);
}
