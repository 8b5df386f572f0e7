//! What every suite needs: the ways to run guests, and the tools that programs call.

#[macro_use]
pub(crate) mod ways;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use toolexec_core::backend::local::{Local, LocalTool};
use toolexec_core::code::{CodeExecutor, Outcome, Submission};
use toolexec_core::index::Index;
use toolexec_core::sandbox::Language;
use toolexec_core::{Args, CallContext, Runner};

pub(crate) use ways::{Guests, Way};

/// The languages in which every case is written.
pub(crate) const LANGUAGES: [Language; 2] = [Language::JavaScript, Language::Python];

/// Tools that programs of the tests call, and how many ran at the same time.
#[derive(Debug, Clone)]
pub(crate) struct Tools {
    pub(crate) runner: Runner,
    most: Arc<AtomicUsize>,
}

impl Tools {
    pub(crate) fn new() -> Self {
        let (in_flight, most) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let index = Index::new();
        let numbers = json!({
            "type": "object",
            "properties": {"a": {"type": "number"}, "b": {"type": "number"}},
            "required": ["a", "b"],
            "additionalProperties": false
        });
        let math = Local::new("math")
            .tool(
                LocalTool::new("add", async |args: Args| {
                    let number = |name: &str| args[name].as_f64().ok_or("not a number");
                    Ok::<_, &str>(number("a")? + number("b")?)
                })
                .input_schema(numbers),
            )
            .tool(LocalTool::new("fail", async |_: Args| {
                Err::<(), _>("it does that always")
            }));
        let (running, peak) = (in_flight, most.clone());
        let test = Local::new("test")
            .tool(LocalTool::new("slow", move |args: Args| {
                let (running, peak) = (running.clone(), peak.clone());
                async move {
                    let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                    peak.fetch_max(now, Ordering::SeqCst);
                    let ms = args.get("ms").and_then(Value::as_u64).unwrap_or(60_000);
                    tokio::time::sleep(Duration::from_millis(ms)).await;
                    running.fetch_sub(1, Ordering::SeqCst);
                    Ok::<_, String>(ms)
                }
            }))
            .tool(LocalTool::new("echo", async |args: Args| {
                Ok::<_, String>(args)
            }));
        for tools in [math, test] {
            index.register_all(tools.registrations().unwrap());
        }
        Self {
            runner: Runner::new(index),
            most,
        }
    }

    /// Other tools.
    pub(crate) fn of(runner: Runner) -> Self {
        Self {
            runner,
            most: Arc::default(),
        }
    }

    /// The most calls of `test:slow` that ran at the same time.
    pub(crate) fn most_in_flight(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }
}

pub(crate) async fn run(executor: &CodeExecutor, submission: Submission) -> Outcome {
    let outcome = executor.execute(submission, &CallContext::new()).await;
    outcome.expect("the submission is taken")
}

/// Runs a program that must have a value.
pub(crate) async fn value(executor: &CodeExecutor, language: Language, source: &str) -> Value {
    let outcome = run(executor, Submission::new(language, source)).await;
    assert_eq!(outcome.error, None, "{source}");
    outcome.value
}

/// How a program ended, in a few words: its value, the limit that ended it, or the kind of its
/// error.
pub(crate) fn in_words(outcome: &Outcome) -> String {
    let Some(error) = &outcome.error else {
        let text = outcome.value.as_str().map(str::to_owned);
        return text.unwrap_or_else(|| outcome.value.to_string());
    };
    let kind = serde_json::to_value(error.kind).unwrap();
    let kind = kind.as_str().unwrap();
    match (&error.limit, &error.name) {
        (Some(excess), _) => format!("limit {}", excess.name),
        (None, Some(name)) => format!("{kind} {name}"),
        (None, None) => kind.to_owned(),
    }
}
