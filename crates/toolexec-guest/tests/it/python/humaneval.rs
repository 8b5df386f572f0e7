//! The problems of `HumanEval` with the solutions that come with them: how much of ordinary Python
//! the engine runs.
//!
//! The data is not part of the repository: `TOOLEXEC_HUMANEVAL` names the file `HumanEval.jsonl`.

use serde_json::Value;

use super::{python, tools};
use crate::harness::Guest;

/// How many have to pass.
const PASS: usize = 164;

#[test]
fn solutions_of_humaneval_pass() {
    let Some(path) = std::env::var_os("TOOLEXEC_HUMANEVAL") else {
        eprintln!("skipped: TOOLEXEC_HUMANEVAL does not name HumanEval.jsonl");
        return;
    };
    let text = std::fs::read_to_string(path).expect("TOOLEXEC_HUMANEVAL can be read");
    let mut failed = Vec::new();
    let mut count = 0;
    for line in text.lines() {
        let problem: Value = serde_json::from_str(line).unwrap();
        let part = |name: &str| problem[name].as_str().unwrap().to_owned();
        let source = format!(
            "{}{}\n{}\ncheck({})\n",
            part("prompt"),
            part("canonical_solution"),
            part("test"),
            part("entry_point")
        );
        count += 1;
        let mut start = python(&source);
        // One of the solutions tries some million combinations.
        start.limits.run_ms = Some(120_000);
        if let Err(failure) = Guest::new().run(start, tools).result {
            failed.push(format!(
                "{}: {:?} {}",
                part("task_id"),
                failure.kind,
                failure.message
            ));
        }
    }
    eprintln!(
        "HumanEval: {} of {count} pass; {failed:#?}",
        count - failed.len()
    );
    assert_eq!(count, 164);
    assert!(count - failed.len() >= PASS, "{failed:#?}");
}
