//! `import`.

use crate::program::{Place, assert_transcript};

const CLAUDE: &str = r#"{
  "mcpServers": {
    "github": {
      "command": "npx",
      "args": ["-y", "@modelcontextprotocol/server-github"],
      "env": { "GITHUB_PERSONAL_ACCESS_TOKEN": "ghp_example", "COST": "$5" }
    },
    "My Files": { "command": "npx", "args": ["-y", "server-filesystem", "${HOME}/notes"], "disabled": true }
  }
}"#;

const VS_CODE: &str = r#"{
  // comments are fine here
  "inputs": [{ "type": "promptString", "id": "api-key", "password": true }],
  "servers": {
    "perplexity": {
      "type": "stdio",
      "command": "npx",
      "args": ["-y", "server-perplexity"],
      "env": { "PERPLEXITY_API_KEY": "${input:api-key}", "HERE": "${workspaceFolder}" },
    },
    "remote": { "type": "http", "url": "https://mcp.example.com/mcp", "headers": { "X-Team": "${env:TEAM}" } },
  },
}"#;

const CURSOR: &str = r#"{ "mcpServers": {
  "linear": { "url": "https://mcp.linear.app/sse", "type": "sse" },
  "broken": { "autoApprove": [] }
} }"#;

const OPENAPI: &str = r#"{
  "openapi": "3.0.3",
  "info": { "title": "Pet Store", "version": "1" },
  "servers": [{ "url": "https://pets.example.com" }],
  "components": { "securitySchemes": { "api_key": { "type": "apiKey", "in": "header", "name": "X-Key" } } },
  "paths": { "/pets": { "get": { "operationId": "listPets", "responses": { "200": { "description": "ok" } } } } }
}"#;

fn imported(file: &str, text: &str, args: &[&str]) -> String {
    let place = Place::new();
    place.write(file, text);
    let mut all = vec!["import", file];
    all.extend(args);
    let transcript = place.transcript(&all);
    let written = place.path().join("toolexec.toml");
    let config = if written.exists() {
        place.read("toolexec.toml")
    } else {
        "(not written)\n".to_owned()
    };
    format!("{transcript}--- toolexec.toml\n{config}")
}

#[test]
fn claude_desktop() {
    assert_transcript!(imported("claude_desktop_config.json", CLAUDE, &[]));
}

#[test]
fn vs_code() {
    assert_transcript!(imported("mcp.json", VS_CODE, &[]));
}

#[test]
fn cursor() {
    assert_transcript!(imported("mcp.json", CURSOR, &[]));
}

#[test]
fn openapi() {
    assert_transcript!(imported("petstore.json", OPENAPI, &[]));
}

#[test]
fn a_dry_run_writes_nothing() {
    assert_transcript!(imported(
        "petstore.json",
        OPENAPI,
        &["--dry-run", "--name", "pets"]
    ));
}

#[test]
fn as_json() {
    assert_transcript!(imported("mcp.json", CURSOR, &["--format", "json"]));
}

#[test]
fn what_is_no_configuration_is_refused() {
    assert_transcript!(imported("package.json", "{\"name\": \"x\"}", &[]));
}

#[test]
fn comments_are_kept_and_sections_are_not_replaced_unasked() {
    let place = Place::with_config(
        "# mine\n[run]\ntimeout = \"5s\" # short\n\n[servers.github]\ncommand = \"old\"\n",
    );
    place.write("claude.json", CLAUDE);
    let refused = place.transcript(&["import", "claude.json"]);
    let before = place.read("toolexec.toml");
    let forced = place.transcript(&["import", "claude.json", "--force"]);
    let after = place.read("toolexec.toml");
    assert_transcript!(format!(
        "{refused}--- toolexec.toml\n{before}\n{forced}--- toolexec.toml\n{after}"
    ));
}
