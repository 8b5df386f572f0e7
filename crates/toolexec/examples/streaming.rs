//! What happens while a tool runs, as it happens; and how to stop it.
//!
//! `cargo run -p toolexec --example streaming`

#![allow(clippy::print_stdout, reason = "an example talks to a person")]

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::{Value, json};
use toolexec::{Args, CallContext, Error, Event, Executor, Local, LocalTool, LogLevel, Request};

fn tools() -> Local {
    let count = LocalTool::with_context("count", async |args: Args, cx: CallContext| {
        let to = args.get("to").and_then(Value::as_u64).unwrap_or(3);
        cx.log(LogLevel::Info, format!("counting to {to}")).await;
        for n in 1..=to {
            tokio::time::sleep(Duration::from_millis(20)).await;
            #[expect(clippy::cast_precision_loss, reason = "a small number")]
            cx.progress(n as f64, Some(to as f64), None).await;
            cx.chunk(n).await;
        }
        Ok::<_, String>(to)
    });
    Local::new("demo").tool(count)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let executor = Executor::builder().local(tools()).build()?;

    let mut events = executor.stream(Request::new("demo:count", json!({"to": 3})));
    while let Some(event) = events.next().await {
        match event {
            Event::Started { tool, backend } => println!("started {tool} on {backend}"),
            Event::Progress {
                progress, total, ..
            } => println!("progress {progress} of {total:?}"),
            Event::Chunk { data } => println!("chunk {data}"),
            Event::Log { data, .. } => println!("log {data}"),
            Event::Done { result } => println!("done: {}", result.value),
            Event::Error { error } => println!("failed: {}", error.message),
            other => println!("{other:?}"),
        }
    }

    let cx = CallContext::new().with_timeout(Duration::from_millis(50));
    let request = Request::new("demo:count", json!({"to": 1000})).with_context(cx);
    let last = executor.stream(request).collect::<Vec<_>>().await.pop();
    if let Some(Event::Error { error }) = last {
        println!("stopped: {} ({})", error.message, error.code);
    }
    Ok(())
}
