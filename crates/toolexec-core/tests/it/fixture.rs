//! Tools and backends that the tests share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use toolexec_core::backend::local::{Local, LocalTool};
use toolexec_core::backend::{RawContent, ToolFailure};
use toolexec_core::event::LogLevel;
use toolexec_core::index::{Index, Registration};
use toolexec_core::{
    Args, Backend, BackendCall, BackendKind, BackendRef, CallContext, Error, ErrorKind, RawOutput,
    Result, Runner, Tool,
};

/// Schema of two numbers, `a` and `b`, and nothing else.
pub(crate) fn two_numbers() -> Value {
    json!({
        "type": "object",
        "properties": {"a": {"type": "number"}, "b": {"type": "number"}},
        "required": ["a", "b"],
        "additionalProperties": false
    })
}

fn number(args: &Args, name: &str) -> f64 {
    args[name].as_f64().unwrap_or(f64::NAN)
}

/// `math`: `add`, `div` (fails on zero). `test`: `echo`, `panic`, `slow`, `noisy`, `wrong`.
pub(crate) fn index() -> Index {
    let index = Index::new();
    let math = Local::new("math")
        .tool(
            LocalTool::new("add", async |args: Args| {
                Ok::<_, String>(number(&args, "a") + number(&args, "b"))
            })
            .description("Adds two numbers")
            .input_schema(two_numbers())
            .output_schema(json!({"type": "number"})),
        )
        .tool(
            LocalTool::new("div", async |args: Args| {
                let (a, b) = (number(&args, "a"), number(&args, "b"));
                if b == 0.0 {
                    Err("division by zero")
                } else {
                    Ok(a / b)
                }
            })
            .input_schema(two_numbers()),
        );
    let test = Local::new("test")
        .tool(LocalTool::new("echo", async |args: Args| {
            Ok::<_, String>(args)
        }))
        .tool(LocalTool::new(
            "panic",
            async |_: Args| -> Result<(), String> { panic!("secret inside") },
        ))
        .tool(LocalTool::new("slow", async |args: Args| {
            let millis = args.get("ms").and_then(Value::as_u64).unwrap_or(60_000);
            tokio::time::sleep(Duration::from_millis(millis)).await;
            Ok::<_, String>(args.get("value").cloned().unwrap_or(Value::Null))
        }))
        .tool(LocalTool::with_context(
            "noisy",
            async |args: Args, cx: CallContext| {
                let count = args.get("count").and_then(Value::as_u64).unwrap_or(1);
                cx.log(LogLevel::Info, "begin").await;
                for n in 0..count {
                    cx.progress(n as f64, Some(count as f64), None).await;
                    cx.chunk(n).await;
                }
                Ok::<_, String>(count)
            },
        ))
        .tool(
            LocalTool::new("wrong", async |_: Args| Ok::<_, String>("no number"))
                .output_schema(json!({"type": "number"})),
        );
    for tools in [math, test] {
        index.register_all(tools.registrations().unwrap());
    }
    index
}

pub(crate) fn runner() -> Runner {
    Runner::new(index())
}

/// A backend that answers what it is told to.
pub(crate) struct Scripted {
    name: BackendRef,
    answer: Answer,
    pub(crate) calls: AtomicUsize,
}

#[derive(Clone)]
pub(crate) enum Answer {
    Value(Value),
    Content(RawContent),
    Failure(ToolFailure),
    Error(ErrorKind),
}

impl Scripted {
    pub(crate) fn new(kind: BackendKind, name: &str, answer: Answer) -> Arc<Self> {
        let calls = AtomicUsize::new(0);
        Arc::new(Self {
            name: BackendRef::new(kind, name),
            answer,
            calls,
        })
    }

    pub(crate) fn called(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    pub(crate) fn offer(self: &Arc<Self>, index: &Index, tool: Tool) {
        index.register(Registration::new(tool, self.clone()));
    }
}

impl Backend for Scripted {
    fn backend_ref(&self) -> &BackendRef {
        &self.name
    }

    fn call<'a>(&'a self, _: BackendCall, _: &'a CallContext) -> BoxFuture<'a, Result<RawOutput>> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let answer = match self.answer.clone() {
            Answer::Value(value) => Ok(RawOutput::Value(value)),
            Answer::Content(content) => Ok(RawOutput::Content(content)),
            Answer::Failure(failure) => Ok(RawOutput::Failure(failure)),
            Answer::Error(kind) => Err(Error::new(kind, "scripted")),
        };
        std::future::ready(answer).boxed()
    }
}
