//! What the seeds show, through the facade.

use serde_json::{Value, json};
use toolexec::{
    Args, BackendKind, Detail, ErrorKind, Executor, Local, LocalTool, Step, StepStatus,
};

fn number(args: &Args, name: &str) -> f64 {
    args[name].as_f64().unwrap_or(f64::NAN)
}

fn calculator() -> Local {
    let add = LocalTool::new("add", async |args: Args| {
        Ok::<_, String>(number(&args, "a") + number(&args, "b"))
    });
    Local::new("calculator").tool(add.description("Adds two numbers").input_schema(json!({
        "type": "object",
        "properties": {"a": {"type": "number"}, "b": {"type": "number"}},
        "required": ["a", "b"]
    })))
}

#[tokio::test]
async fn the_quick_start_prints_8() {
    let executor = Executor::builder().local(calculator()).build().unwrap();
    let result = executor
        .run("calculator:add", json!({"a": 5, "b": 3}))
        .await
        .unwrap();
    assert_eq!(result.value.to_string(), "8");
    assert!(!result.duration.is_zero());
    let hits = executor.search("calculator", 10).await.unwrap();
    assert_eq!(hits[0].tool.id.to_string(), "calculator:add");
    let doc = executor
        .describe("calculator:add", Detail::Full)
        .await
        .unwrap();
    assert_eq!(doc.description.as_deref(), Some("Adds two numbers"));
}

#[tokio::test]
async fn a_handler_keyed_by_its_tool_id_works() {
    let executor = Executor::builder()
        .handler("math:add", async |args: Args| {
            Ok::<_, String>(number(&args, "a") + number(&args, "b"))
        })
        .build()
        .unwrap();
    let result = executor
        .run("math:add", json!({"a": 5, "b": 3}))
        .await
        .unwrap();
    assert_eq!(result.value, json!(8));
    assert_eq!(executor.search("add", 10).await.unwrap().len(), 1);
    assert!(executor.describe("math:add", Detail::Schema).await.is_ok());
}

#[tokio::test]
async fn a_handler_for_a_known_tool_keeps_its_definition() {
    let executor = Executor::builder()
        .local(calculator())
        .handler("calculator:add", async |_: Args| {
            Ok::<_, String>("replaced")
        })
        .build()
        .unwrap();
    let error = executor.run("calculator:add", json!({})).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let result = executor
        .run("calculator:add", json!({"a": 1, "b": 2}))
        .await
        .unwrap();
    assert_eq!(result.value, "replaced");
}

#[tokio::test]
async fn a_handler_with_a_malformed_id_is_refused() {
    let builder = Executor::builder().handler("a:b:c:d", async |_: Args| Ok::<_, String>(1));
    assert_eq!(builder.build().unwrap_err().kind(), ErrorKind::InvalidId);
}

#[tokio::test]
async fn tools_registered_later_are_found_described_and_run_at_once() {
    let executor = Executor::builder().build().unwrap();
    assert_eq!(
        executor
            .run("calculator:add", json!({}))
            .await
            .unwrap_err()
            .kind(),
        ErrorKind::NotFound
    );
    executor.register(&calculator()).unwrap();
    assert_eq!(
        executor
            .run("calculator:add", json!({"a": 1, "b": 2}))
            .await
            .unwrap()
            .value,
        json!(3)
    );
    assert_eq!(executor.namespaces().await[0].name, "calculator");
}

#[tokio::test]
async fn both_chains_of_the_seeds_run() {
    let github = Local::new("github")
        .tool(LocalTool::new("create_issue", async |args: Args| {
            Ok::<_, String>(json!({"number": 7, "title": args["title"]}))
        }))
        .tool(LocalTool::new("add_labels", async |args: Args| {
            Ok::<_, String>(args)
        }));
    let executor = Executor::builder().local(github).build().unwrap();
    let create = || Step::call("github:create_issue", json!({"title": "Bug report"}));

    let outcome = executor
        .chain([
            create(),
            Step::call("github:add_labels", json!({"labels": ["bug"]})).use_previous(),
        ])
        .await
        .unwrap();
    let issue = json!({"number": 7, "title": "Bug report"});
    assert_eq!(
        *outcome.value,
        json!({"labels": ["bug"], "previous": issue})
    );

    let outcome = executor
        .chain([
            create(),
            Step::call(
                "github:add_labels",
                json!({"issue": "{{prev.number}}", "labels": ["bug"]}),
            ),
        ])
        .await
        .unwrap();
    let ran: Vec<(&str, StepStatus, Value)> = outcome
        .steps
        .iter()
        .map(|step| {
            (
                step.tool.as_deref().unwrap(),
                step.status,
                (*step.value).clone(),
            )
        })
        .collect();
    assert_eq!(
        ran,
        [
            ("github:create_issue", StepStatus::Ok, issue),
            (
                "github:add_labels",
                StepStatus::Ok,
                json!({"issue": 7, "labels": ["bug"]})
            ),
        ]
    );
    assert!(outcome.steps.iter().all(|step| {
        step.backend
            .as_ref()
            .is_some_and(|backend| backend.kind == BackendKind::Local)
    }));
}
