//! Tests of reading a configuration.

use std::path::Path;

use serde_json::json;

use super::*;

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(Path::new("toolexec.toml"), text, &|name| {
        (name == "TOKEN").then(|| "t0k".to_owned())
    })
}

fn failure(text: &str) -> String {
    let error = parse(text).expect_err(text);
    let hints: Vec<String> = error
        .hints()
        .iter()
        .map(|hint| format!("\nhint: {hint}"))
        .collect();
    format!("{error}{}", hints.concat())
}

#[test]
fn a_whole_file() {
    let config = parse(
        r#"
[servers.github]
command = "npx"
args = ["-y", "server", "${TOKEN}"]
env = { GITHUB_TOKEN = "${TOKEN}", MODE = "${MODE:-fast}" }
timeout = "1m"

[servers.remote]
url = "https://example.org/mcp"
headers.Authorization = "Bearer ${TOKEN}"
namespace = "r"

[apis.pets]
spec = "pets.yaml"
auth.key = { type = "api-key", value = "${TOKEN}" }
include = [{ tag = "pets" }]
max_response = "1MiB"

[commands.count]
program = "wc"
args = ["-l", "{{file}}", "${TOKEN}"]
input = { type = "object", properties = { file = { type = "string" } } }
output = "text"

[run]
timeout = "none"
check_output = "warn"
prefer = ["mcp", "local"]

[search]
limit = 5
"#,
    )
    .unwrap();
    let server = &config.sections.servers["github"];
    assert_eq!(server.args, ["-y", "server", "t0k"]);
    assert_eq!(server.env["GITHUB_TOKEN"], "t0k");
    assert_eq!(server.env["MODE"], "fast");
    assert_eq!(
        config.sections.servers["remote"].headers["Authorization"],
        "Bearer t0k"
    );
    let key = ApiAuth::ApiKey {
        value: "t0k".to_owned(),
        location: None,
        name: None,
    };
    assert_eq!(config.sections.apis["pets"].auth["key"], key);
    let command = &config.sections.commands["count"];
    let literal = CommandArg::One("${TOKEN}".to_owned());
    assert_eq!(command.args[2], literal, "templates are not expanded");
    assert_eq!(
        command.input,
        Some(json!({ "type": "object", "properties": { "file": { "type": "string" } } }))
    );
    assert_eq!(config.sections.run.timeout, Some(units::Time(None)));
    assert_eq!(config.sections.run.prefer, [Kind::Mcp, Kind::Local]);
    assert_eq!((config.faults, config.disabled), (vec![], vec![]));
}

#[test]
fn an_empty_file_is_fine() {
    assert_eq!(parse("").unwrap().sections, Sections::default());
}

#[test]
fn errors_name_line_column_and_what_was_expected() {
    let cases = [
        (
            "[servers.x]\ncomand = \"npx\"\n",
            "toolexec.toml:2:1: unknown key `comand`\n  |\n2 | comand = \"npx\"\n  | ^^^^^^\nhint: did you mean `command`?",
        ),
        (
            "[run]\ntimeout = 30\n",
            "toolexec.toml:2:11: invalid type: integer `30`, expected a duration such as \"30s\", \"1m30s\" or \"250ms\", or \"none\"\n  |\n2 | timeout = 30\n  |           ^^",
        ),
        (
            "[run]\ncheck_input = \"maybe\"\n",
            "toolexec.toml:2:15: unknown variant `maybe`, expected one of `error`, `warn`, `off`\n  |\n2 | check_input = \"maybe\"\n  |               ^^^^^^^",
        ),
        (
            "[servers.x]\ncommand = \"npx -y server\"\n",
            "toolexec.toml:2:11: the command of server x has spaces and no `args`\n  |\n2 | command = \"npx -y server\"\n  |           ^^^^^^^^^^^^^^^\nhint: no shell splits it; write command = \"npx\" and args = [\"-y\", \"server\"]",
        ),
        (
            "[servers.x]\n",
            "toolexec.toml:1:10: server x has neither `command` nor `url`\n  |\n1 | [servers.x]\n  |          ^\nhint: give `command` (and `args`) for a server that is started\nhint: or `url` for one that is reached over HTTP",
        ),
        (
            "[servers.x]\nurl = \"https://a\"\nenv.A = \"1\"\n",
            "toolexec.toml:3:1: `env` is for servers with a `command`; x has a `url`\n  |\n3 | env.A = \"1\"\n  | ^^^",
        ),
        (
            "[servers.\"a b\"]\ncommand = \"x\"\n",
            "toolexec.toml:1:10: \"a b\" cannot be a namespace: it takes 1 to 128 of A-Z a-z 0-9 _ . -\n  |\n1 | [servers.\"a b\"]\n  |          ^^^^^\nhint: for example: a_b",
        ),
        (
            "[apis.x]\nbase_url = \"http://a\"\n",
            "toolexec.toml:1:7: API x has no `spec`\n  |\n1 | [apis.x]\n  |       ^\nhint: give the path of its OpenAPI document: spec = \"openapi.json\"",
        ),
        (
            "[commands.x]\nprogram = \"wc\"\nargs = [\"{{file\"]\n",
            "toolexec.toml:3:1: command \"x\": \"{{file\" has {{ without }}\n  |\n3 | args = [\"{{file\"]\n  | ^^^^",
        ),
        (
            "[search]\nlimit = 0\n",
            "toolexec.toml:2:9: a limit of 0 is not from 1 to 100\n  |\n2 | limit = 0\n  |         ^",
        ),
    ];
    for (text, wanted) in cases {
        assert_eq!(failure(text), wanted, "{text}");
    }
}

#[test]
fn a_syntax_error_names_its_place() {
    let error = parse("[run]\ntimeout = \n").unwrap_err();
    assert_eq!(error.position(), Some((2, 11)));
}

#[test]
fn a_missing_variable_makes_one_source_unusable_and_names_it() {
    let config = parse(
        "[servers.a]\ncommand = \"a\"\nenv.KEY = \"${A_KEY}\"\nenv.OTHER = \"${B_KEY}\"\n[servers.b]\ncommand = \"b\"\n",
    )
    .unwrap();
    let names: Vec<&String> = config.sections.servers.keys().collect();
    assert_eq!(names, ["b"]);
    let [fault] = config.faults.as_slice() else {
        panic!("{:?}", config.faults);
    };
    assert_eq!(
        (fault.source.section, &*fault.source.namespace),
        ("servers", "a")
    );
    assert_eq!(
        fault.error.to_string(),
        "toolexec.toml:3:11: the environment variable A_KEY, which `servers.a.env.KEY` needs, is not set or empty\n  |\n3 | env.KEY = \"${A_KEY}\"\n  |           ^^^^^^^^^^"
    );
}

#[test]
fn a_disabled_source_needs_no_variables() {
    let config =
        parse("[servers.a]\ncommand = \"a\"\nenabled = false\nenv.K = \"${NO}\"\n").unwrap();
    assert_eq!(config.sections.servers.len() + config.faults.len(), 0);
    assert_eq!(config.disabled.len(), 1);
}

#[test]
fn the_schema_accepts_what_the_parser_accepts() {
    let schema = toolexec_core::schema::Schema::compile(schema().into()).unwrap();
    let file = json!({
        "servers": { "a": { "command": "x", "timeout": "1m30s" } },
        "apis": { "b": { "spec": "s.json", "max_response": 5, "redirects": "same-origin" } },
        "commands": { "c": { "program": "wc", "max_output": "1MiB" } },
        "run": { "timeout": "none", "prefer": ["mcp"] },
        "search": { "limit": 3 },
        "web": { "w": { "origin": "https://a.com", "timeout": "5s" } },
    });
    assert_eq!(schema.validate(&file), Ok(()));
    for (section, wrong) in [
        ("servers", json!({ "a": { "comand": "x" } })),
        ("run", json!({ "timeout": 30 })),
        ("commands", json!({ "c": { "args": [] } })),
        ("web", json!({ "w": { "paths": [] } })),
    ] {
        let file = json!({ section: wrong });
        assert!(schema.validate(&file).is_err(), "{file}");
    }
}

#[test]
fn rules_and_serving_are_read() {
    let config = parse(
        r#"
[run]
default_effect = "deny"

[[rules]]
name = "read"
effect = "allow"
read_only = true

[[rules]]
name = "in-srv"
effect = "deny"
tools = ["fs:*"]
except_roles = ["admin"]
args."/path" = { inside = "/srv" }

[serve]
mode = "auto"
resource = "https://tools.example.com/mcp"

[serve.keys.ci]
roles = ["dev"]
secret = "${TOKEN}"

[serve.issuers.corp]
issuer = "https://id.example.com"
jwks_url = "https://id.example.com/keys"
algorithms = ["EdDSA"]

[serve.results]
max_inline = 100
lifetime = "10m"
"#,
    )
    .unwrap();
    let sections = &config.sections;
    let names: Vec<&str> = sections.rules.iter().map(|rule| &*rule.name).collect();
    assert_eq!(names, ["read", "in-srv"]);
    assert_eq!(
        sections.rules[1].args["/path"].inside.as_deref(),
        Some("/srv")
    );
    assert!(config.policy().is_some());
    assert_eq!(sections.serve.mode, Some(ModeName::Auto));
    assert_eq!(sections.serve.keys["ci"].secret.as_deref(), Some("t0k"));
    assert_eq!(
        sections.serve.issuers["corp"].algorithms,
        [AlgorithmName::EdDSA]
    );
    assert_eq!(sections.serve.results.max_inline, Some(100));
    assert_eq!(config.serve_fault, None);
    assert!(parse("").unwrap().policy().is_none());
}

#[test]
fn a_missing_secret_keeps_the_server_from_starting_and_nothing_else() {
    let text = "[serve.keys.ci]\nsecret = \"${NO_SUCH}\"\n";
    let fault = parse(text).unwrap().serve_fault.unwrap();
    assert_eq!(
        fault.to_string(),
        "toolexec.toml:2:10: the environment variable NO_SUCH, which `serve.keys.ci.secret` needs, is not set or empty\n  |\n2 | secret = \"${NO_SUCH}\"\n  |          ^^^^^^^^^^^^"
    );
}

#[test]
fn wrong_rules_and_ways_to_serve_name_their_place() {
    let rule = |fields: &str| format!("[[rules]]\nname = \"r\"\neffect = \"deny\"\n{fields}\n");
    let cases = [
        (
            rule("args.\"/p\" = {}"),
            "toolexec.toml:4:6: rule \"r\": the condition is empty",
        ),
        (
            rule("tools = [\"a:b:1.0.0\"]"),
            "toolexec.toml:4:1: rule \"r\": \"a:b:1.0.0\" has a version; a rule is about all versions of a tool",
        ),
        (
            "[[rules]]\nname = \"r\"\neffect = \"denied\"\n".to_owned(),
            "toolexec.toml:3:10: unknown variant `denied`, expected `allow` or `deny`",
        ),
        (
            rule("caller = \"x\""),
            "toolexec.toml:4:1: unknown key `caller`",
        ),
        (
            "[serve]\nauth = \"none\"\nkeys.a.secret = \"x\"\n".to_owned(),
            "toolexec.toml:2:1: `auth = \"none\"` with keys or issuers: it is one or the other",
        ),
        (
            "[serve.keys.a]\nroles = []\n".to_owned(),
            "toolexec.toml:1:13: the key a has not exactly one of `secret`, `secret_file` and `sha256`",
        ),
        (
            "[serve.issuers.a]\nissuer = \"https://a\"\njwks_url = \"https://a/keys\"\n".to_owned(),
            "toolexec.toml:1:16: issuers need `serve.resource`",
        ),
        (
            "[serve.issuers.a]\nissuer = \"https://a\"\nalgorithms = [\"HS256\"]\n".to_owned(),
            "toolexec.toml:3:15: unknown variant `HS256`, expected one of `RS256`, `RS384`, `RS512`, `PS256`, `PS384`, `PS512`, `ES256`, `ES384`, `EdDSA`",
        ),
    ];
    for (text, wanted) in cases {
        let shown = failure(&text);
        assert_eq!(shown.lines().next(), Some(wanted), "{text}");
    }
}

#[test]
fn addresses_make_one_source_and_a_wrong_one_is_named() {
    let config = parse(
        "[web.a]\norigin = \"https://a.com\"\n[web.b]\norigin = \"https://b.com\"\nheaders.X = \"${NO}\"\n",
    )
    .unwrap();
    let names: Vec<String> = config
        .connect()
        .sources
        .iter()
        .map(|source| source.backend_ref().name.to_string())
        .collect();
    // The one whose variable is not set says so, and the other is there.
    assert_eq!(names, ["web", "b"]);
    let error = parse("[web.a]\norigin = \"a.com\"\n").unwrap_err();
    assert_eq!(
        error.to_string(),
        "toolexec.toml:1:6: \"a.com\" is no origin: write scheme and host, such as \"https://api.example.com\"\n  |\n1 | [web.a]\n  |      ^"
    );
}
