//! What tools cost a model, counted with real tokenizers.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tiktoken_rs::{CoreBPE, cl100k_base, o200k_base};
use toolexec_testkit::{Missing, fake, require};

use crate::program::Place;
use crate::rpc::Rpc;

/// The most that the list of tools may cost in meta mode.
const MOST: usize = 1_000;
const TRANSCRIPT: &str = "../../docs/transcript.md";

fn tokens(tokenizer: &CoreBPE, value: &Value) -> usize {
    tokenizer.encode_ordinary(&value.to_string()).len()
}

#[test]
fn the_tools_of_meta_mode_cost_at_most_a_thousand_tokens() {
    let place = Place::with_config("");
    let tools = Value::Array(Rpc::start(&place, &[]).tools());
    let newer = tokens(&o200k_base().unwrap(), &tools);
    let older = tokens(&cl100k_base().unwrap(), &tools);
    println!("o200k: {newer} tokens, cl100k: {older} tokens");
    assert!(newer <= MOST, "o200k: {newer} tokens of {MOST}");
    assert!(older <= MOST, "cl100k: {older} tokens of {MOST}");
}

/// The corpus of lists that real servers gave.
fn real_tools() -> Result<Vec<PathBuf>, Missing> {
    let missing = |reason: &str| {
        let remedy = "set TOOLEXEC_TEST_DATA to the directory of test data";
        Missing::new("mcp-tools", reason, remedy)
    };
    let root = std::env::var_os("TOOLEXEC_TEST_DATA")
        .ok_or_else(|| missing("TOOLEXEC_TEST_DATA is not set"))?;
    let entries = fs::read_dir(Path::new(&root).join("mcp-tools"))
        .map_err(|error| missing(&error.to_string()))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    Ok(files)
}

#[test]
fn real_tools_are_cheaper_to_search_than_to_list() {
    let Some(files) = require(real_tools()) else {
        return;
    };
    let program = fake::mcp_server();
    let mut config = "[builtin]\nenabled = false\n".to_owned();
    for file in &files {
        let name = file.file_stem().unwrap().to_string_lossy();
        let args = ["--tools", &*file.to_string_lossy()];
        writeln!(
            config,
            "[servers.{name}]\ncommand = {program:?}\nargs = {args:?}"
        )
        .unwrap();
    }
    let place = Place::with_config(&config);
    let direct = Rpc::start(&place, &["--mode", "direct"]).tools();
    let meta = Rpc::start(&place, &["--mode", "meta"]).tools();
    let tokenizer = o200k_base().unwrap();
    let cost = |tools: &[Value]| tokens(&tokenizer, &json!(tools));
    let (dear, cheap) = (cost(&direct), cost(&meta));
    println!(
        "{} servers: {} tools directly cost {dear} tokens, {} meta tools {cheap}",
        files.len(),
        direct.len(),
        meta.len()
    );
    assert_eq!(direct.len(), count(&files), "every tool is listed");
    assert!(cheap * 20 < dear, "{cheap} against {dear}");
}

/// How many tools the files have.
fn count(files: &[PathBuf]) -> usize {
    let of = |file: &PathBuf| -> usize {
        let document: Value = serde_json::from_reader(fs::File::open(file).unwrap()).unwrap();
        document["tools"].as_array().unwrap().len()
    };
    files.iter().map(of).sum()
}

#[test]
fn the_transcript_in_the_documentation_is_what_happens() {
    let place = Place::with_config("");
    let mut rpc = Rpc::start(&place, &[]);
    let tokenizer = o200k_base().unwrap();
    let listed = Value::Array(rpc.tools());
    let mut page = format!(
        "# A conversation over MCP\n\n\
         What a model sends and reads when `toolexec serve` is its MCP server, here with the built-in\n\
         tools. Tokens are counted with o200k; a test writes this page and keeps it true.\n\n\
         The list of tools, once for the whole conversation: {} tokens.\n",
        tokens(&tokenizer, &listed)
    );
    let words = "return Promise.all(inputs.texts.map((text) => tools.text.stats({ text })));";
    let steps = [
        (
            "The person asks which of two texts is longer. The model looks for a tool.",
            "search_tools",
            json!({"query": "count the words of a text", "limit": 2}),
        ),
        (
            "It reads how the best one is called.",
            "describe_tool",
            json!({"tool": "text:stats"}),
        ),
        (
            "It writes one program instead of two calls.",
            "execute_code",
            json!({
                "language": "javascript",
                "code": words.replace("inputs.texts", "texts"),
                "inputs": {"texts": ["to be or not to be", "that is the question"]},
            }),
        ),
        (
            "A wrong name costs little: the answer says which are near.",
            "run_tool",
            json!({"tool": "text:stat", "args": {"text": "to be"}}),
        ),
    ];
    let mut total = 0;
    for (why, tool, args) in steps {
        let result = rpc.call(tool, &args);
        let answer = &result["structuredContent"];
        let (sent, read) = (tokens(&tokenizer, &args), tokens(&tokenizer, answer));
        total += sent + read;
        write!(
            page,
            "\n{why}\n\n```json\n{tool} {args:#}\n```\n\n{sent} tokens. The answer, {read} tokens:\n\n\
             ```json\n{answer:#}\n```\n"
        )
        .unwrap();
    }
    writeln!(page, "\nAll calls and answers together: {total} tokens.").unwrap();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(TRANSCRIPT);
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        fs::write(&file, &page).unwrap();
    }
    let written = fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(
        written, page,
        "write docs/transcript.md anew with INSTA_UPDATE=always"
    );
}
