//! Everything together: typed handlers, a policy, several backends of one tool, notes and
//! examples for readers, search, a chain, a stream, and a watcher of the index.
//!
//! `cargo run -p toolexec --example full`

#![allow(clippy::print_stdout, reason = "an example talks to a person")]

use std::sync::Arc;

use futures_util::StreamExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use toolexec::core::context::Caller;
use toolexec::core::run::{Decision, Policy, PolicyRequest};
use toolexec::{
    CallContext, Detail, DocEntry, Error, Event, Example, Executor, Local, LocalTool, Request, Step,
};

#[derive(Deserialize, JsonSchema)]
struct Convert {
    /// The amount to convert.
    amount: f64,
    /// The currency to convert to.
    to: Currency,
}

#[derive(Deserialize, Serialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "UPPERCASE")]
enum Currency {
    Eur,
    Usd,
}

#[derive(Serialize, JsonSchema)]
struct Converted {
    amount: f64,
    currency: Currency,
}

/// Nobody but the treasurer may convert more than a thousand.
struct Limits;

impl Policy for Limits {
    fn authorize(&self, request: &PolicyRequest<'_>) -> Decision {
        let amount = request
            .args
            .get("amount")
            .and_then(serde_json::Value::as_f64);
        let treasurer = request
            .caller
            .is_some_and(|caller| caller.name == "treasurer");
        if amount.unwrap_or(0.0) > 1000.0 && !treasurer {
            return Decision::Deny {
                reason: "amounts over 1000 are for the treasurer".into(),
            };
        }
        Decision::Allow
    }
}

fn bank() -> Local {
    let convert = LocalTool::typed("convert", async |args: Convert| {
        let rate = match args.to {
            Currency::Eur => 0.9,
            Currency::Usd => 1.0,
        };
        Ok::<_, String>(Converted {
            amount: args.amount * rate,
            currency: args.to,
        })
    });
    Local::new("bank").tool(
        convert
            .description("Converts an amount of dollars to a currency")
            .tags(["money"]),
    )
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let executor = Executor::builder()
        .local(bank())
        .policy(Arc::new(Limits))
        .build()?;
    let mut changes = executor.index().subscribe();
    executor.register(&Local::new("math").tool(LocalTool::new(
        "double",
        async |args: toolexec::Args| {
            args["n"]
                .as_f64()
                .map(|n| n * 2.0)
                .ok_or("n is not a number")
        },
    )))?;
    if let Ok(change) = changes.try_recv() {
        println!("{:?} {}", change.kind, change.id);
    }

    let key = executor
        .index()
        .find("bank:convert")?
        .tool()
        .id
        .key()
        .clone();
    let example = Example {
        title: "Ten dollars in euros".into(),
        args: json!({"amount": 10, "to": "EUR"})
            .as_object()
            .cloned()
            .unwrap_or_default(),
        ..Example::default()
    };
    let notes = Some("Rates are those of the day.".to_owned());
    executor.docs().register_doc(
        &key,
        DocEntry {
            notes,
            examples: vec![example],
            ..DocEntry::default()
        },
    )?;

    let best = executor
        .search("exchange dollars into another currency", 1)
        .await?
        .remove(0);
    let doc = executor
        .describe(&best.tool.id.to_string(), Detail::Full)
        .await?;
    println!("{}: {}", doc.tool.id, doc.notes.unwrap_or_default());

    let refused = executor
        .run("bank:convert", json!({"amount": 5000, "to": "EUR"}))
        .await;
    println!(
        "refused: {}",
        refused
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    );
    let treasurer = Arc::new(Caller {
        name: "treasurer".into(),
        roles: Vec::new(),
    });
    let request = Request::new("bank:convert", json!({"amount": 5000, "to": "EUR"}))
        .with_context(CallContext::new().with_caller(treasurer));
    println!("allowed: {}", executor.call(request).await?.value);

    let outcome = executor
        .chain([
            Step::call("bank:convert", json!({"amount": 10, "to": "EUR"})),
            Step::call("math:double", json!({"n": "{{prev.amount}}"})),
        ])
        .await?;
    println!("chained: {}", outcome.value);

    let events = executor.stream(Request::new("math:double", json!({"n": 21})));
    if let Some(Event::Done { result }) = events.collect::<Vec<_>>().await.pop() {
        println!("streamed: {}", result.value);
    }
    executor.shutdown().await;
    Ok(())
}
