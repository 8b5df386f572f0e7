//! Real servers and a real API, from the configuration to the result.

use std::fmt::Write;

use serde_json::{Value, json};
use toolexec_testkit::peers::{self, Peer};
use toolexec_testkit::require;

use crate::program::Place;

fn json_of(place: &Place, args: &[&str]) -> Value {
    let output = place.output(args, "");
    let text = String::from_utf8_lossy(&output.stdout);
    let said = String::from_utf8_lossy(&output.stderr);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}{said}"))
}

/// A section for a server as the testkit starts it.
fn section(peer: Peer, place: &Place) -> Option<String> {
    let launch = peers::require_stdio(peer, place.path())?;
    let mut text = format!(
        "[servers.{}]\ncommand = {:?}\nargs = {:?}\n",
        peer.name(),
        launch.program.to_string_lossy(),
        launch.args
    );
    for (name, value) in &launch.env {
        writeln!(text, "env.{name} = {value:?}").unwrap();
    }
    Some(text)
}

#[test]
fn real_servers_are_listed_called_and_chained() {
    let place = Place::new();
    let sections: Option<Vec<String>> = [Peer::Everything, Peer::Filesystem, Peer::Time]
        .into_iter()
        .map(|peer| section(peer, &place))
        .collect();
    let Some(sections) = sections else { return };
    place.write("toolexec.toml", &sections.concat());

    let doctor = json_of(&place, &["doctor", "--format", "json"]);
    let sources = doctor["sources"].as_array().unwrap();
    let tools: Vec<Value> = sources
        .iter()
        .map(|source| json!([source["name"], source["state"], source["tools"]]))
        .collect();
    assert_eq!(
        tools[1..],
        [
            json!(["everything", "ok", 13]),
            json!(["filesystem", "ok", 14]),
            json!(["time", "ok", 2])
        ]
    );
    let echo = [
        "run",
        "everything:echo",
        "message=hello",
        "--format",
        "json",
    ];
    assert_eq!(json_of(&place, &echo)["value"], "Echo: hello");
    let path = place.path().join("note.txt");
    let write = format!(
        "filesystem:write_file path={} content={{{{prev}}}}",
        path.display()
    );
    let chain = place.output(&["chain", "text:upper text=hello", &write], "");
    let said = String::from_utf8_lossy(&chain.stderr);
    assert_eq!((chain.status.code(), &*said), (Some(0), ""));
    assert_eq!(place.read("note.txt"), "HELLO");
}

#[test]
fn a_real_api_is_called_with_its_swagger_document() {
    let Some(server) = require(peers::httpbin()) else {
        return;
    };
    let place = Place::with_config(&format!(
        "[apis.httpbin]\nspec = \"spec.json\"\nbase_url = {:?}\nallow_private = true\n",
        server.url()
    ));
    place.write("spec.json", &get(server.address(), "/spec.json"));
    let tool = json_of(
        &place,
        &["search", "http get query parameters", "--format", "json"],
    );
    assert_eq!(tool["items"][0]["namespace"], "httpbin");
    let status = [
        "run",
        "httpbin:get_status_codes",
        "codes=418",
        "--format",
        "json",
    ];
    let teapot = json_of(&place, &status);
    assert_eq!(
        (&teapot["is_error"], &teapot["value"]["status"]),
        (&json!(true), &json!(418))
    );
    assert_eq!(place.output(&status, "").status.code(), Some(1));
}

/// A document over HTTP/1.0, which ends with the connection.
fn get(address: std::net::SocketAddr, path: &str) -> String {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}
