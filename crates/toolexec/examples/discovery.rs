//! Finding tools and reading about them before calling one.
//!
//! `cargo run -p toolexec --example discovery`

#![allow(clippy::print_stdout, reason = "an example talks to a person")]

use serde_json::json;
use toolexec::{Args, Detail, Error, Executor, ListQuery, Local, LocalTool};

fn files() -> Local {
    let tool = |name: &str, description: &str| {
        LocalTool::new(name, async |args: Args| Ok::<_, String>(args))
            .description(description)
            .input_schema(json!({
                "type": "object",
                "properties": {"path": {"type": "string", "description": "The path of the file"}},
                "required": ["path"]
            }))
            .tags(["filesystem"])
    };
    Local::new("files")
        .tool(tool("read_file", "Reads the contents of a text file").read_only())
        .tool(tool("list_directory", "Lists what is in a directory").read_only())
        .tool(tool("move_file", "Moves or renames a file or directory"))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let executor = Executor::builder().local(files()).build()?;

    for query in ["file operations", "rename", "show me the contents"] {
        println!("{query:?}:");
        for hit in executor.search(query, 3).await? {
            let why: Vec<&str> = hit.matched.iter().map(|word| word.term.as_str()).collect();
            println!(
                "  {:.2} {} because of {}",
                hit.score,
                hit.tool.id,
                why.join(", ")
            );
        }
    }

    let mut query = ListQuery {
        limit: 2,
        ..ListQuery::default()
    };
    loop {
        let page = executor.list(&query).await?;
        let ids: Vec<String> = page.items.iter().map(|tool| tool.id.to_string()).collect();
        println!("a page: {}", ids.join(", "));
        query.cursor = page.next;
        if query.cursor.is_none() {
            break;
        }
    }

    let doc = executor.describe("files:move_file", Detail::Full).await?;
    println!("{}", serde_json::to_string_pretty(&doc).unwrap_or_default());

    // A wrong name gets the nearest right ones.
    if let Err(error) = executor.describe("files:mov_file", Detail::Summary).await {
        println!("{error}; {}", error.hints().join("; "));
    }
    Ok(())
}
