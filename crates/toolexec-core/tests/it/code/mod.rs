//! The host's side of a program, against guests that follow a script: what is counted, answered
//! and refused, whatever the sandbox.

mod files;
mod guests;
mod limits;
mod programs;
mod sessions;

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use toolexec_core::code::{CodeErrorKind, CodeExecutor, Outcome, Submission};
use toolexec_core::sandbox::{Language, Limits, Profile, Sandboxes};
use toolexec_core::{CallContext, DocStore};
use toolexec_testkit::fake::sandbox::{FakeGuest, ScriptedSandbox};
use toolexec_wire::{Op, Outcome as Answer, Stream, ToGuest, ToHost};

use crate::fixture;

pub(super) fn executor(sandbox: &ScriptedSandbox) -> CodeExecutor {
    let sandboxes = Sandboxes::new()
        .with(Arc::new(sandbox.clone()))
        .candidates(Profile::Standard, ["fake"]);
    CodeExecutor::builder(fixture::runner(), Arc::new(DocStore::default()), sandboxes).build()
}

pub(super) fn scripted<F, Fut>(script: F) -> ScriptedSandbox
where
    F: Fn(FakeGuest) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    ScriptedSandbox::new("fake", script)
}

pub(super) fn program() -> Submission {
    Submission::new(Language::JavaScript, "a program")
}

pub(super) async fn run(sandbox: &ScriptedSandbox, submission: Submission) -> Outcome {
    let outcome = executor(sandbox)
        .execute(submission, &CallContext::new())
        .await
        .unwrap();
    gone(sandbox).await;
    outcome
}

/// Waits until every guest has ended; a guest that stays fails the test by its own timeout.
pub(super) async fn gone(sandbox: &ScriptedSandbox) {
    let all_gone = async {
        while sandbox.alive() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), all_gone)
        .await
        .unwrap();
}

pub(super) fn limits(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits::default();
    change(&mut limits);
    limits
}

pub(super) fn call(id: u32, tool: &str, args: Value) -> ToHost {
    let tool = tool.to_owned();
    ToHost::Call {
        id,
        op: Op::Run { tool, args },
    }
}

pub(super) fn print(text: &str) -> ToHost {
    ToHost::Print {
        stream: Stream::Stdout,
        text: text.to_owned(),
    }
}

pub(super) async fn answer(guest: &mut FakeGuest) -> Option<(u32, Answer)> {
    loop {
        if let ToGuest::Answer { id, outcome } = guest.receive().await? {
            return Some((id, outcome));
        }
    }
}

pub(super) fn kind_and_message(outcome: &Outcome) -> (CodeErrorKind, &str) {
    let error = outcome.error.as_ref().unwrap();
    (error.kind, error.message.as_str())
}

/// Whether a cancel is there within a moment.
pub(super) async fn guest_is_cancelled(guest: &mut FakeGuest) -> bool {
    let next = tokio::time::timeout(Duration::from_millis(20), guest.receive()).await;
    matches!(next, Ok(None | Some(ToGuest::Cancel { .. })))
}
