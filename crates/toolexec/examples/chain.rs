//! Steps that feed each other: `use_previous`, templates, groups and loops.
//!
//! `cargo run -p toolexec --example chain`

#![allow(clippy::print_stdout, reason = "an example talks to a person")]

use serde_json::{Value, json};
use toolexec::{Args, Error, Executor, Local, LocalTool, Step};

/// An issue tracker in memory, with the tools of the same names that a real one has.
fn github() -> Local {
    Local::new("github")
        .tool(LocalTool::new("create_issue", async |args: Args| {
            Ok::<_, String>(json!({"number": 17, "title": args["title"]}))
        }))
        .tool(LocalTool::new("add_labels", async |args: Args| {
            let issue = args
                .get("issue")
                .or(args.get("previous").map(|issue| &issue["number"]));
            let issue = issue.cloned().unwrap_or(Value::Null);
            Ok::<_, String>(json!({"issue": issue, "labels": args["labels"]}))
        }))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let executor = Executor::builder().local(github()).build()?;

    let outcome = executor
        .chain([
            Step::call("github:create_issue", json!({"title": "Bug report"})),
            Step::call("github:add_labels", json!({"labels": ["bug"]})).use_previous(),
        ])
        .await?;
    println!("final result: {}", outcome.value);
    for step in &outcome.steps {
        println!(
            "{}: {} -> {}",
            step.path,
            step.tool.as_deref().unwrap_or("group"),
            step.value
        );
    }

    let outcome = executor
        .chain([
            Step::call("github:create_issue", json!({"title": "Bug report"})).named("create"),
            Step::call(
                "github:add_labels",
                json!({"issue": "{{prev.number}}", "labels": ["bug", "for #{{steps.create.number}}"]}),
            ),
        ])
        .await?;
    println!("with templates: {}", outcome.value);

    let label = |label: &str| {
        let args = json!({"issue": "{{prev.number}}", "labels": [label]});
        Step::call("github:add_labels", args)
    };
    let outcome = executor
        .chain([
            Step::call("github:create_issue", json!({"title": "Bug report"})),
            Step::parallel([label("bug"), label("urgent")]),
            Step::call(
                "github:create_issue",
                json!({"title": "Part {{index}}: {{item.labels[0]}}"}),
            )
            .for_each("{{prev}}"),
        ])
        .await?;
    println!("in parallel, then for each: {}", outcome.value);
    Ok(())
}
