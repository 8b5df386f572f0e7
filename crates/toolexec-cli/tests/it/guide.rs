//! Help, versions, completions, `init`, `schema` and the quick start.

use crate::program::{Place, assert_transcript};

macro_rules! transcripts {
    ($($name:ident: $args:expr;)*) => {
        $(
            #[test]
            fn $name() {
                assert_transcript!(Place::new().transcript(&$args));
            }
        )*
    };
}

transcripts! {
    help: ["--help"];
    help_of_run: ["run", "--help"];
    help_of_import: ["import", "--help"];
    version: ["--version"];
    an_unknown_command: ["rum", "math:add"];
    no_command: [];
    a_time_that_is_none: ["list", "--timeout", "soon"];
    quickstart: ["quickstart"];
}

#[test]
fn init_writes_a_file_once_that_works() {
    let place = Place::new();
    let first = place.transcript(&["init"]);
    let again = place.transcript(&["init"]);
    let list = place.output(&["list", "-q"], "");
    assert_eq!(list.status.code(), Some(0));
    assert_transcript!(format!("{first}\n{again}"));
}

/// What is commented out in the first file has to be right too.
#[test]
fn the_examples_of_init_are_valid() {
    let place = Place::new();
    place.output(&["init"], "");
    let text: String = place
        .read("toolexec.toml")
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(code) if code.starts_with('[') || code.contains(" = ") => format!("{code}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    assert_eq!(text.matches("\n[").count(), 6, "{text}");
    place.write("toolexec.toml", &text);
    let output = place.output(&["doctor", "builtin"], "");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn every_shell_gets_completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = Place::new().output(&["completions", shell], "");
        assert_eq!(output.status.code(), Some(0), "{shell}");
        assert!(output.stdout.len() > 1000, "{shell}");
    }
}

#[test]
fn the_committed_schema_is_current() {
    let output = Place::new().output(&["schema"], "");
    let committed = include_str!("../../../../schemas/config.schema.json");
    let is_current = output.stdout == committed.as_bytes();
    assert!(is_current, "run `cargo xtask generate`");
}

#[test]
fn every_key_of_the_configuration_is_documented() {
    let page = include_str!("../../../../docs/config.md");
    let schema: serde_json::Value =
        serde_json::from_str(include_str!("../../../../schemas/config.schema.json")).unwrap();
    let sections = [
        ("ServerSection", ""),
        ("ApiSection", ""),
        ("CommandSection", ""),
        ("RunSection", "run."),
        ("SearchSection", "search."),
        ("BuiltinSection", "builtin."),
    ];
    for (section, prefix) in sections {
        let keys = schema["$defs"][section]["properties"].as_object().unwrap();
        for key in keys.keys().filter(|key| *key != "auth") {
            let name = format!("`{prefix}{key}`");
            assert!(page.contains(&name), "{section}: {name}");
        }
    }
}
