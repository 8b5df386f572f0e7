//! Programs that misbehave, in each language and each way to run the guest. Each has one way to
//! end, and after each of them the next program is served.

mod cases;
mod forgery;
mod machine;
mod memory;

use std::time::Duration;

use serde_json::json;
use toolexec_core::code::{CodeExecutor, Submission};
use toolexec_core::sandbox::{Language, Limits};
use toolexec_hostile::tricks::endings;

use crate::remains::Before;
use crate::results::record;
use crate::support::{Tools, Way, in_words, run, value};
use cases::{CASES, Case, Program};

in_every_sandbox!(every_hostile_program_ends_as_it_must);

/// Little of everything, so that the test is short. Where another limit is meant, time must not
/// be the first to run out.
fn limits(ends: &[&str]) -> Limits {
    let run_time = if ends.contains(&"limit run_time") {
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

/// A program that behaves must be served whatever ran before it.
async fn serves(executor: &CodeExecutor, language: Language, after: &str) {
    let next = match language {
        Language::Python => "return tools.math.add(a=1, b=1)",
        Language::Script => "run(\"math:add\", {a: 1, b: 1})",
        _ => "return await tools.math.add({a: 1, b: 1})",
    };
    assert_eq!(value(executor, language, next).await, json!(2), "{after}");
}

pub(crate) async fn every_hostile_program_ends_as_it_must(way: Way) {
    let executor = way.executor(&Tools::new());
    // What is made once, such as an image, is no leftover.
    for language in [Language::JavaScript, Language::Python] {
        serves(&executor, language, "nothing").await;
    }
    let before = Before::new();
    let mut failures = Vec::new();
    let mut results = Vec::new();
    for (name, Program(language, source, ends)) in programs() {
        let expected = endings(ends, &[way.name, way.kind()]);
        let submission = Submission::new(*language, *source).limits(limits(&expected));
        let outcome = run(&executor, submission).await;
        serves(&executor, *language, &name).await;
        let ended = in_words(&outcome);
        if !expected.contains(&&*ended) {
            let error = outcome.error.map(|error| error.message);
            failures.push(format!("{name}: {ended}, not {expected:?}: {error:?}"));
        }
        failures.extend(before.left().await.map(|what| format!("{name}: {what}")));
        results.push((name, ended, expected));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    record(way, "programs", results);
}

/// Every program with a name of its own.
fn programs() -> impl Iterator<Item = (String, &'static Program)> {
    let named = |Case { name, programs }: &'static Case| {
        programs.iter().enumerate().map(move |(at, program)| {
            let before = programs[..at].iter();
            let again = before.filter(|one| one.0 == program.0).count();
            let language = format!("{:?}", program.0);
            let name = match again {
                0 => format!("{name} ({language})"),
                again => format!("{name} ({language} {})", again + 1),
            };
            (name, program)
        })
    };
    CASES.iter().chain(machine::CASES).flat_map(named)
}
