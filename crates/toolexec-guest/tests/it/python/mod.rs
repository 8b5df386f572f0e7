//! Python programs.

mod calls;
mod ends;
mod hostile;
mod humaneval;
mod traces;
mod values;

use serde_json::{Value, json};
use toolexec_wire::{CallError, GuestLimits, Language, Op, Outcome, Start};

use crate::harness::{Guest, Ran, program};

/// A program without limits: memory is counted for the whole process, where other tests run.
pub(crate) fn python(source: &str) -> Start {
    Start {
        limits: GuestLimits {
            run_ms: Some(20_000),
            ..GuestLimits::default()
        },
        ..program(Language::Python, source)
    }
}

/// Runs a program against [`tools`].
pub(crate) fn run(source: &str) -> Ran {
    Guest::new().run(python(source), tools)
}

/// The value of a program that runs against [`tools`].
pub(crate) fn value(source: &str) -> Value {
    match run(source).result {
        Ok(value) => value,
        Err(failure) => panic!("{source}\n{failure:#?}"),
    }
}

/// A few tools: `math:add`, `echo:args`, `fail:now`; the other calls answer themselves as JSON.
pub(crate) fn tools(op: &Op) -> Outcome {
    match op {
        Op::Run { tool, args } => match tool.as_str() {
            "math:add" => {
                let number = |name: &str| args[name].as_i64().unwrap_or_default();
                Outcome::Ok(json!(number("a") + number("b")))
            }
            "echo:args" => Outcome::Ok(args.clone()),
            "fail:now" => Outcome::Error(CallError {
                tool: Some(tool.clone()),
                code: "tool_error".into(),
                message: "it broke".into(),
                violations: vec![json!({"path": "/a", "rule": "type"})],
                retryable: true,
                value: json!({"detail": args.clone()}),
                hints: vec!["try another".into()],
            }),
            _ => Outcome::Error(CallError {
                tool: Some(tool.clone()),
                code: "not_found".into(),
                message: "no such tool".into(),
                ..CallError::default()
            }),
        },
        other => Outcome::Ok(serde_json::to_value(other).expect("an op is JSON")),
    }
}
