//! `install`.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use serde_json::{Value, json};

use crate::program::{Place, assert_transcript};

const VS_CODE: &str = "\
{
\t// servers of mine
\t\"inputs\": [],
\t\"servers\": {
\t\t\"github\": { \"type\": \"http\", \"url\": \"https://example.com/mcp\" }, // remote
\t},
}
";
const CODEX: &str = "\
model = \"large\" # mine

[mcp_servers.docs]
command = \"docs\"
";

/// What the program said at each command line, with the file after it.
fn told(place: &Place, file: &str, lines: &[&[&str]]) -> String {
    let mut all = String::new();
    for args in lines {
        all += &place.transcript(args);
        all.extend(["--- ", file, "\n", &shown(place, file), "\n"]);
    }
    all
}

fn shown(place: &Place, file: &str) -> String {
    let text = fs::read_to_string(place.path().join(file));
    let text = text.unwrap_or_else(|_| "(none)".to_owned());
    text.replace(env!("CARGO_BIN_EXE_toolexec"), "[TOOLEXEC]")
        .replace(&*place.path().to_string_lossy(), "[DIR]")
}

#[test]
fn vs_code_in_and_out_again() {
    let place = Place::with_config("");
    fs::create_dir_all(place.path().join(".vscode")).unwrap();
    place.write(".vscode/mcp.json", VS_CODE);
    let install: &[&str] = &["install", "--client", "vscode", "--project"];
    let dry = [install, &["--dry-run"]].concat();
    let uninstall = [install, &["--uninstall"]].concat();
    assert_transcript!(told(
        &place,
        ".vscode/mcp.json",
        &[&dry, install, install, &uninstall, &uninstall]
    ));
    // The last state is the first, and both steps left what was there before them.
    assert_eq!(place.read(".vscode/mcp.json"), VS_CODE);
    assert_eq!(place.read(".vscode/mcp.json.bak"), VS_CODE);
    assert!(place.read(".vscode/mcp.json.bak.1").contains("toolexec"));
}

#[test]
fn codex_with_a_variable_then_a_url() {
    let place = Place::new();
    fs::create_dir_all(place.path().join(".codex")).unwrap();
    place.write(".codex/config.toml", CODEX);
    let install = ["install", "--client", "codex"];
    let started = [
        &install[..],
        &["--env", "TOKEN=t", "--", "--mode", "direct"],
    ]
    .concat();
    let url = "http://127.0.0.1:8080/mcp";
    let remote = [&install[..], &["--http", url, "--header", "X-Key: k"]].concat();
    let uninstall = [&install[..], &["--uninstall"]].concat();
    assert_transcript!(told(
        &place,
        ".codex/config.toml",
        &[&started, &remote, &uninstall]
    ));
    assert_eq!(place.read(".codex/config.toml"), CODEX);
}

#[test]
fn each_client_gets_its_own_form() {
    let place = Place::new();
    let mut all = String::new();
    for client in [
        "claude-desktop",
        "claude-code",
        "vscode",
        "cursor",
        "codex",
        "windsurf",
        "zed",
        "gemini",
    ] {
        all += &place.transcript(&["install", "--client", client, "--print"]);
    }
    assert_transcript!(all);
}

#[test]
fn a_client_without_a_file_gets_one_for_its_user_alone() {
    let place = Place::new();
    assert_transcript!(told(
        &place,
        ".cursor/mcp.json",
        &[&["install", "--client", "cursor"], &["install"]]
    ));
    let mode = fs::metadata(place.path().join(".cursor/mcp.json")).unwrap();
    assert_eq!(mode.permissions().mode() & 0o777, 0o600);
}

#[test]
fn what_cannot_be_changed_stays_as_it_is() {
    let place = Place::new();
    let mut all = String::new();
    for broken in [
        "{\n  \"mcpServers\": {\n    \"a\": 1\n    \"b\": 2\n  }\n}\n",
        "[]\n",
        "{ \"mcpServers\": [] }\n",
        "{ \"mcpServers\": {}, \"mcpServers\": {} }\n",
        "{ \"mcpServers\": { \"toolexec\": { \"command\": \"npx\" } } }\n",
    ] {
        place.write(".claude.json", broken);
        all += &place.transcript(&["install", "--client", "claude-code"]);
        assert_eq!(place.read(".claude.json"), broken);
    }
    place.write("config.toml", "a = \n");
    let toml = ["install", "--client", "codex", "--path", "config.toml"];
    all += &place.transcript(&toml);
    assert_eq!(place.read("config.toml"), "a = \n");
    assert_transcript!(all);
    let files: Vec<_> = fs::read_dir(place.path()).unwrap().flatten().collect();
    assert_eq!(
        files.len(),
        2,
        "no backup of what was not changed: {files:?}"
    );
}

#[test]
fn wrong_options_are_refused() {
    let place = Place::new();
    let mut all = String::new();
    for args in [
        &["--client", "claude-desktop", "--http", "http://x"][..],
        &["--client", "windsurf", "--project"],
        &["--client", "cursor", "--name", "a b"],
        &["--client", "cursor", "--http", "localhost:80"],
        &[
            "--client", "cursor", "--http", "http://x", "--header", "secret",
        ],
        &["--client", "cursor", "--env", "NOT_SET"],
        &["--client", "emacs"],
    ] {
        all += &place.transcript(&[&["install"], args].concat());
    }
    assert_transcript!(all);
}

#[test]
fn a_link_stays_a_link_and_the_user_keeps_what_is_his() {
    let place = Place::with_config("");
    fs::create_dir_all(place.path().join(".gemini")).unwrap();
    fs::create_dir_all(place.path().join("dotfiles")).unwrap();
    let own = json!({ "mcpServers": { "toolexec": {
        "command": "/old/toolexec", "args": [], "trust": true, "env": { "A": "1" },
    } } });
    place.write("dotfiles/gemini.json", &own.to_string());
    symlink(
        place.path().join("dotfiles/gemini.json"),
        place.path().join(".gemini/settings.json"),
    )
    .unwrap();
    let output = place.output(&["install", "--client", "gemini", "--env", "B=2"], "");
    assert!(output.status.success(), "{output:?}");
    let link = fs::symlink_metadata(place.path().join(".gemini/settings.json")).unwrap();
    assert!(link.is_symlink());
    let written: Value = serde_json::from_str(&place.read("dotfiles/gemini.json")).unwrap();
    let config = fs::canonicalize(place.path().join("toolexec.toml")).unwrap();
    assert_eq!(
        written,
        json!({ "mcpServers": { "toolexec": {
            "command": env!("CARGO_BIN_EXE_toolexec"),
            "args": ["serve", "--config", config],
            "env": { "A": "1", "B": "2" },
            "trust": true,
        } } })
    );
}
