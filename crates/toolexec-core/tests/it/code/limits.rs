//! Limits of programs, by name and by what was used.

use std::time::Duration;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use toolexec_core::CallContext;
use toolexec_core::code::CodeErrorKind;
use toolexec_core::sandbox::{Enforcer, GuestMeasure, LimitName};
use toolexec_wire::{Failure, FailureKind, GuestUsage, Op, ToHost};

use super::{
    answer, call, executor, gone, guest_is_cancelled, kind_and_message, limits, print, program,
    run, scripted,
};

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
                let kept = None;
                guest.send(&ToHost::Failed { error, usage, kept }).await;
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
