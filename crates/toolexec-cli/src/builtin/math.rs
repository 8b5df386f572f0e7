//! `math:*`.

use schemars::JsonSchema;
use serde::Deserialize;
use toolexec::{Annotations, Local, LocalTool};

/// Two numbers.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Pair {
    /// The first number.
    a: f64,
    /// The second number.
    b: f64,
}

/// Any number of numbers.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Numbers {
    /// The numbers.
    numbers: Vec<f64>,
}

pub(super) fn tools() -> Local {
    Local::new("math")
        .tool(pair("add", "Adds two numbers.", |a, b| Ok(a + b)))
        .tool(pair(
            "subtract",
            "Subtracts the second number from the first.",
            |a, b| Ok(a - b),
        ))
        .tool(pair(
            "multiply",
            "Multiplies two numbers.",
            |a, b| Ok(a * b),
        ))
        .tool(pair(
            "divide",
            "Divides the first number by the second.",
            divide,
        ))
        .tool(
            pure(LocalTool::typed("sum", async |args: Numbers| {
                finite(args.numbers.iter().sum())
            }))
            .description("Adds up a list of numbers."),
        )
}

fn pair(name: &str, description: &str, function: fn(f64, f64) -> Result<f64, String>) -> LocalTool {
    let tool = LocalTool::typed(name, move |args: Pair| {
        std::future::ready(function(args.a, args.b).and_then(finite))
    });
    pure(tool).description(description)
}

fn pure(tool: LocalTool) -> LocalTool {
    tool.tags(["math", "arithmetic"]).annotations(Annotations {
        read_only: Some(true),
        idempotent: Some(true),
        open_world: Some(false),
        ..Annotations::default()
    })
}

fn divide(a: f64, b: f64) -> Result<f64, String> {
    if b == 0.0 {
        return Err(format!("cannot divide {a} by zero"));
    }
    Ok(a / b)
}

/// JSON has no infinity.
fn finite(number: f64) -> Result<f64, String> {
    if number.is_finite() {
        Ok(number)
    } else {
        Err("the result is too large for a number".to_owned())
    }
}
