//! The path of one call.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use toolexec_core::backend::local::{Local, LocalTool};
use toolexec_core::backend::{RawContent, ToolFailure};
use toolexec_core::context::Caller;
use toolexec_core::index::Index;
use toolexec_core::run::{BackendChoice, Check, Decision, Policy, PolicyRequest, ValueLimits};
use toolexec_core::{
    Args, BackendKind, BackendRef, CallContext, Content, ErrorKind, Request, RunResult,
    RunSettings, Runner, Stage, Tool,
};

use crate::fixture::{Answer, Scripted, index, runner};

async fn run(runner: &Runner, tool: &str, args: Value) -> Result<RunResult, toolexec_core::Error> {
    runner.run(Request::new(tool, args)).await
}

fn tool(id: &str) -> Tool {
    Tool::builder(id).build().unwrap()
}

#[tokio::test]
async fn five_and_three_are_eight_and_print_as_8() {
    let result = run(&runner(), "math:add", json!({"a": 5, "b": 3}))
        .await
        .unwrap();
    assert_eq!(result.value.to_string(), "8");
    assert_eq!(result.tool.to_string(), "math:add");
    assert_eq!(result.backend, BackendRef::new(BackendKind::Local, "math"));
    assert!(!result.is_error);
    assert!(result.duration > Duration::ZERO);
}

#[tokio::test]
async fn every_violation_is_reported_with_its_place_and_without_the_value() {
    let args = json!({"a": "hunter2", "c": 1});
    let error = run(&runner(), "math:add", args).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.stage()),
        (ErrorKind::InvalidInput, Some(Stage::ValidateInput))
    );
    let mut found: Vec<String> = error.violations().iter().map(ToString::to_string).collect();
    found.sort();
    assert_eq!(
        found,
        [
            "/a: expected type number, found a string of 7 characters",
            "/b: expected a value (it is required), found nothing",
            "/c: expected only properties the schema names, found an unknown property",
        ]
    );
    assert!(!format!("{error:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_misspelt_argument_gets_its_nearest_name() {
    let index = Index::new();
    let schema = json!({
        "type": "object",
        "properties": {"repository": {"type": "string"}},
        "additionalProperties": false
    });
    let echo = LocalTool::new("get", async |args: Args| Ok::<_, String>(args)).input_schema(schema);
    index.register_all(Local::new("git").tool(echo).registrations().unwrap());
    let error = run(&Runner::new(index), "git:get", json!({"repositry": "x"}))
        .await
        .unwrap_err();
    assert_eq!(
        error.hints(),
        ["did you mean \"repository\" instead of \"repositry\"?"]
    );
}

#[tokio::test]
async fn an_unknown_tool_names_the_nearest_and_a_malformed_id_its_fault() {
    let runner = runner();
    let error = run(&runner, "math:ad", json!({})).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.stage()),
        (ErrorKind::NotFound, Some(Stage::Resolve))
    );
    assert_eq!(error.hints(), ["did you mean math:add?"]);
    let error = run(&runner, "math:", json!({})).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.stage()),
        (ErrorKind::InvalidId, Some(Stage::ParseId))
    );
    assert_eq!(error.to_string(), "tool id \"math:\" has an empty name");
    // And it goes on serving.
    assert_eq!(
        run(&runner, "math:add", json!({"a": 1, "b": 1}))
            .await
            .unwrap()
            .value,
        json!(2)
    );
}

#[tokio::test]
async fn arguments_are_an_object_or_nothing() {
    let runner = runner();
    assert_eq!(
        run(&runner, "test:echo", Value::Null).await.unwrap().value,
        json!({})
    );
    let error = run(&runner, "test:echo", json!([1])).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "arguments are a JSON object, not an array"
    );
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn a_tools_own_failure_is_a_result_and_turns_into_an_error_on_request() {
    let result = run(&runner(), "math:div", json!({"a": 1, "b": 0}))
        .await
        .unwrap();
    assert!(result.is_error);
    assert_eq!(result.value, json!({"message": "division by zero"}));
    assert_eq!(result.content, [Content::text("division by zero")]);
    let error = result.into_value().unwrap_err();
    assert_eq!(error.to_string(), "division by zero");
    assert_eq!(error.tool(), Some("math:div"));
}

#[tokio::test]
async fn a_panic_ends_the_call_and_nothing_else() {
    let runner = runner();
    let error = run(&runner, "test:panic", json!({})).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.stage()),
        (ErrorKind::Panicked, Some(Stage::Dispatch))
    );
    assert_eq!(error.guest_message(), "the tool's handler panicked");
    assert_eq!(error.report().causes, ["secret inside"]);
    assert_eq!(
        run(&runner, "math:add", json!({"a": 1, "b": 2}))
            .await
            .unwrap()
            .value,
        json!(3)
    );
}

#[tokio::test]
async fn a_blocking_function_runs_on_its_own_thread_and_its_panic_is_caught() {
    let index = Index::new();
    let here = std::thread::current().id();
    let tools = Local::new("t")
        .tool(LocalTool::blocking("elsewhere", move |_, _| {
            Ok::<_, String>(std::thread::current().id() != here)
        }))
        .tool(LocalTool::blocking("panic", |_, _| -> Result<(), String> {
            panic!("inside")
        }));
    index.register_all(tools.registrations().unwrap());
    let runner = Runner::new(index);
    assert_eq!(
        run(&runner, "t:elsewhere", json!({})).await.unwrap().value,
        json!(true)
    );
    let error = run(&runner, "t:panic", json!({})).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Panicked);
    assert_eq!(error.report().causes, ["inside"]);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_a_cancellation_and_a_failure_are_told_apart() {
    let runner = runner();
    let timeout = CallContext::new().with_timeout(Duration::from_millis(50));
    let request = || Request::new("test:slow", json!({}));
    let error = runner
        .run(request().with_context(timeout))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);

    let token = CancellationToken::new();
    let cx = CallContext::new().with_cancel(token.clone());
    let call = runner.run(request().with_context(cx.clone()));
    let cancel = async { token.cancel() };
    let (error, ()) = tokio::join!(call, cancel);
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Cancelled);
    // A call that is cancelled before it begins does not reach the backend.
    let error = runner.run(request().with_context(cx)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn the_configured_timeout_holds_where_the_caller_sets_none() {
    let mut settings = RunSettings::default();
    settings.timeout = Some(Duration::from_secs(1));
    let runner = Runner::with(index(), settings, Arc::new(toolexec_core::run::AllowAll));
    let started = tokio::time::Instant::now();
    let error = run(&runner, "test:slow", json!({})).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(started.elapsed(), Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_drops_the_work_of_the_handler() {
    struct OnDrop(Arc<AtomicBool>);
    impl Drop for OnDrop {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let dropped = Arc::new(AtomicBool::new(false));
    let flag = dropped.clone();
    let forever = LocalTool::new("forever", move |_: Args| {
        let guard = OnDrop(flag.clone());
        async move {
            std::future::pending::<()>().await;
            drop(guard);
            Ok::<_, String>(())
        }
    });
    let index = Index::new();
    index.register_all(Local::new("t").tool(forever).registrations().unwrap());
    let cx = CallContext::new().with_timeout(Duration::from_millis(5));
    let request = Request::new("t:forever", json!({})).with_context(cx);
    assert_eq!(
        Runner::new(index).run(request).await.unwrap_err().kind(),
        ErrorKind::Timeout
    );
    assert!(dropped.load(Ordering::SeqCst));
}

#[tokio::test]
async fn a_value_that_does_not_fit_is_an_error_a_warning_or_nothing() {
    let expect = "value: (the whole value): expected type number, found a string of 9 characters";
    for (check, outcome) in [
        (Check::Error, Err(ErrorKind::InvalidOutput)),
        (Check::Warn, Ok(vec![expect.to_owned()])),
        (Check::Off, Ok(vec![])),
    ] {
        let mut settings = RunSettings::default();
        settings.check_output = check;
        let runner = Runner::with(index(), settings, Arc::new(toolexec_core::run::AllowAll));
        let result = run(&runner, "test:wrong", json!({})).await;
        assert_eq!(result.map(|r| r.warnings).map_err(|e| e.kind()), outcome);
    }
}

#[tokio::test]
async fn arguments_and_values_are_capped() {
    let mut settings = RunSettings::default();
    settings.args_limits = ValueLimits {
        max_bytes: 100,
        max_depth: 3,
    };
    settings.value_limits = ValueLimits {
        max_bytes: 60,
        max_depth: 3,
    };
    let runner = Runner::with(index(), settings, Arc::new(toolexec_core::run::AllowAll));
    let error = run(&runner, "test:echo", json!({"x": "y".repeat(100)}))
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "the arguments are larger than 100 bytes");
    let error = run(&runner, "test:echo", json!({"x": [[[1]]]}))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the arguments are nested deeper than 3 levels"
    );
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let error = run(&runner, "test:echo", json!({"x": "y".repeat(60)}))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded);
    assert_eq!(
        error.to_string(),
        "the value of test:echo is larger than 60 bytes"
    );
}

#[tokio::test]
async fn a_broken_schema_disables_one_tool_and_says_so() {
    let index = index();
    let broken = [
        ("bad:type", json!({"type": "nonsense"})),
        (
            "bad:draft4",
            json!({"properties": {"n": {"exclusiveMinimum": true}}}),
        ),
        (
            "bad:remote",
            json!({"$ref": "https://example.com/schema.json"}),
        ),
        ("bad:text", json!("no schema")),
    ];
    let backend = Scripted::new(BackendKind::Mcp, "bad", Answer::Value(json!(1)));
    for (id, schema) in broken {
        backend.offer(
            &index,
            Tool::builder(id).input_schema(schema).build().unwrap(),
        );
    }
    backend.offer(&index, tool("bad:good"));
    let runner = Runner::new(index.clone());
    for id in ["bad:type", "bad:draft4", "bad:remote", "bad:text"] {
        let error = run(&runner, id, json!({})).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Disabled, "{id}");
    }
    assert_eq!(backend.called(), 0);
    assert_eq!(index.disabled().len(), 4);
    assert_eq!(
        run(&runner, "bad:good", json!({})).await.unwrap().value,
        json!(1)
    );
}

#[tokio::test]
async fn schemas_of_every_draft_are_understood() {
    let cases = [
        (
            json!({"$schema": "http://json-schema.org/draft-04/schema#", "properties": {"n": {"minimum": 0, "exclusiveMinimum": true}}}),
            json!({"n": 0}),
        ),
        (
            json!({"$schema": "http://json-schema.org/draft-06/schema#", "properties": {"n": {"const": 1}}}),
            json!({"n": 2}),
        ),
        (
            json!({"$schema": "http://json-schema.org/draft-07/schema#", "if": {"required": ["a"]}, "then": {"required": ["b"]}}),
            json!({"a": 1}),
        ),
        (
            json!({"$schema": "https://json-schema.org/draft/2019-09/schema", "dependentRequired": {"a": ["b"]}}),
            json!({"a": 1}),
        ),
        (
            json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "properties": {"n": {"prefixItems": [{"type": "string"}]}}}),
            json!({"n": [1]}),
        ),
        (
            json!({"$defs": {"tree": {"type": "object", "properties": {"next": {"$ref": "#/$defs/tree"}}}}, "$ref": "#/$defs/tree"}),
            json!({"next": {"next": 1}}),
        ),
    ];
    for (schema, bad) in cases {
        let index = Index::new();
        let backend = Scripted::new(BackendKind::Local, "t", Answer::Value(json!(1)));
        backend.offer(
            &index,
            Tool::builder("t:t")
                .input_schema(schema.clone())
                .build()
                .unwrap(),
        );
        let runner = Runner::new(index);
        assert!(run(&runner, "t:t", json!({})).await.is_ok(), "{schema}");
        let error = run(&runner, "t:t", bad).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{schema}");
    }
}

#[tokio::test]
async fn local_comes_before_provider_before_mcp_and_the_caller_may_choose() {
    let index = Index::new();
    let backends = [
        Scripted::new(BackendKind::Mcp, "m", Answer::Value(json!("mcp"))),
        Scripted::new(BackendKind::Provider, "p", Answer::Value(json!("provider"))),
        Scripted::new(BackendKind::Local, "l", Answer::Value(json!("local"))),
    ];
    for backend in &backends {
        backend.offer(&index, tool("t:t"));
    }
    let runner = Runner::new(index.clone());
    let on = |choice| Request::new("t:t", json!({})).on(choice);
    let value = async |choice| runner.run(on(choice)).await.unwrap().value;
    assert_eq!(value(BackendChoice::Any).await, "local");
    assert_eq!(value(BackendChoice::Kind(BackendKind::Mcp)).await, "mcp");
    assert_eq!(value(BackendChoice::Named("p".into())).await, "provider");
    let error = runner
        .run(on(BackendChoice::Named("x".into())))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoBackend);
    assert_eq!(
        error.hints(),
        ["it is offered by local/l, provider/p, mcp/m"]
    );

    let mut settings = RunSettings::default();
    settings.preference = vec![BackendKind::Mcp];
    let runner = Runner::with(index, settings, Arc::new(toolexec_core::run::AllowAll));
    assert_eq!(
        runner.run(on(BackendChoice::Any)).await.unwrap().value,
        "mcp"
    );
}

#[tokio::test]
async fn only_what_is_safe_to_repeat_fails_over() {
    let cases = [
        // Repeatable by its own word: another backend tries after any failure.
        (true, ErrorKind::Backend, Ok("second")),
        (true, ErrorKind::Protocol, Ok("second")),
        // Not repeatable: only when nothing was sent.
        (false, ErrorKind::Unavailable, Ok("second")),
        (false, ErrorKind::Backend, Err(ErrorKind::Backend)),
        (false, ErrorKind::Protocol, Err(ErrorKind::Protocol)),
        // The caller's own limits are not the backend's failure.
        (
            true,
            ErrorKind::LimitExceeded,
            Err(ErrorKind::LimitExceeded),
        ),
    ];
    for (repeatable, kind, outcome) in cases {
        let index = Index::new();
        let first = Scripted::new(BackendKind::Local, "first", Answer::Error(kind));
        let second = Scripted::new(BackendKind::Mcp, "second", Answer::Value(json!("second")));
        let mut tool = tool("t:t");
        tool.annotations.idempotent = Some(repeatable);
        first.offer(&index, tool.clone());
        second.offer(&index, tool);
        let result = run(&Runner::new(index), "t:t", json!({})).await;
        let case = format!("repeatable {repeatable}, {kind:?}");
        assert_eq!(first.called(), 1, "{case}");
        assert_eq!(second.called(), usize::from(outcome.is_ok()), "{case}");
        if let Ok(result) = &result {
            let warning = format!(
                "local/first failed ({}), mcp/second ran instead",
                kind.code()
            );
            assert_eq!(result.warnings, [warning]);
        }
        let outcome = outcome.map(|value| json!(value));
        assert_eq!(
            result.map(|r| r.value).map_err(|e| e.kind()),
            outcome,
            "{case}"
        );
    }
}

#[tokio::test]
async fn fail_over_skips_a_backend_whose_schema_refuses_the_arguments() {
    let index = Index::new();
    let first = Scripted::new(
        BackendKind::Local,
        "first",
        Answer::Error(ErrorKind::Unavailable),
    );
    let strict = Scripted::new(
        BackendKind::Provider,
        "strict",
        Answer::Value(json!("strict")),
    );
    let third = Scripted::new(BackendKind::Mcp, "third", Answer::Value(json!("third")));
    first.offer(&index, tool("t:t"));
    let schema = json!({"required": ["x"]});
    strict.offer(
        &index,
        Tool::builder("t:t").input_schema(schema).build().unwrap(),
    );
    third.offer(&index, tool("t:t"));
    assert_eq!(
        run(&Runner::new(index), "t:t", json!({}))
            .await
            .unwrap()
            .value,
        "third"
    );
    assert_eq!(strict.called(), 0);
}

struct OnlyAlice;

impl Policy for OnlyAlice {
    fn authorize(&self, request: &PolicyRequest<'_>) -> Decision {
        let name = request.caller.map_or("nobody", |caller| &caller.name);
        if name == "alice" && !request.args.contains_key("force") {
            return Decision::Allow;
        }
        Decision::Deny {
            reason: format!("{name} may not"),
        }
    }
}

#[tokio::test]
async fn the_policy_is_asked_before_anything_runs() {
    let backend = Scripted::new(BackendKind::Local, "t", Answer::Value(json!(1)));
    let index = Index::new();
    let schema = json!({"required": ["missing"]});
    backend.offer(
        &index,
        Tool::builder("t:t").input_schema(schema).build().unwrap(),
    );
    let runner = Runner::with(index, RunSettings::default(), Arc::new(OnlyAlice));
    let call = async |caller: &str, args: Value| {
        let caller = Arc::new(Caller {
            name: caller.to_owned(),
            roles: vec![],
        });
        let cx = CallContext::new().with_caller(caller);
        let error = runner
            .run(Request::new("t:t", args).with_context(cx))
            .await
            .unwrap_err();
        (error.kind(), error.stage(), error.to_string())
    };
    let denied = (ErrorKind::Denied, Some(Stage::Authorize));
    let (kind, stage, text) = call("bob", json!({})).await;
    assert_eq!(
        ((kind, stage), text),
        (denied, "calling t:t is denied: bob may not".into())
    );
    let (kind, stage, _) = call("alice", json!({"force": true})).await;
    assert_eq!((kind, stage), denied);
    // Allowed, and only then validated.
    let (kind, stage, _) = call("alice", json!({})).await;
    assert_eq!(
        (kind, stage),
        (ErrorKind::InvalidInput, Some(Stage::ValidateInput))
    );
    assert_eq!(backend.called(), 0);
}

#[tokio::test]
async fn an_error_of_an_mcp_tool_is_not_validated_and_keeps_its_content() {
    let content = RawContent {
        content: vec![Content::text("no such issue")],
        is_error: true,
        ..RawContent::default()
    };
    let index = Index::new();
    let backend = Scripted::new(BackendKind::Mcp, "github", Answer::Content(content));
    let schema = json!({"type": "object"});
    backend.offer(
        &index,
        Tool::builder("github:get")
            .output_schema(schema)
            .build()
            .unwrap(),
    );
    let result = run(&Runner::new(index), "github:get", json!({}))
        .await
        .unwrap();
    assert!(result.is_error);
    assert_eq!(result.value, "no such issue");
    assert_eq!(result.failure_message(), "no such issue");
}

#[tokio::test]
async fn a_providers_failure_keeps_its_problem_document() {
    let failure = ToolFailure {
        message: "404 Not Found: no such user".into(),
        value: Some(json!({"status": 404, "problem": {"title": "no such user"}})),
    };
    let index = Index::new();
    Scripted::new(BackendKind::Provider, "api", Answer::Failure(failure))
        .offer(&index, tool("api:get"));
    let result = run(&Runner::new(index), "api:get", json!({}))
        .await
        .unwrap();
    assert!(result.is_error);
    assert_eq!(result.value["problem"]["title"], "no such user");
    assert_eq!(result.failure_message(), "404 Not Found: no such user");
}

#[cfg(feature = "schemars")]
#[tokio::test]
async fn a_typed_handler_has_its_schemas_from_its_types() {
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Pair {
        a: i64,
        b: i64,
    }
    let mul = LocalTool::typed("mul", async |pair: Pair| Ok::<_, String>(pair.a * pair.b));
    let index = Index::new();
    index.register_all(Local::new("math").tool(mul).registrations().unwrap());
    let runner = Runner::new(index);
    let result = run(&runner, "math:mul", json!({"a": 6, "b": 7}))
        .await
        .unwrap();
    assert_eq!(result.value, json!(42));
    let error = run(&runner, "math:mul", json!({"a": 6.5, "b": 7}))
        .await
        .unwrap_err();
    assert_eq!(
        error.violations()[0].to_string(),
        "/a: expected type integer, found a number with a fraction"
    );
}
