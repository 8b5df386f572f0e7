//! Programs that misbehave, in each language and each way to run the guest. Each has one way to
//! end, and after each of them the next program is served.

mod cases;
mod forgery;
mod memory;

use std::time::Duration;

use serde_json::json;
use toolexec_core::code::{CodeExecutor, Outcome, Submission};
use toolexec_core::sandbox::{Language, Limits};

use crate::support::{Tools, Way, run, value};
use cases::{CASES, Case, Program};

in_every_sandbox!(every_hostile_program_ends_as_it_must);

/// Little of everything, so that the test is short. Where another limit is meant, time must not
/// be the first to run out.
fn limits(ends: &str) -> Limits {
    let run_time = if ends == "limit run_time" {
        Duration::from_millis(400)
    } else {
        Duration::from_secs(60)
    };
    Limits {
        run_time: Some(run_time),
        wait_time: Some(Duration::from_millis(300)),
        memory: Some(64 << 20),
        tool_calls: Some(20),
        ..Limits::default()
    }
}

/// How a program ended, in a few words.
fn ending(outcome: &Outcome) -> String {
    let Some(error) = &outcome.error else {
        return format!("value {}", outcome.value);
    };
    let kind = serde_json::to_value(error.kind).unwrap();
    let kind = kind.as_str().unwrap();
    match (&error.limit, &error.name) {
        (Some(excess), _) => format!("limit {}", excess.name),
        (None, Some(name)) => format!("{kind} {name}"),
        (None, None) => kind.to_owned(),
    }
}

/// A program that behaves must be served whatever ran before it.
async fn serves(executor: &CodeExecutor, language: Language, after: &str) {
    let next = match language {
        Language::Python => "return tools.math.add(a=1, b=1)",
        Language::Script => "run(\"math:add\", {a: 1, b: 1})",
        _ => "return await tools.math.add({a: 1, b: 1})",
    };
    assert_eq!(value(executor, language, next).await, json!(2), "{after}");
}

/// How a program must end in a sandbox.
fn expected_in(way: Way, expected: &'static str) -> &'static str {
    let place = match way.name {
        "wasm" => "wasm",
        "process" | "host" => "processes",
        _ => "containers",
    };
    match expected.split_once("; in ") {
        Some((others, special)) => match special.split_once(' ') {
            Some((of, special)) if of == place => special,
            _ => others,
        },
        None => expected,
    }
}

async fn every_hostile_program_ends_as_it_must(way: Way) {
    let executor = way.executor(&Tools::new());
    let mut failures = Vec::new();
    for Case { name, programs } in CASES {
        for Program(language, source, expected) in *programs {
            let expected = expected_in(way, expected);
            let submission = Submission::new(*language, *source).limits(limits(expected));
            let outcome = run(&executor, submission).await;
            serves(&executor, *language, name).await;
            let ended = ending(&outcome);
            if ended != expected {
                let error = outcome.error.map(|error| error.message);
                failures.push(format!(
                    "{language:?} {name}: {ended}, not {expected}: {error:?}"
                ));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
