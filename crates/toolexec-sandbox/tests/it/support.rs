//! Executors over each way to run the guest, and the tools that programs call.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::{Value, json};
use toolexec_core::backend::local::{Local, LocalTool};
use toolexec_core::code::{CodeExecutor, Outcome, Submission};
use toolexec_core::index::Index;
use toolexec_core::sandbox::{Language, Profile, Sandbox, Sandboxes};
use toolexec_core::{Args, CallContext, DocStore, Runner};
use toolexec_sandbox::host::HostSandbox;
use toolexec_sandbox::process::ProcessSandbox;
use toolexec_sandbox::wasm::WasmSandbox;
use toolexec_testkit::{Missing, require};

/// A way to run the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Wasm,
    Process,
    Host,
}

pub(crate) const WAYS: [Way; 3] = [Way::Wasm, Way::Process, Way::Host];

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

/// One module in memory for all tests: compiling it takes seconds.
pub(crate) fn wasm() -> WasmSandbox {
    static SANDBOX: OnceLock<WasmSandbox> = OnceLock::new();
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("wasm-cache");
    SANDBOX
        .get_or_init(|| WasmSandbox::builder().cache(cache).build())
        .clone()
}

pub(crate) fn executor(way: Way, tools: &Tools) -> CodeExecutor {
    let sandboxes = match way {
        Way::Wasm => Sandboxes::new().with(Arc::new(wasm())),
        Way::Process => Sandboxes::new().with(Arc::new(ProcessSandbox::with_warm(
            toolexec_testkit::build::guest(),
            0,
        ))),
        Way::Host => Sandboxes::new()
            .allow_unsafe(true)
            .with(Arc::new(HostSandbox::with_warm(
                toolexec_testkit::build::guest(),
                0,
            ))),
    };
    let profile = match way {
        Way::Wasm | Way::Process => Profile::Standard,
        Way::Host => Profile::Dev,
    };
    CodeExecutor::builder(
        tools.runner.clone(),
        Arc::new(DocStore::default()),
        sandboxes,
    )
    .profile(profile)
    .build()
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

/// The ways and languages that are there to be tested.
pub(crate) fn ways() -> Vec<(Way, Language)> {
    let mut all = Vec::new();
    for way in WAYS {
        for language in LANGUAGES {
            if way != Way::Wasm || wasm().describe().languages.contains(&language) {
                all.push((way, language));
                continue;
            }
            let name = format!("wasm-{language:?}").to_lowercase();
            let remedy = "build the guests: cargo xtask guest";
            require::<()>(Err(Missing::new(
                name,
                "this guest is not built in",
                remedy,
            )));
        }
    }
    all
}

/// The ways and languages that are there to be tested, each with an executor and its tools.
pub(crate) fn each() -> Vec<(Way, Language, CodeExecutor, Tools)> {
    let one = |(way, language)| {
        let tools = Tools::new();
        (way, language, executor(way, &tools), tools)
    };
    ways().into_iter().map(one).collect()
}
