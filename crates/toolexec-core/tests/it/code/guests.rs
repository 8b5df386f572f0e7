//! Guests that break the protocol, die or say nothing.

use serde_json::json;
use toolexec_core::code::CodeErrorKind;
use toolexec_core::{CallContext, ErrorKind};
use toolexec_testkit::fake::sandbox::FakeGuest;
use toolexec_wire::{GuestUsage, ToHost};

use super::{call, executor, gone, kind_and_message, print, program, run, scripted};

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
             `print`, `call`, `file`, `waiting`, `preparing`, `log`, `progress`, `checked`, `done`, `failed` at line \
             1 column 18",
            |guest| Box::pin(guest.raw(b"\x13\0\0\0{\"type\":\"shutdown\"}")),
        ),
        ("a frame holds more than 1048576 values", |guest| {
            Box::pin(async {
                let mut text = "[".to_owned();
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
