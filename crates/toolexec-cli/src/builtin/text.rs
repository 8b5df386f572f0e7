//! `text:*`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toolexec::{Annotations, Local, LocalTool};

/// A text.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Text {
    /// The text.
    text: String,
}

/// A text and how often.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Repeat {
    /// The text.
    text: String,
    /// How often it is repeated.
    #[schemars(range(min = 0, max = 1000))]
    times: u32,
}

/// What to replace.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Replace {
    /// The text.
    text: String,
    /// What is looked for; every occurrence is replaced.
    #[schemars(length(min = 1))]
    from: String,
    /// What takes its place.
    to: String,
}

/// The size of a text.
#[derive(Debug, Serialize, JsonSchema)]
struct Stats {
    /// Characters (Unicode scalar values).
    characters: usize,
    /// Words, between white space.
    words: usize,
    /// Lines.
    lines: usize,
}

pub(super) fn tools() -> Local {
    Local::new("text")
        .tool(
            pure(LocalTool::typed("stats", async |args: Text| {
                Ok::<_, String>(Stats {
                    characters: args.text.chars().count(),
                    words: args.text.split_whitespace().count(),
                    lines: args.text.lines().count(),
                })
            }))
            .description("Counts the characters, words and lines of a text."),
        )
        .tool(
            pure(LocalTool::typed("upper", async |args: Text| {
                Ok::<_, String>(args.text.to_uppercase())
            }))
            .description("Turns a text into capital letters."),
        )
        .tool(
            pure(LocalTool::typed("repeat", async |args: Repeat| {
                Ok::<_, String>(args.text.repeat(args.times as usize))
            }))
            .description("Repeats a text."),
        )
        .tool(
            pure(LocalTool::typed("replace", async |args: Replace| {
                Ok::<_, String>(args.text.replace(&args.from, &args.to))
            }))
            .description("Replaces every occurrence of a piece of a text."),
        )
}

fn pure(tool: LocalTool) -> LocalTool {
    tool.tags(["text", "string"]).annotations(Annotations {
        read_only: Some(true),
        idempotent: Some(true),
        open_world: Some(false),
        ..Annotations::default()
    })
}
