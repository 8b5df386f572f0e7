//! Sessions by name, against guests that follow a script: whose turn it is, and what ends them.

use std::time::Duration;

use futures_util::FutureExt;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use toolexec_core::code::{
    CodeErrorKind, CodeSessions, SessionOptions, SessionSettings, SessionState, Submission,
};
use toolexec_core::sandbox::Language;
use toolexec_core::{CallContext, Error, ErrorKind};
use toolexec_testkit::fake::sandbox::ScriptedSandbox;
use toolexec_wire::{Failure, FailureKind, GuestUsage, ToGuest, ToHost};

use super::{executor, gone, program, scripted};

/// Guests that answer `1` to each program, but for those whose text says something else.
fn obedient() -> ScriptedSandbox {
    scripted(async |mut guest| {
        let mut start = guest.started().await;
        while let Some(program) = start {
            match program.source.as_str() {
                "wait" => loop {
                    match guest.receive().await {
                        Some(ToGuest::Cancel { .. }) => {
                            guest
                                .send(&ToHost::Failed {
                                    error: Failure {
                                        kind: FailureKind::Cancelled,
                                        ..Failure::default()
                                    },
                                    usage: GuestUsage::default(),
                                    kept: Some(true),
                                })
                                .await;
                            break;
                        }
                        Some(_) => {}
                        None => return,
                    }
                },
                "die" => return,
                _ => guest.done(1).await,
            }
            start = guest.next_start().await;
        }
    })
}

fn options() -> SessionOptions {
    SessionOptions::new(Language::JavaScript)
}

fn submission(text: &str) -> Submission {
    Submission::new(Language::JavaScript, text)
}

fn sessions(sandbox: &ScriptedSandbox, settings: SessionSettings) -> CodeSessions {
    executor(sandbox).sessions(settings)
}

/// The kind, the message and the first hint of an error.
fn words(error: &Error) -> (ErrorKind, &str, &str) {
    let hint = error.hints().first().map_or("", String::as_str);
    (error.kind(), error.guest_message(), hint)
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_not_used_is_ended() {
    let sandbox = obedient();
    let sessions = sessions(&sandbox, SessionSettings::default());
    sessions.start(Some("a"), options()).await.unwrap();
    sessions.start(Some("b"), options()).await.unwrap();
    tokio::time::sleep(Duration::from_mins(20)).await;
    let cx = CallContext::new();
    sessions
        .execute("b", program(), &cx)
        .await
        .unwrap()
        .value
        .take();
    tokio::time::sleep(Duration::from_mins(15)).await;
    let names: Vec<String> = sessions.list().into_iter().map(|info| info.id).collect();
    assert_eq!(names, ["b"]);
    assert_eq!(sandbox.alive(), 1);
    let error = sessions.execute("a", program(), &cx).await.unwrap_err();
    assert_eq!(
        words(&error),
        (
            ErrorKind::NotFound,
            "the session a was ended, because it was not used for 30 minutes",
            "there are: b"
        )
    );
    drop(sessions);
    gone(&sandbox).await;
}

#[tokio::test]
async fn names_are_checked_and_there_are_no_more_than_may_be() {
    let sandbox = obedient();
    let settings = SessionSettings {
        max: 2,
        ..SessionSettings::default()
    };
    let sessions = sessions(&sandbox, settings);
    let cx = CallContext::new();
    let error = sessions.execute("x", program(), &cx).await.unwrap_err();
    let none = "there are no sessions; start one";
    assert_eq!(
        words(&error),
        (ErrorKind::NotFound, "there is no session \"x\"", none)
    );
    assert_eq!(sessions.start(None, options()).await.unwrap().id, "s1");
    let error = sessions.start(Some("s1"), options()).await.unwrap_err();
    assert_eq!(
        words(&error),
        (
            ErrorKind::InvalidInput,
            "there is a session s1 already",
            "take another name, or stop that session first"
        )
    );
    let error = sessions.start(Some("ä"), options()).await.unwrap_err();
    assert_eq!(
        words(&error),
        (
            ErrorKind::InvalidInput,
            "\"ä\" is no name of a session",
            "take up to 64 letters, digits, - and _"
        )
    );
    sessions.start(Some("b"), options()).await.unwrap();
    let error = sessions.start(None, options()).await.unwrap_err();
    assert_eq!(
        words(&error),
        (
            ErrorKind::LimitExceeded,
            "there are 2 sessions already, as many as there may be",
            "stop one of them: b, s1"
        )
    );
    // One that is lost makes room.
    let outcome = sessions.execute("b", submission("die"), &cx).await.unwrap();
    assert_eq!(outcome.error.unwrap().kind, CodeErrorKind::SandboxLost);
    assert_eq!(sessions.info("b").unwrap().state, SessionState::Lost);
    assert_eq!(sessions.start(None, options()).await.unwrap().id, "s2");
}

#[tokio::test]
async fn programs_of_a_session_take_turns_and_few_wait() {
    let sandbox = obedient();
    let settings = SessionSettings {
        max_waiting: 1,
        ..SessionSettings::default()
    };
    let sessions = sessions(&sandbox, settings);
    sessions.start(Some("a"), options()).await.unwrap();
    let cancel = CancellationToken::new();
    let cx = CallContext::new().with_cancel(cancel.clone());
    let mut first = Box::pin(sessions.execute("a", submission("wait"), &cx));
    assert!((&mut first).now_or_never().is_none());
    let own = CallContext::new();
    let mut second = Box::pin(sessions.execute("a", program(), &own));
    assert!((&mut second).now_or_never().is_none());
    let error = sessions.execute("a", program(), &own).await.unwrap_err();
    assert_eq!(
        words(&error),
        (
            ErrorKind::LimitExceeded,
            "a program runs in the session a, and 1 wait for their turn already",
            "wait for one of them, or fork the session"
        )
    );
    assert_eq!(sessions.info("a").unwrap().state, SessionState::Running);
    cancel.cancel();
    let (first, second) = tokio::join!(first, second);
    let first = first.unwrap();
    let kind = first.error.map(|error| error.kind);
    assert_eq!(
        (kind, first.warnings),
        (Some(CodeErrorKind::Cancelled), vec![])
    );
    assert_eq!(second.unwrap().value, json!(1));
}

#[tokio::test]
async fn stopping_a_session_ends_what_runs_and_refuses_what_waits() {
    let sandbox = obedient();
    let sessions = sessions(&sandbox, SessionSettings::default());
    sessions.start(Some("a"), options()).await.unwrap();
    let cx = CallContext::new();
    let mut runs = Box::pin(sessions.execute("a", submission("wait"), &cx));
    assert!((&mut runs).now_or_never().is_none());
    let mut waits = Box::pin(sessions.execute("a", program(), &cx));
    assert!((&mut waits).now_or_never().is_none());
    sessions.stop("a").unwrap();
    let (ran, waited) = tokio::join!(runs, waits);
    assert_eq!(ran.unwrap().error.unwrap().kind, CodeErrorKind::Cancelled);
    let error = waited.unwrap_err();
    assert_eq!(
        words(&error),
        (ErrorKind::Cancelled, "the session a was stopped", "")
    );
    let error = sessions.stop("a").unwrap_err();
    let none = "there are no sessions; start one";
    assert_eq!(
        words(&error),
        (ErrorKind::NotFound, "the session a was stopped", none)
    );
    gone(&sandbox).await;
}

#[tokio::test]
async fn a_caller_that_goes_away_loses_the_session() {
    let sandbox = obedient();
    let sessions = sessions(&sandbox, SessionSettings::default());
    sessions.start(Some("a"), options()).await.unwrap();
    let cx = CallContext::new();
    let mut runs = Box::pin(sessions.execute("a", submission("wait"), &cx));
    assert!((&mut runs).now_or_never().is_none());
    drop(runs);
    let error = sessions.execute("a", program(), &cx).await.unwrap_err();
    assert_eq!(
        words(&error).1,
        "the session a is lost, and its variables are gone: its caller went away while a program \
         ran"
    );
}

/// A fork by running the programs again, where the guest does something else.
#[tokio::test]
async fn a_guest_that_differs_when_it_runs_again_is_not_a_fork() {
    let number = std::sync::atomic::AtomicU64::new(0);
    let sandbox = scripted(move |mut guest| {
        let number = number.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        async move {
            guest.started().await;
            guest.done(json!(null)).await;
            while guest.next_start().await.is_some() {
                guest.done(number).await;
            }
        }
    });
    let sessions = sessions(&sandbox, SessionSettings::default());
    sessions.start(Some("a"), options()).await.unwrap();
    let cx = CallContext::new();
    let forked = sessions.fork("a", Some("b"), &cx).await.unwrap();
    assert_eq!(forked.forked_from.as_deref(), Some("a"));
    sessions
        .execute("a", program(), &cx)
        .await
        .unwrap()
        .value
        .take();
    let error = sessions.fork("a", Some("c"), &cx).await.unwrap_err();
    assert_eq!(
        words(&error).1,
        "the session cannot be forked: its program 1 did not do again what it did (it printed \
         something else or ended in another way)"
    );
    // The name is free again.
    assert_eq!(
        sessions.execute("a", program(), &cx).await.unwrap().value,
        json!(0)
    );
    sessions.start(Some("c"), options()).await.unwrap();
}
