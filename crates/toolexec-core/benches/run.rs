//! What the run path costs: a local tool from request to result, and validation alone.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::{Value, json};
use toolexec_core::backend::local::{Local, LocalTool};
use toolexec_core::index::Index;
use toolexec_core::schema::Schema;
use toolexec_core::{Args, Request, Runner};

fn math() -> Runner {
    let add = LocalTool::new("add", async |args: Args| {
        let number = |name: &str| args[name].as_f64().ok_or("not a number");
        Ok::<_, &str>(number("a")? + number("b")?)
    })
    .input_schema(json!({
        "type": "object",
        "properties": {"a": {"type": "number"}, "b": {"type": "number"}},
        "required": ["a", "b"],
        "additionalProperties": false
    }))
    .output_schema(json!({"type": "number"}));
    let index = Index::new();
    index.register_all(
        Local::new("math")
            .tool(add)
            .registrations()
            .unwrap_or_default(),
    );
    Runner::new(index)
}

/// The time of `count` calls, awaited one after the other inside one runtime, so that entering
/// the runtime is not part of a call.
fn time_calls(runtime: &tokio::runtime::Runtime, runner: &Runner, count: u64) -> Duration {
    runtime.block_on(async {
        let started = Instant::now();
        for _ in 0..count {
            let request = Request::new("math:add", json!({"a": 5, "b": 3}));
            assert!(black_box(runner.run(request).await).is_ok());
        }
        started.elapsed()
    })
}

fn run(c: &mut Criterion) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
    else {
        return;
    };
    let runner = math();
    c.bench_function("run/local/math_add", |b| {
        b.iter_custom(|count| time_calls(&runtime, &runner, count));
    });
    c.bench_function("run/baseline/arguments_only", |b| {
        b.iter(|| black_box(json!({"a": 5, "b": 3})));
    });
}

/// An issue tracker's "create issue": fifteen fields of the kinds real tools have.
fn issue_schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "owner": {"type": "string", "minLength": 1, "maxLength": 39},
            "repo": {"type": "string", "pattern": "^[A-Za-z0-9._-]+$"},
            "title": {"type": "string", "minLength": 1, "maxLength": 256},
            "body": {"type": "string"},
            "labels": {"type": "array", "items": {"type": "string"}, "maxItems": 20},
            "assignees": {"type": "array", "items": {"type": "string"}, "uniqueItems": true},
            "milestone": {"type": ["integer", "null"], "minimum": 1},
            "priority": {"enum": ["low", "medium", "high", "urgent"]},
            "state": {"type": "string", "enum": ["open", "closed"], "default": "open"},
            "estimate": {"type": "number", "exclusiveMinimum": 0},
            "due": {"type": "string", "format": "date"},
            "private": {"type": "boolean"},
            "parent": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
            "fields": {"type": "object", "additionalProperties": {"type": "string"}},
            "watchers": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"login": {"type": "string"}, "role": {"type": "string"}},
                    "required": ["login"]
                }
            }
        },
        "required": ["owner", "repo", "title"],
        "additionalProperties": false
    })
}

fn issue() -> Value {
    json!({
        "owner": "octocat", "repo": "hello-world", "title": "Crash when the list is empty",
        "body": "Steps to reproduce: open the page without any items.",
        "labels": ["bug", "needs-triage"], "assignees": ["octocat", "hubot"],
        "milestone": null, "priority": "high", "state": "open", "estimate": 2.5,
        "due": "2026-12-01", "private": false, "parent": 17,
        "fields": {"team": "core", "area": "lists"},
        "watchers": [{"login": "a", "role": "author"}, {"login": "b"}]
    })
}

fn validate(c: &mut Criterion) {
    let Ok(schema) = Schema::compile(Arc::new(issue_schema())) else {
        return;
    };
    let good = issue();
    assert_eq!(schema.validate(&good), Ok(()));
    c.bench_function("validate/fields_15/fits", |b| {
        b.iter(|| schema.validate(black_box(&good)).is_ok());
    });
    let mut bad = issue();
    bad["priority"] = json!("whatever");
    bad["labels"] = json!("bug");
    c.bench_function("validate/fields_15/two_violations", |b| {
        b.iter(|| schema.validate(black_box(&bad)).is_err());
    });
}

criterion_group!(benches, run, validate);
criterion_main!(benches);
