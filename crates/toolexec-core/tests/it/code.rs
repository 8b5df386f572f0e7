//! The host's side of a program, against guests that follow a script: what is counted, answered
//! and refused, whatever the sandbox.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use toolexec_core::code::{CallOp, CodeErrorKind, CodeEvent, CodeExecutor, Outcome, Submission};
use toolexec_core::sandbox::{
    Enforcer, GuestMeasure, Language, LimitName, Limits, Profile, Sandboxes,
};
use toolexec_core::{CallContext, DocStore, ErrorKind};
use toolexec_testkit::fake::sandbox::{FakeGuest, ScriptedSandbox};
use toolexec_wire::{
    Failure, FailureKind, GuestUsage, Op, Outcome as Answer, Stream, ToGuest, ToHost,
};

use crate::fixture;

fn executor(sandbox: &ScriptedSandbox) -> CodeExecutor {
    let sandboxes = Sandboxes::new()
        .with(Arc::new(sandbox.clone()))
        .candidates(Profile::Standard, ["fake"]);
    CodeExecutor::builder(fixture::runner(), Arc::new(DocStore::default()), sandboxes).build()
}

fn scripted<F, Fut>(script: F) -> ScriptedSandbox
where
    F: Fn(FakeGuest) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    ScriptedSandbox::new("fake", script)
}

fn program() -> Submission {
    Submission::new(Language::JavaScript, "a program")
}

async fn run(sandbox: &ScriptedSandbox, submission: Submission) -> Outcome {
    let outcome = executor(sandbox)
        .execute(submission, &CallContext::new())
        .await
        .unwrap();
    gone(sandbox).await;
    outcome
}

/// Waits until every guest has ended; a guest that stays fails the test by its own timeout.
async fn gone(sandbox: &ScriptedSandbox) {
    let all_gone = async {
        while sandbox.alive() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), all_gone)
        .await
        .unwrap();
}

fn limits(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits::default();
    change(&mut limits);
    limits
}

fn call(id: u32, tool: &str, args: Value) -> ToHost {
    let tool = tool.to_owned();
    ToHost::Call {
        id,
        op: Op::Run { tool, args },
    }
}

fn print(text: &str) -> ToHost {
    ToHost::Print {
        stream: Stream::Stdout,
        text: text.to_owned(),
    }
}

async fn answer(guest: &mut FakeGuest) -> Option<(u32, Answer)> {
    loop {
        if let ToGuest::Answer { id, outcome } = guest.receive().await? {
            return Some((id, outcome));
        }
    }
}

fn kind_and_message(outcome: &Outcome) -> (CodeErrorKind, &str) {
    let error = outcome.error.as_ref().unwrap();
    (error.kind, error.message.as_str())
}

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
async fn a_spent_budget_ends_a_program_that_catches_the_error() {
    let sandbox = scripted(async |mut guest| {
        guest.started().await;
        for id in 0.. {
            guest
                .send(&call(id, "math:add", json!({"a": 1, "b": 1})))
                .await;
            if answer(&mut guest).await.is_none() {
                return;
            }
        }
    });
    let three = limits(|limits| limits.tool_calls = Some(3));
    let outcome = run(&sandbox, program().limits(three)).await;
    assert_eq!(
        kind_and_message(&outcome),
        (
            CodeErrorKind::Limit,
            "the program exceeded its tool_calls limit of 3 (4 used)"
        )
    );
    let excess = outcome.error.unwrap().limit.unwrap();
    assert_eq!(excess.name, LimitName::ToolCalls);
    assert_eq!(outcome.calls.len(), 4);
    assert_eq!(outcome.calls[2].result, Some(json!(2)));
    assert_eq!(outcome.calls[3].result, None);
}

#[tokio::test]
async fn steps_of_chains_count_as_calls_and_have_a_limit_of_their_own() {
    let chain = |steps: usize| {
        let step = json!({"tool": "math:add", "args": {"a": 1, "b": 1}});
        Value::from(vec![step; steps])
    };
    let sandbox = scripted(move |mut guest| async move {
        guest.started().await;
        let op = Op::Chain { chain: chain(5) };
        guest.send(&ToHost::Call { id: 1, op }).await;
        answer(&mut guest).await;
        guest.done(true).await;
    });
    let budget = limits(|limits| limits.tool_calls = Some(4));
    let outcome = run(&sandbox, program().limits(budget)).await;
    assert_eq!(
        outcome.error.unwrap().limit.unwrap().name,
        LimitName::ToolCalls
    );
    assert_eq!(outcome.usage.tool_calls, 4);
    let short = limits(|limits| limits.chain_steps = Some(4));
    let outcome = run(&sandbox, program().limits(short)).await;
    assert_eq!(
        kind_and_message(&outcome).1,
        "the program exceeded its chain_steps limit of 4 (5 used)"
    );
    assert_eq!(outcome.usage.tool_calls, 0);
}

#[tokio::test(start_paused = true)]
async fn the_clock_stops_while_the_program_waits() {
    let sandbox = scripted(async |mut guest| {
        guest.started().await;
        guest
            .send(&call(1, "test:slow", json!({"ms": 50_000})))
            .await;
        guest.send(&ToHost::Waiting).await;
        answer(&mut guest).await;
        guest.done("in time").await;
    });
    let one = limits(|limits| limits.run_time = Some(Duration::from_secs(1)));
    let outcome = run(&sandbox, program().limits(one)).await;
    assert_eq!(outcome.value, "in time");
    assert_eq!(outcome.usage.wait_time.as_secs(), 50);
    assert!(outcome.usage.run_time < Duration::from_secs(1));
    let short = limits(|limits| limits.wait_time = Some(Duration::from_secs(2)));
    let outcome = run(&sandbox, program().limits(short)).await;
    assert_eq!(
        kind_and_message(&outcome),
        (
            CodeErrorKind::Limit,
            "the program exceeded its wait_time limit of 2000 ms (2000 ms used)"
        )
    );
    let record = outcome.calls[0].error.as_ref().unwrap();
    assert_eq!(record.code, "cancelled");
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_says_it_waits_and_has_nothing_to_wait_for_is_timed() {
    let sandbox = scripted(async |mut guest| {
        guest.started().await;
        guest.send(&ToHost::Waiting).await;
        std::future::pending::<()>().await;
    });
    let one = limits(|limits| limits.run_time = Some(Duration::from_secs(1)));
    let outcome = run(&sandbox, program().limits(one)).await;
    assert_eq!(
        kind_and_message(&outcome),
        (
            CodeErrorKind::Limit,
            "the program exceeded its run_time limit of 1000 ms (1100 ms used)"
        )
    );
}

#[tokio::test]
async fn output_is_capped_and_what_fits_is_kept() {
    let sandbox = scripted(async |mut guest| {
        guest.started().await;
        loop {
            guest.send(&print("0123456789")).await;
            if guest_is_cancelled(&mut guest).await {
                guest.send(&print("a last word")).await;
                let error = Failure {
                    kind: FailureKind::Cancelled,
                    ..Failure::default()
                };
                let usage = GuestUsage::default();
                guest.send(&ToHost::Failed { error, usage }).await;
                return;
            }
        }
    });
    let small = limits(|limits| limits.output = Some(25));
    let outcome = run(&sandbox, program().limits(small)).await;
    assert_eq!(outcome.stdout, "0123456789012345678901234");
    assert_eq!(
        outcome.error.unwrap().limit.unwrap().name,
        LimitName::Output
    );
}

/// Whether a cancel is there within a moment.
async fn guest_is_cancelled(guest: &mut FakeGuest) -> bool {
    let next = tokio::time::timeout(Duration::from_millis(20), guest.receive()).await;
    matches!(next, Ok(None | Some(ToGuest::Cancel { .. })))
}

#[tokio::test]
async fn a_value_that_is_too_large_is_refused() {
    let sandbox = scripted(async |mut guest| {
        guest.started().await;
        guest.done("x".repeat(100)).await;
    });
    let small = limits(|limits| limits.result = Some(50));
    let outcome = run(&sandbox, program().limits(small)).await;
    assert_eq!(
        kind_and_message(&outcome).1,
        "the program exceeded its result limit of 50 bytes (102 bytes used)"
    );
    assert_eq!(outcome.value, Value::Null);
}

#[tokio::test(start_paused = true)]
async fn measured_limits_are_kept_by_looking() {
    let sandbox = scripted(async |mut guest| {
        guest.started().await;
        std::future::pending::<()>().await;
    })
    .enforcing(vec![
        (LimitName::Memory, Enforcer::Host),
        (LimitName::CpuTime, Enforcer::Host),
    ]);
    sandbox.measure(GuestMeasure {
        cpu_time: Some(Duration::from_millis(7)),
        memory: Some(2000),
    });
    let memory = limits(|limits| limits.memory = Some(1000));
    let outcome = run(&sandbox, program().limits(memory)).await;
    assert_eq!(
        kind_and_message(&outcome).1,
        "the program exceeded its memory limit of 1000 bytes (2000 bytes used)"
    );
    let cpu = limits(|limits| limits.cpu_time = Some(Duration::from_millis(5)));
    let outcome = run(&sandbox, program().limits(cpu)).await;
    assert_eq!(
        kind_and_message(&outcome).1,
        "the program exceeded its cpu_time limit of 5 ms (7 ms used)"
    );
}

#[tokio::test(start_paused = true)]
async fn cancelling_gives_what_is_known() {
    let sandbox = scripted(async |mut guest| {
        guest.started().await;
        guest.send(&print("so far")).await;
        guest.send(&call(1, "test:slow", json!({}))).await;
        // It does not care that it is cancelled.
        std::future::pending::<()>().await;
    });
    let token = CancellationToken::new();
    let cx = CallContext::new().with_cancel(token.clone());
    let executor = executor(&sandbox);
    let running = executor.execute(program(), &cx);
    let cancel = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        token.cancel();
    };
    let (outcome, ()) = tokio::join!(running, cancel);
    let outcome = outcome.unwrap();
    assert_eq!(
        kind_and_message(&outcome),
        (CodeErrorKind::Cancelled, "the caller cancelled")
    );
    assert_eq!(outcome.stdout, "so far");
    assert_eq!(outcome.calls[0].error.as_ref().unwrap().code, "cancelled");
    gone(&sandbox).await;
}

/// Guests that break the protocol, and what is said of them. After each, the next program runs.
#[tokio::test]
async fn a_guest_that_breaks_the_protocol_is_hung_up_on() {
    type Break = for<'a> fn(&'a mut FakeGuest) -> futures_util::future::BoxFuture<'a, ()>;
    let cases: [(&str, Break); 7] = [
        ("it said hello twice", |guest| Box::pin(guest.hello())),
        (
            "it used the id of a call that is not answered yet",
            |guest| {
                Box::pin(async {
                    for _ in 0..2 {
                        guest.send(&call(1, "test:slow", json!({}))).await;
                    }
                })
            },
        ),
        (
            "a frame of 4294967295 bytes is larger than the 16777216 allowed",
            |guest| Box::pin(guest.raw(&[0xff; 4])),
        ),
        (
            "a frame holds no message: expected value at line 1 column 1",
            |guest| Box::pin(guest.raw(b"\x03\0\0\0abc")),
        ),
        (
            "a frame holds no message: unknown variant `shutdown`, expected one of `hello`, \
             `print`, `call`, `waiting`, `log`, `progress`, `checked`, `done`, `failed` at line \
             1 column 18",
            |guest| Box::pin(guest.raw(b"\x13\0\0\0{\"type\":\"shutdown\"}")),
        ),
        ("a frame holds more than 1048576 values", |guest| {
            Box::pin(async {
                let mut text = "[".repeat(1);
                text.push_str(&"0,".repeat(1 << 20));
                text.push_str("0]");
                let size = u32::try_from(text.len()).unwrap();
                guest.raw(&size.to_le_bytes()).await;
                guest.raw(text.as_bytes()).await;
            })
        }),
        ("it went on after it was done", |guest| {
            Box::pin(async {
                let mut both = Vec::new();
                for message in [
                    ToHost::Done {
                        value: json!(1),
                        usage: GuestUsage::default(),
                    },
                    call(1, "math:add", json!({"a": 1, "b": 1})),
                ] {
                    toolexec_wire::encode(&message, 1000, &mut both).unwrap();
                }
                guest.raw(&both).await;
            })
        }),
    ];
    for (why, breaks) in cases {
        let sandbox = scripted(move |mut guest| async move {
            guest.started().await;
            breaks(&mut guest).await;
            std::future::pending::<()>().await;
        });
        let outcome = run(&sandbox, program()).await;
        let message = format!("the sandbox broke the protocol: {why}");
        assert_eq!(
            kind_and_message(&outcome),
            (CodeErrorKind::Protocol, message.as_str())
        );
    }
    a_program_prints_calls_and_answers_again().await;
}

#[tokio::test]
async fn a_flood_of_calls_ends_the_program() {
    let sandbox = scripted(async |mut guest| {
        guest.started().await;
        for id in 0..20_000 {
            guest.send(&call(id, "test:slow", json!({}))).await;
        }
        std::future::pending::<()>().await;
    });
    let outcome = run(&sandbox, program()).await;
    assert_eq!(
        kind_and_message(&outcome),
        (
            CodeErrorKind::Limit,
            "the program made more calls at once than can be kept: 10000 calls, 32 MiB of arguments"
        )
    );
    assert_eq!(outcome.calls.len(), 10_000);
    assert_eq!(outcome.usage.parallel_calls, 32);
}

async fn a_program_prints_calls_and_answers_again() {
    let sandbox = scripted(async |mut guest| {
        guest.started().await;
        guest.done(1).await;
    });
    assert_eq!(run(&sandbox, program()).await.value, json!(1));
}

#[tokio::test]
async fn a_guest_that_dies_is_told_from_one_that_breaks_the_protocol() {
    let sandbox = scripted(async |mut guest| {
        guest.started().await;
        guest.send(&print("last words")).await;
        guest.raw(&[200, 0, 0]).await;
    });
    let outcome = run(&sandbox, program()).await;
    assert_eq!(
        kind_and_message(&outcome),
        (
            CodeErrorKind::SandboxLost,
            "the sandbox ended before the program did"
        )
    );
    assert_eq!(outcome.stdout, "last words");
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_never_says_hello_runs_nothing() {
    let silent = scripted(async |_guest| std::future::pending::<()>().await);
    let hasty = scripted(async |mut guest| guest.send(&print("hi")).await);
    let gone_at_once = scripted(async |_guest| {});
    for (sandbox, why) in [
        (silent, "its guest did not say hello in time"),
        (hasty, "its guest did not say hello first"),
        (gone_at_once, "the sandbox ended before the program did"),
    ] {
        let executor = executor(&sandbox);
        let error = executor
            .execute(program(), &CallContext::new())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SandboxUnavailable);
        assert_eq!(
            error.guest_message(),
            format!("the sandbox fake cannot be used: {why}")
        );
        gone(&sandbox).await;
    }
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
