//! Guests that were taken over: what native code can do behind each wall, how the host takes what
//! they say, and where they may die. After each of them the next program is served, nothing of it
//! is left, and nothing that the host put there to be found was found.

use serde_json::Value;
use std::time::Duration;
use toolexec_core::code::{CodeExecutor, Outcome, Submission};
use toolexec_core::sandbox::{Isolation, Language, Limits};
use toolexec_hostile::calls::{CALLS, Class};
use toolexec_hostile::tricks::{EVERY_CALL, TRICKS, endings};

use crate::bait::Bait;
use crate::remains::Before;
use crate::results::record;
use crate::support::{Guests, Tools, Way, in_words, run};

behind_every_wall!(
    no_system_call_reaches_out,
    a_guest_that_was_taken_over_ends_only_itself,
);

/// What the kernel answers to everything that is not on the list of `process`.
const ON_NO_LIST: &str = "EPERM";
/// Time enough for what ends by itself.
const LONG: Duration = Duration::from_mins(1);

pub(crate) async fn no_system_call_reaches_out(way: Way) {
    let executor = way.executor_of(Guests::HOSTILE, &Tools::new());
    let outcome = run(&executor, attack(EVERY_CALL, LONG)).await;
    assert_eq!(
        outcome.error,
        None,
        "after {:?}",
        outcome.stdout.lines().last()
    );
    let has_own_kernel = way.sandbox(Guests::REAL).describe().isolation == Isolation::Vm;
    let mut failures = Vec::new();
    let mut results = Vec::new();
    for (name, class, ..) in CALLS {
        let said = match class {
            Class::Ending => in_words(&run(&executor, attack(name, LONG)).await),
            _ => outcome.value[name].as_str().unwrap().to_owned(),
        };
        let result = match &*said {
            "allowed" => "harmless",
            error if error.starts_with(['E', 'e']) => "refused",
            end => end,
        };
        let holds = match (way.name, class) {
            ("process", _) => said == ON_NO_LIST,
            (_, Class::Outside) => result == "refused" || has_own_kernel,
            _ => true,
        };
        if !holds {
            failures.push(format!("{name}: {said}"));
        }
        results.push((name.to_string(), result.to_owned(), Vec::new()));
    }
    behaves(&executor, EVERY_CALL).await;
    assert_eq!(failures, [] as [String; 0]);
    record(way, "calls", results);
}

pub(crate) async fn a_guest_that_was_taken_over_ends_only_itself(way: Way) {
    let executor = way.executor_of(Guests::HOSTILE, &Tools::new());
    // What is made once, such as an image, is no leftover.
    behaves(&executor, "nothing").await;
    let bait = Bait::new();
    let before = Before::new();
    let mut failures = Vec::new();
    let mut results = Vec::new();
    for (name, ends) in TRICKS {
        let expected = endings(ends, &[way.name, way.kind()]);
        let run_time = if expected.contains(&"limit run_time") {
            Duration::from_millis(300)
        } else {
            LONG
        };
        let outcome = run(&executor, bait.told(attack(name, run_time))).await;
        let ended = in_words(&outcome);
        if !expected.contains(&ended.as_str()) {
            failures.push(format!(
                "{name}: {ended}, not {expected:?}: {:?}",
                why(&outcome)
            ));
        }
        behaves(&executor, name).await;
        failures.extend(bait.taken().map(|what| format!("{name}: {what}")));
        failures.extend(before.left().await.map(|what| format!("{name}: {what}")));
        results.push((name.to_string(), ended, expected));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    record(way, "tricks", results);
}

fn attack(name: &str, run_time: Duration) -> Submission {
    let limits = Limits {
        run_time: Some(run_time),
        wait_time: Some(Duration::from_secs(20)),
        memory: Some(64 << 20),
        ..Limits::default()
    };
    Submission::new(Language::JavaScript, name).limits(limits)
}

async fn behaves(executor: &CodeExecutor, after: &str) {
    let outcome = run(executor, Submission::new(Language::JavaScript, "behaving")).await;
    assert_eq!(
        (outcome.error, outcome.value),
        (None, Value::from("fine")),
        "after {after}"
    );
}

fn why(outcome: &Outcome) -> Option<&str> {
    outcome.error.as_ref().map(|error| error.message.as_str())
}
