//! The real programs start and answer.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use toolexec_testkit::peers::{self, Launch, Peer, Served};
use toolexec_testkit::require;

#[test]
fn every_mcp_server_answers_initialize() {
    for &peer in Peer::ALL {
        let scratch = tempfile::tempdir().unwrap();
        let Some(launch) = peers::require_stdio(peer, scratch.path()) else {
            continue;
        };
        let answer = initialize(&launch);
        assert_eq!(
            (
                answer["id"].clone(),
                answer["result"]["serverInfo"]["name"].is_string()
            ),
            (json!(1), true),
            "{}: {answer}",
            peer.name()
        );
    }
}

#[test]
fn prism_mocks_a_document_and_ends_with_its_handle() {
    let scratch = tempfile::tempdir().unwrap();
    let document = scratch.path().join("api.json");
    let api = json!({
        "openapi": "3.0.3",
        "info": { "title": "t", "version": "1" },
        "paths": { "/ping": { "get": { "responses": { "200": {
            "description": "ok",
            "content": { "application/json": { "example": { "pong": true } } },
        } } } } },
    });
    fs::write(&document, api.to_string()).unwrap();
    let Some(server) = require(peers::prism(&document)) else {
        return;
    };
    assert_eq!(get(&server, "/ping"), "{\"pong\":true}");
    let address = server.address();
    drop(server);
    assert!(TcpStream::connect(address).is_err(), "it still listens");
}

#[test]
fn httpbin_serves() {
    let Some(server) = require(peers::httpbin()) else {
        return;
    };
    let answer: Value = serde_json::from_str(&get(&server, "/get?a=1")).unwrap();
    assert_eq!(answer["args"], json!({ "a": "1" }));
}

#[test]
fn the_document_of_github_is_there() {
    let Some(path) = require(peers::github_openapi()) else {
        return;
    };
    let document: Value = serde_json::from_reader(fs::File::open(path).unwrap()).unwrap();
    assert_eq!(
        document["info"]["title"],
        "GitHub's official OpenAPI spec + Octokit extension"
    );
}

#[expect(
    clippy::disallowed_methods,
    reason = "the testkit must not lean on what it tests"
)]
fn initialize(launch: &Launch) -> Value {
    let mut child = Command::new(&launch.program)
        .args(&launch.args)
        .env_clear()
        .envs(launch.env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let request = json!({
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": { "name": "toolexec-testkit", "version": "0" },
        },
    });
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "{request}").unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    serde_json::from_str(&line).unwrap()
}

/// The body of a `GET`, as HTTP/1.0 sends it: up to the end of the connection.
fn get(server: &Served, path: &str) -> String {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.0\r\nAccept: application/json\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}
