//! Guests that were taken over: what native code can do behind the wall of `process`, how the
//! host takes what they say, and where they may die. After each of them the next program is
//! served.

use std::time::Duration;

use toolexec_core::code::{CodeExecutor, Outcome, Submission};
use toolexec_core::sandbox::{Language, Limits};

use crate::support::{Guests, Tools, Way, run};

behind_every_wall!(
    no_system_call_reaches_out,
    a_guest_that_was_taken_over_ends_only_itself,
);

#[path = "../bin/hostile-guest/calls.rs"]
#[expect(dead_code, reason = "the guest makes the calls")]
mod calls;
#[path = "../bin/hostile-guest/endings.rs"]
mod endings;

async fn ending(executor: &CodeExecutor, name: &str, expected: &str) -> String {
    let run_time = if expected == "limit run_time" {
        Duration::from_millis(300)
    } else {
        Duration::from_mins(1)
    };
    let limits = Limits {
        run_time: Some(run_time),
        wait_time: Some(Duration::from_secs(20)),
        memory: Some(64 << 20),
        ..Limits::default()
    };
    let submission = Submission::new(Language::JavaScript, name).limits(limits);
    in_words(&run(executor, submission).await)
}

/// How a program ended, in a few words.
fn in_words(outcome: &Outcome) -> String {
    let Some(error) = &outcome.error else {
        return format!("value {}", outcome.value);
    };
    match &error.limit {
        Some(excess) => format!("limit {}", excess.name),
        None => serde_json::to_value(error.kind)
            .unwrap()
            .as_str()
            .unwrap()
            .to_owned(),
    }
}

async fn no_system_call_reaches_out(way: Way) {
    let executor = way.executor_of(Guests::HOSTILE, &Tools::new());
    let mut failures = Vec::new();
    for (name, ..) in calls::CALLS {
        let ended = ending(&executor, name, "").await;
        if ended != endings::REFUSED {
            failures.push(format!("{name}: {ended}"));
        }
    }
    assert_eq!(failures, [] as [String; 0]);
}

async fn a_guest_that_was_taken_over_ends_only_itself(way: Way) {
    let executor = way.executor_of(Guests::HOSTILE, &Tools::new());
    let mut failures = Vec::new();
    for (name, expected) in endings::TRICKS {
        let ended = ending(&executor, name, expected).await;
        if ended != *expected {
            failures.push(format!("{name}: {ended}, not {expected}"));
        }
        assert_eq!(
            ending(&executor, "behaving", "").await,
            r#"value "fine""#,
            "{name}"
        );
    }
    assert_eq!(failures, [] as [String; 0]);
}
