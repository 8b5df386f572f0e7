//! `demo:*`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use toolexec::{Annotations, CallContext, Local, LocalTool};

/// How far, and how fast.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Count {
    /// The last number.
    #[schemars(range(min = 1, max = 1000))]
    to: u32,
    /// Milliseconds between two numbers.
    #[serde(default = "usual_delay")]
    #[schemars(range(max = 10_000))]
    delay_ms: u64,
}

fn usual_delay() -> u64 {
    100
}

pub(super) fn tools() -> Local {
    Local::new("demo").tool(
        LocalTool::typed_with_context("count", count)
            .description("Counts slowly and reports progress, for trying out streams.")
            .tags(["demo", "stream"])
            .annotations(Annotations {
                read_only: Some(true),
                idempotent: Some(true),
                open_world: Some(false),
                ..Annotations::default()
            }),
    )
}

async fn count(args: Count, cx: CallContext) -> Result<Vec<u32>, String> {
    let mut counted = Vec::new();
    for number in 1..=args.to {
        tokio::time::sleep(Duration::from_millis(args.delay_ms)).await;
        counted.push(number);
        cx.chunk(number).await;
        cx.progress(f64::from(number), Some(f64::from(args.to)), None)
            .await;
    }
    Ok(counted)
}
