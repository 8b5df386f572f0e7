//! What programs do and what their callers see.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use serde_json::{Value, json};
use toolexec_core::code::{CallOp, CodeErrorKind, CodeEvent, CodeExecutor, Submission};
use toolexec_core::sandbox::{Language, Limits, Profile, Sandboxes};
use toolexec_core::{CallContext, DocStore, ErrorKind};
use toolexec_wire::{Op, Outcome as Answer, ToHost};

use super::{answer, call, executor, gone, limits, print, program, run, scripted};
use crate::fixture;

#[tokio::test]
async fn a_program_prints_calls_and_answers() {
    let sandbox = scripted(async |mut guest| {
        let Some(start) = guest.started().await else {
            return;
        };
        guest.send(&print("hello\n")).await;
        guest
            .send(&call(1, "math:add", json!({"a": 5, "b": 3})))
            .await;
        guest.send(&ToHost::Waiting).await;
        let Some((1, Answer::Ok(sum))) = answer(&mut guest).await else {
            return;
        };
        guest
            .done(json!({"sum": sum, "source": start.source, "inputs": start.inputs}))
            .await;
    });
    let outcome = run(&sandbox, program().input("n", 1)).await;
    assert_eq!(outcome.error, None);
    assert_eq!(
        outcome.value,
        json!({"sum": 8, "source": "a program", "inputs": {"n": 1}})
    );
    assert_eq!(outcome.stdout, "hello\n");
    assert_eq!(outcome.calls.len(), 1);
    let record = &outcome.calls[0];
    assert_eq!((record.number, record.op, record.lane), (1, CallOp::Run, 0));
    assert_eq!(record.tool.as_deref(), Some("math:add"));
    assert_eq!(record.args, json!({"a": 5, "b": 3}));
    assert_eq!(record.result, Some(json!(8)));
    assert_eq!(
        record.backend.as_ref().map(ToString::to_string).as_deref(),
        Some("local/math")
    );
    assert_eq!(
        (outcome.usage.tool_calls, outcome.usage.parallel_calls),
        (1, 1)
    );
    assert_eq!(outcome.sandbox, "fake");
}

#[tokio::test(start_paused = true)]
async fn calls_run_at_the_same_time_and_are_answered_as_they_end() {
    let sandbox = scripted(async |mut guest| {
        guest.started().await;
        for (id, ms) in [(7, 300), (8, 100), (9, 200)] {
            let args = json!({"ms": ms, "value": id});
            guest.send(&call(id, "test:slow", args)).await;
        }
        guest.send(&ToHost::Waiting).await;
        let mut order = Vec::new();
        while order.len() < 3 {
            let Some((id, _)) = answer(&mut guest).await else {
                return;
            };
            order.push(id);
        }
        guest.done(order).await;
    });
    let outcome = run(&sandbox, program()).await;
    assert_eq!(outcome.value, json!([8, 9, 7]));
    assert_eq!(outcome.usage.parallel_calls, 3);
    let lanes: Vec<usize> = outcome.calls.iter().map(|call| call.lane).collect();
    assert_eq!(lanes, [0, 1, 2]);
    let durations: Vec<u128> = outcome
        .calls
        .iter()
        .map(|call| call.duration.as_millis())
        .collect();
    assert_eq!(durations, [300, 100, 200]);
}

#[tokio::test(start_paused = true)]
async fn no_more_calls_run_at_the_same_time_than_allowed() {
    let sandbox = scripted(async |mut guest| {
        guest.started().await;
        for id in 0..10 {
            guest.send(&call(id, "test:slow", json!({"ms": 100}))).await;
        }
        for _ in 0..10 {
            answer(&mut guest).await;
        }
        guest.done(true).await;
    });
    let two = limits(|limits| limits.parallel_calls = Some(2));
    let outcome = run(&sandbox, program().limits(two)).await;
    assert_eq!(outcome.error, None);
    assert_eq!(outcome.usage.parallel_calls, 2);
    assert_eq!(outcome.usage.wall_time.as_millis(), 500);
}

#[tokio::test]
async fn a_failing_tool_is_an_error_that_the_program_can_catch() {
    let sandbox = scripted(async |mut guest| {
        guest.started().await;
        let calls = [
            ("math:div", json!({"a": 1, "b": 0})),
            ("math:add", json!({"a": "x"})),
            ("math:ad", json!({})),
            ("test:panic", json!({})),
        ];
        let mut errors = Vec::new();
        for (id, (tool, args)) in (0..).zip(calls) {
            guest.send(&call(id, tool, args)).await;
            let Some((_, Answer::Error(error))) = answer(&mut guest).await else {
                return;
            };
            errors.push(json!([error.code, error.tool, error.violations.len()]));
        }
        guest.done(errors).await;
    });
    let outcome = run(&sandbox, program()).await;
    assert_eq!(
        outcome.value,
        json!([
            ["tool_error", "math:div", 0],
            ["invalid_input", "math:add", 2],
            ["not_found", "math:ad", 0],
            ["handler_panicked", "test:panic", 0]
        ])
    );
}

#[tokio::test]
async fn a_program_finds_and_describes_tools_and_runs_chains() {
    let sandbox = scripted(async |mut guest| {
        guest.started().await;
        let tool = "math:add".to_owned();
        let ops = [
            Op::Search {
                query: "add numbers".to_owned(),
                limit: Some(1),
            },
            Op::Describe {
                tool: tool.clone(),
                detail: Some("summary".to_owned()),
            },
            Op::Describe {
                tool: tool.clone(),
                detail: Some("everything".to_owned()),
            },
            Op::Examples { tool },
            Op::Namespaces,
            Op::Chain {
                chain: json!([
                    {"tool": "math:add", "args": {"a": 1, "b": 2}},
                    {"tool": "math:add", "args": {"a": "{{prev}}", "b": 4}}
                ]),
            },
            Op::Chain { chain: json!(7) },
        ];
        let mut answers = Vec::new();
        for (id, op) in (0..).zip(ops) {
            guest.send(&ToHost::Call { id, op }).await;
            answers.push(match answer(&mut guest).await {
                Some((_, Answer::Ok(value))) => value,
                Some((_, Answer::Error(error))) => json!(error.code),
                None => return,
            });
        }
        guest.done(answers).await;
    });
    let outcome = run(&sandbox, program()).await;
    let value = &outcome.value;
    assert_eq!(value[0][0]["id"], "math:add");
    assert_eq!(value[1]["id"], "math:add");
    assert_eq!(value[2], "invalid_input");
    assert_eq!(value[3][0]["args"], json!({"a": 1, "b": 1}));
    assert_eq!(value[4], json!(["math", "test"]));
    assert_eq!(value[5]["value"], 7);
    assert_eq!(value[6], "invalid_input");
    assert_eq!(outcome.usage.tool_calls, 2, "only tools count");
    assert_eq!(outcome.usage.chain_steps, 2);
}

#[tokio::test]
async fn events_tell_what_happens_and_end_once() {
    let sandbox = scripted(async |mut guest| {
        guest.started().await;
        guest.send(&print("hi")).await;
        guest
            .send(&ToHost::Progress {
                progress: 1.0,
                total: Some(2.0),
                message: None,
            })
            .await;
        guest
            .send(&ToHost::Log {
                level: "info".to_owned(),
                data: json!("x"),
            })
            .await;
        guest
            .send(&call(1, "math:add", json!({"a": 1, "b": 2})))
            .await;
        answer(&mut guest).await;
        guest.done(3).await;
    });
    let stream = executor(&sandbox).stream(program(), CallContext::new());
    let events: Vec<CodeEvent> = stream.collect().await;
    let names: Vec<Value> = events
        .iter()
        .map(|event| serde_json::to_value(event).unwrap()["event"].clone())
        .collect();
    assert_eq!(
        names,
        [
            "started",
            "print",
            "progress",
            "log",
            "call_started",
            "call_ended",
            "done"
        ]
    );
    let CodeEvent::Done { outcome } = &events[6] else {
        panic!("the last event is no outcome");
    };
    assert_eq!((&outcome.value, outcome.logs.len()), (&json!(3), 1));
}

#[tokio::test]
async fn a_session_keeps_its_guest_until_it_breaks() {
    let sandbox = scripted(async |mut guest| {
        guest.started().await;
        for number in 0..3 {
            guest.done(number).await;
            guest.next_start().await;
        }
    });
    let executor = executor(&sandbox);
    let cx = CallContext::new();
    let mut session = executor
        .open(Language::Python, Limits::default(), None)
        .await
        .unwrap();
    for number in 0..3 {
        let outcome = session.execute(program(), &cx).await.unwrap();
        assert_eq!(outcome.value, json!(number));
    }
    let outcome = session.execute(program(), &cx).await.unwrap();
    assert_eq!(outcome.error.unwrap().kind, CodeErrorKind::SandboxLost);
    assert!(session.is_closed());
    let error = session.execute(program(), &cx).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SandboxUnavailable);
    assert_eq!(sandbox.started(), 1);
}

#[tokio::test]
async fn dropping_a_run_ends_its_guest_and_its_calls() {
    let sandbox = scripted(async |mut guest| {
        guest.started().await;
        guest.send(&call(1, "test:slow", json!({}))).await;
        std::future::pending::<()>().await;
    });
    let executor = executor(&sandbox);
    let cx = CallContext::new();
    let running = executor.execute(program(), &cx);
    let stopped = tokio::time::timeout(Duration::from_millis(50), running).await;
    assert!(stopped.is_err());
    gone(&sandbox).await;
}

#[tokio::test]
async fn a_profile_never_gets_less_than_it_asks_for() {
    let cx = CallContext::new();
    let build = |sandboxes: Sandboxes| {
        CodeExecutor::builder(fixture::runner(), Arc::new(DocStore::default()), sandboxes).build()
    };
    let error = build(Sandboxes::new())
        .execute(program().profile(Profile::Dev), &cx)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    let sandboxes = Sandboxes::new()
        .without("wasm", "it is not built in")
        .candidates(Profile::Standard, ["wasm", "docker"]);
    let error = build(sandboxes).execute(program(), &cx).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SandboxUnavailable);
    assert_eq!(
        error.guest_message(),
        "no sandbox is available for standard: wasm: it is not built in; docker: no sandbox has \
         this name"
    );
    let fake = scripted(async |_guest| {});
    let limited = program().limits(limits(|limits| limits.disk = Some(1)));
    let error = executor(&fake).execute(limited, &cx).await.unwrap_err();
    assert_eq!(
        error.guest_message(),
        "no sandbox is available for standard: fake: cannot enforce disk"
    );
}

#[tokio::test]
async fn an_image_is_allowed_and_taken_or_nothing_runs() {
    let fake = scripted(async |_guest| {});
    let sandboxes = Sandboxes::new()
        .with(Arc::new(fake.clone()))
        .candidates(Profile::Standard, ["fake"]);
    let docs = Arc::new(DocStore::default());
    let builder = CodeExecutor::builder(fixture::runner(), docs, sandboxes);
    let some = builder.images(["python:*", "team/tools"]).build();
    let cases = [
        (
            &executor(&fake),
            "python:3",
            "programs may name no image here",
        ),
        (
            &some,
            "python",
            "programs may not name the image \"python\" here; they may name python:*, team/tools",
        ),
        (
            &some,
            "python:3",
            "no sandbox is available for standard: fake: takes no images",
        ),
    ];
    for (executor, image, expected) in cases {
        let named = program().image(image);
        let error = executor.execute(named, &CallContext::new()).await;
        assert_eq!(error.unwrap_err().guest_message(), expected, "{image}");
    }
    assert_eq!(fake.started(), 0);
}

#[tokio::test]
async fn a_signature_is_in_the_language_of_the_program() {
    let sandbox = scripted(async |mut guest| {
        if guest.started().await.is_none() {
            return;
        }
        let op = Op::Describe {
            tool: "math:add".to_owned(),
            detail: Some("signature".to_owned()),
        };
        guest.send(&ToHost::Call { id: 1, op }).await;
        guest.send(&ToHost::Waiting).await;
        if let Some((1, Answer::Ok(doc))) = answer(&mut guest).await {
            guest.done(doc["signature"].clone()).await;
        }
    });
    let mut found = Vec::new();
    for language in [Language::JavaScript, Language::Python] {
        let outcome = run(&sandbox, Submission::new(language, "a program")).await;
        found.push(outcome.value);
    }
    assert_eq!(
        found,
        [
            "// Adds two numbers\ntools.math.add(args: { a: number; b: number }): Promise<number>",
            "# Adds two numbers\nasync def tools.math.add(*, a: float, b: float) -> float",
        ]
    );
}
