//! Real MCP clients before the program: each lists, searches, runs, chains, executes programs and
//! gives a call up.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use toolexec_testkit::peers::clients::{Sdk, inspector, require_script};
use toolexec_testkit::{fake, require};

use crate::program::Place;
use crate::serving::{Serving, home};

/// A place whose tools are those of a fake MCP server.
fn place() -> Place {
    let program = fake::mcp_server();
    let program = program.to_string_lossy();
    Place::with_config(&format!("[servers.fake]\ncommand = {program:?}\n"))
}

/// What every client reports.
fn expected() -> Value {
    json!({
        "tools": [
            "search_tools",
            "describe_tool",
            "list_namespaces",
            "list_tools",
            "list_tool_examples",
            "run_tool",
            "run_chain",
            "execute_code",
            "read_result",
        ],
        "found": "fake:add",
        "described": "fake:add",
        "run": {"sum": 5},
        "chain": {"sum": 15},
        "javascript": [2, 4, 6],
        "python": [2, 4, 6],
        "files": [
            "artifact:///hello.txt",
            "hello world",
            "image",
            "image/png",
            "iVBORw0KGgoAAAANSUhEUg==",
        ],
        "missing": "not_found",
        "cancelled": true,
    })
}

#[test]
fn the_typescript_sdk_1() {
    over_both(Sdk::Typescript1, "typescript1.mjs");
}

#[test]
fn the_typescript_client_2() {
    over_both(Sdk::Typescript2, "typescript2.mjs");
}

#[test]
fn the_python_sdk_1() {
    over_both(Sdk::Python1, "python1.py");
}

#[test]
fn the_python_sdk_2() {
    over_both(Sdk::Python2, "python2.py");
}

#[test]
fn fastmcp() {
    over_both(Sdk::Fastmcp, "use_fastmcp.py");
}

#[test]
fn the_inspector() {
    let Some(launch) = require(inspector()) else {
        return;
    };
    let place = place();
    let serving = Serving::start(&place, &[]);
    let stdio = [env!("CARGO_BIN_EXE_toolexec"), "serve"];
    let http = [serving.url(), "--transport", "http"];
    for target in [&stdio[..], &http] {
        let inspect = |method: &[&str]| -> Value {
            let output = command(&launch.program, &launch.env)
                .args(&launch.args)
                .args(target)
                .args(method)
                // The server finds its configuration there.
                .current_dir(place.path())
                .output()
                .unwrap();
            read(&output.stdout, &output.stderr)
        };
        let call = |tool: &str, args: &[&str]| -> Value {
            let mut all = vec!["--method", "tools/call", "--tool-name", tool];
            all.extend(args.iter().flat_map(|arg| ["--tool-arg", arg]));
            inspect(&all)["structuredContent"].clone()
        };
        let listed = inspect(&["--method", "tools/list"]);
        let names: Vec<&Value> = listed["tools"].as_array().unwrap().iter().collect();
        let names: Vec<&Value> = names.iter().map(|tool| &tool["name"]).collect();
        let found = call("search_tools", &["query=adds a and b", "limit=1"]);
        let run = call("run_tool", &["tool=fake:add", "args={\"a\": 2, \"b\": 3}"]);
        let steps = r#"steps=[{"tool":"fake:add","args":{"a":2,"b":3}},{"tool":"fake:add","args":{"a":"{{prev.sum}}","b":10}}]"#;
        let chain = call("run_chain", &[steps]);
        let code = "code=(await tools.fake.add({a: 1, b: 1})).sum";
        let javascript = call("execute_code", &["language=javascript", code]);
        let python = call(
            "execute_code",
            &["language=python", "code=tools.fake.add(a=1, b=1)"],
        );
        assert_eq!(
            json!([
                names,
                found["tools"][0]["id"],
                run["value"],
                chain["value"],
                javascript["value"],
                python["value"]
            ]),
            json!([
                expected()["tools"],
                "fake:add",
                {"sum": 5},
                {"sum": 15},
                2,
                {"sum": 2}
            ])
        );
    }
}

/// The same script over stdin and stdout and over HTTP.
fn over_both(sdk: Sdk, script: &str) {
    let place = place();
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
    let scratch = tempfile::tempdir().unwrap();
    let Some(launch) = require_script(sdk, &scripts, script, scratch.path()) else {
        return;
    };
    let report = |target: &Value| -> Value {
        let output = command(&launch.program, &launch.env)
            .args(&launch.args)
            .arg(target.to_string())
            .output()
            .unwrap();
        read(&output.stdout, &output.stderr)
    };
    let stdio = json!({
        "command": env!("CARGO_BIN_EXE_toolexec"),
        "args": ["serve", "--config", place.path().join("toolexec.toml")],
    });
    assert_eq!(report(&stdio), expected(), "over stdio");
    let serving = Serving::start(&place, &[]);
    let http = json!({ "url": serving.url() });
    assert_eq!(report(&http), expected(), "over HTTP");
}

#[expect(
    clippy::disallowed_methods,
    reason = "a client of the program under test"
)]
fn command(program: &Path, env: &[(String, String)]) -> Command {
    // A client that hangs ends, and the test with it.
    let mut command = Command::new("timeout");
    command
        .args(["-k", "1", "100"])
        .arg(program)
        .stdin(Stdio::null());
    command.envs(env.iter().map(|(name, value)| (name, value)));
    // Clients pass it on to the server that they start.
    command.env("HOME", home());
    command
}

fn read(stdout: &[u8], stderr: &[u8]) -> Value {
    let (out, said) = (
        String::from_utf8_lossy(stdout),
        String::from_utf8_lossy(stderr),
    );
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{said}"))
}
