//! One local tool: run it, find it, read about it. Prints `8` first.
//!
//! `cargo run -p toolexec --example basic`

#![allow(clippy::print_stdout, reason = "an example talks to a person")]

use serde_json::json;
use toolexec::{Args, Detail, Error, Executor, Local, LocalTool};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let add = LocalTool::new("add", async |args: Args| {
        let number = |name: &str| args[name].as_f64().ok_or("not a number");
        Ok::<_, &str>(number("a")? + number("b")?)
    })
    .description("Adds two numbers")
    .input_schema(json!({
        "type": "object",
        "properties": {"a": {"type": "number"}, "b": {"type": "number"}},
        "required": ["a", "b"]
    }));
    let executor = Executor::builder()
        .local(Local::new("math").tool(add))
        .build()?;

    let result = executor.run("math:add", json!({"a": 5, "b": 3})).await?;
    println!("{}", result.value);

    for hit in executor.search("add numbers", 10).await? {
        println!("found {} ({})", hit.tool.id, hit.tool.summary);
    }
    let doc = executor.describe("math:add", Detail::Full).await?;
    println!("example arguments: {}", json!(doc.examples[0].args));

    // Every fault of the arguments is named, and nothing ran.
    if let Err(error) = executor.run("math:add", json!({"a": "five"})).await {
        println!("refused: {error}");
    }
    Ok(())
}
