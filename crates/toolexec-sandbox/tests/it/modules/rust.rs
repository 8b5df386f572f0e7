//! The example of docs/wasm.md, compiled by rustc.

use std::process::Command;

use serde_json::{Value, json};
use toolexec_core::backend::local::{Local, LocalTool};
use toolexec_core::code::Submission;
use toolexec_core::index::Index;
use toolexec_core::{Args, Runner};
use toolexec_testkit::{Missing, require};

use super::{ended, executor};
use crate::support::{Tools, run};

const TARGET: &str = "wasm32-wasip1";

/// The text of the example, and its value.
fn example() -> (&'static str, Value) {
    let page = include_str!("../../../../../docs/wasm.md");
    let (_, rest) = page.split_once("<!-- value: ").unwrap();
    let (value, rest) = rest.split_once(" -->\n```rust\n").unwrap();
    let (text, _) = rest.split_once("\n```").unwrap();
    (text, serde_json::from_str(value).unwrap())
}

/// Compiles a program, where the target is installed.
#[expect(clippy::disallowed_methods, reason = "a test's own tool")]
fn compiled(text: &str) -> Result<Vec<u8>, Missing> {
    let directory = tempfile::tempdir().unwrap();
    let (source, module) = (
        directory.path().join("program.rs"),
        directory.path().join("program.wasm"),
    );
    std::fs::write(&source, text).unwrap();
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .args(["--edition", "2024", "--target", TARGET, "-O", "-o"])
        .args([&module, &source])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    if errors.contains("target may not be installed") {
        let remedy = format!("rustup target add {TARGET}");
        return Err(Missing::new(TARGET, "the target is not installed", remedy));
    }
    assert!(output.status.success(), "{errors}");
    Ok(std::fs::read(&module).unwrap())
}

fn tools() -> Tools {
    let add = LocalTool::new("add", async |args: Args| {
        let number = |name: &str| args[name].as_i64().ok_or("not a number");
        Ok::<_, &str>(number("a")? + number("b")?)
    });
    let stats = LocalTool::new("stats", async |args: Args| {
        let text = args["text"].as_str().unwrap_or_default();
        Ok::<_, String>(json!({"words": text.split(' ').count()}))
    });
    let index = Index::new();
    for tools in [Local::new("math").tool(add), Local::new("text").tool(stats)] {
        index.register_all(tools.registrations().unwrap());
    }
    Tools::of(Runner::new(index))
}

#[tokio::test]
async fn the_example_of_the_page_has_its_value() {
    let (text, value) = example();
    let Some(module) = require(compiled(text)) else {
        return;
    };
    let ran = run(&executor(&tools()), Submission::module(module)).await;
    assert_eq!(ended(&ran), (value, None));
    assert_eq!(ran.stdout, "stats: {\"words\":6}\n");
    assert_eq!(ran.usage.tool_calls, 4);
}

#[tokio::test]
async fn a_panic_is_told_on_stderr_and_files_are_not_there() {
    let text = r#"
        use std::time::{Duration, Instant};
        fn main() {
            let error = std::fs::read_to_string("/etc/passwd").unwrap_err();
            println!("{:?}", std::env::vars().count() + std::env::args().count());
            let before = Instant::now();
            std::thread::sleep(Duration::from_millis(5));
            assert!(before.elapsed() >= Duration::from_millis(5));
            panic!("{}", error.kind());
        }"#;
    let Some(module) = require(compiled(text)) else {
        return;
    };
    let ran = run(&executor(&tools()), Submission::module(module)).await;
    let message = "the module trapped: wasm `unreachable` instruction executed";
    assert_eq!(ended(&ran), (Value::Null, Some(message)));
    assert_eq!(ran.stdout, "0\n");
    // First it says where.
    let mut lines = ran.stderr.lines().filter(|line| !line.is_empty());
    assert_eq!(lines.nth(1), Some("entity not found"));
}
