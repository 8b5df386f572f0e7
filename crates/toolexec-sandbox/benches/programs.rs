//! What a program costs: a fresh guest, one call and its result; a thousand calls; a hundred at
//! the same time.

#![expect(clippy::expect_used, reason = "a bench fails by panicking")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use toolexec_core::backend::local::{Local, LocalTool};
use toolexec_core::code::{CodeExecutor, Submission};
use toolexec_core::index::Index;
use toolexec_core::sandbox::{Language, Limits, Profile, Sandbox, Sandboxes};
use toolexec_core::{Args, CallContext, DocStore, Runner};
use toolexec_sandbox::host::HostSandbox;
use toolexec_sandbox::wasm::WasmSandbox;

const LANGUAGES: [(&str, Language); 2] = [
    ("javascript", Language::JavaScript),
    ("python", Language::Python),
];

fn runner() -> Runner {
    let add = LocalTool::new("add", async |args: Args| {
        let number = |name: &str| args[name].as_f64().ok_or("not a number");
        Ok::<_, &str>(number("a")? + number("b")?)
    });
    let wait = LocalTool::new("wait", async |_: Args| {
        tokio::time::sleep(Duration::from_millis(50)).await;
        Ok::<_, String>(Value::Null)
    });
    let index = Index::new();
    let tools = Local::new("math").tool(add).tool(wait);
    index.register_all(tools.registrations().unwrap_or_default());
    Runner::new(index)
}

fn executor(sandbox: Arc<dyn Sandbox>, profile: Profile) -> CodeExecutor {
    let sandboxes = Sandboxes::new().allow_unsafe(true).with(sandbox);
    CodeExecutor::builder(runner(), Arc::new(DocStore::default()), sandboxes)
        .profile(profile)
        .build()
}

/// Runs a program in a task of the runtime, as a server does.
async fn run(executor: &CodeExecutor, submission: Submission, expected: &Value) {
    let executor = executor.clone();
    let program = async move { executor.execute(submission, &CallContext::new()).await };
    let outcome = tokio::spawn(program).await.expect("it does not panic");
    let outcome = outcome.expect("the submission is taken");
    assert_eq!((&outcome.value, &outcome.error), (expected, &None));
}

fn text<'a>(language: Language, javascript: &'a str, python: &'a str) -> &'a str {
    match language {
        Language::Python => python,
        _ => javascript,
    }
}

/// `1 + 1` and one call.
fn one_call(language: Language) -> Submission {
    let source = text(
        language,
        "return 1 + 1 + await tools.math.add({a: 1, b: 2})",
        "return 1 + 1 + tools.math.add(a=1, b=2)",
    );
    Submission::new(language, source)
}

fn wasm(c: &mut Criterion, runtime: &Runtime) {
    let cache = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("wasm-cache");
    let sandbox = WasmSandbox::builder().cache(cache).build();
    runtime.block_on(sandbox.warm_up()).expect("wasm runs here");
    let executor = executor(Arc::new(sandbox.clone()), Profile::Standard);
    for (name, language) in LANGUAGES {
        if !sandbox.describe().languages.contains(&language) {
            continue;
        }
        for (form, check) in [("fresh", false), ("fresh_checked", true)] {
            c.bench_function(&format!("program/wasm/{name}/{form}"), |b| {
                b.iter_custom(|count| {
                    runtime.block_on(async {
                        let started = Instant::now();
                        for _ in 0..count {
                            run(&executor, one_call(language).check(check), &json!(5)).await;
                        }
                        started.elapsed()
                    })
                });
            });
        }
        many_calls(c, runtime, &executor, &format!("wasm/{name}"), language);
    }
    module(c, runtime, &executor);
}

/// A module of a user that makes one call, compiled before.
fn module(c: &mut Criterion, runtime: &Runtime, executor: &CodeExecutor) {
    let module: Arc<[u8]> = Arc::from(*include_bytes!("../../toolexec/examples/call.wasm"));
    for (form, check) in [("fresh", false), ("fresh_checked", true)] {
        c.bench_function(&format!("program/wasm/module/{form}"), |b| {
            b.iter_custom(|count| {
                runtime.block_on(async {
                    let started = Instant::now();
                    for _ in 0..count {
                        let submission = Submission::module(module.clone()).check(check);
                        run(executor, submission, &json!(8)).await;
                    }
                    started.elapsed()
                })
            });
        });
    }
}

fn host(c: &mut Criterion, runtime: &Runtime) {
    let sandbox = HostSandbox::with_warm(toolexec_testkit::build::guest(), 1);
    let executor = executor(Arc::new(sandbox.clone()), Profile::Dev);
    for (name, language) in LANGUAGES {
        c.bench_function(&format!("program/host/{name}/warm"), |b| {
            b.iter_custom(|count| {
                runtime.block_on(async {
                    let mut spent = Duration::ZERO;
                    for _ in 0..count {
                        sandbox.warm_up().await.expect("the guest starts");
                        // Let the child settle in its read.
                        tokio::time::sleep(Duration::from_millis(2)).await;
                        let started = Instant::now();
                        run(&executor, one_call(language).check(false), &json!(5)).await;
                        spent += started.elapsed();
                    }
                    spent
                })
            });
        });
        many_calls(c, runtime, &executor, &format!("host/{name}"), language);
    }
}

fn many_calls(
    c: &mut Criterion,
    runtime: &Runtime,
    executor: &CodeExecutor,
    name: &str,
    language: Language,
) {
    let limits = Limits {
        tool_calls: Some(10_000),
        parallel_calls: Some(100),
        ..Limits::default()
    };
    let sequential = text(
        language,
        "let n = 0; for (let i = 0; i < 1000; i++) n = await tools.math.add({a: n, b: 1});
         return n",
        "n = 0\nfor i in range(1000):\n    n = tools.math.add(a=n, b=1)\nreturn n",
    );
    let parallel = text(
        language,
        "return (await Promise.all([...Array(100).keys()].map(() => tools.math.wait({})))).length",
        "import asyncio\nreturn len(await asyncio.gather(*[tools.math.wait() for _ in range(100)]))",
    );
    let cases = [
        ("1000_sequential_calls", sequential, 1000),
        ("100_parallel_calls_of_50ms", parallel, 100),
    ];
    for (case, source, expected) in cases {
        c.bench_function(&format!("calls/{name}/{case}"), |b| {
            b.iter_custom(|count| {
                runtime.block_on(async {
                    let started = Instant::now();
                    for _ in 0..count {
                        let submission = Submission::new(language, source)
                            .limits(limits)
                            .check(false);
                        run(executor, submission, &json!(expected)).await;
                    }
                    started.elapsed()
                })
            });
        });
    }
}

fn benches(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    wasm(c, &runtime);
    host(c, &runtime);
}

criterion_group! {
    name = programs;
    config = Criterion::default()
        .sample_size(20)
        .measurement_time(Duration::from_secs(2))
        .warm_up_time(Duration::from_millis(500));
    targets = benches
}
criterion_main!(programs);
