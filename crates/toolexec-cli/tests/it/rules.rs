//! Who may call what: on the command line, and over HTTP with a key.

use crate::program::{Place, assert_transcript};
use crate::serving::Serving;

const RULES: &str = r#"
[[rules]]
name = "no-13"
effect = "deny"
args."/b" = { equals = 13 }

[[rules]]
name = "arithmetic"
effect = "deny"
tools = ["math:*"]
except_roles = ["student"]
callers = ["ann", "bob"]

[serve.keys.ann]
roles = ["student"]
secret = "ann-0123456789abcdef"

[serve.keys.bob]
secret = "bob-0123456789abcdef"
"#;

#[test]
fn rules_hold_on_the_command_line() {
    let place = Place::with_config(RULES);
    let fine = place.transcript(&["run", "math:add", "a=1", "b=2"]);
    let denied = place.transcript(&["run", "math:add", "a=1", "b=13"]);
    let chain = place.transcript(&["chain", "math:add a=6 b=7", "math:add a=1 b={{prev}}"]);
    assert_transcript!(format!("{fine}\n{denied}\n{chain}"));
}

#[test]
fn a_server_without_credentials_says_what_to_do() {
    let place = Place::with_config("");
    let unset = place.transcript(&["serve", "--http", "127.0.0.1:0"]);
    let open = place.transcript(&["serve", "--http", "0.0.0.0:0", "--no-auth"]);
    let missing = Place::with_config("[serve.keys.ci]\nsecret = \"${TOOLEXEC_NO_SUCH_KEY}\"\n");
    let missing = missing.transcript(&["serve", "--http", "127.0.0.1:0"]);
    let short = Place::with_config("[serve.keys.ci]\nsecret = \"hunter2\"\n");
    let short = short.transcript(&["serve", "--http", "127.0.0.1:0"]);
    assert_transcript!(format!("{unset}\n{open}\n{missing}\n{short}"));
}

/// A client's configuration: the server at `url`, with this token.
fn client(url: &str, token: &str) -> Place {
    Place::with_config(&format!(
        "[servers.up]\nurl = {url:?}\nauth = {{ type = \"bearer\", token = {token:?} }}\n"
    ))
}

#[test]
fn each_caller_of_a_server_may_do_what_the_rules_say() {
    let server = Place::with_config(RULES);
    let serving = Serving::guarded(&server, &[]);
    let add = "up:run_tool";
    let args = |b: u32| format!("args={{\"a\":1,\"b\":{b}}}");
    let call = |token: &str, b: u32| {
        let output =
            client(serving.url(), token).output(&["run", add, "tool=math:add", &args(b)], "");
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&text).into_owned()
    };
    assert_eq!(call("ann-0123456789abcdef", 2), "{\n  \"value\": 3\n}\n");
    let denied = call("ann-0123456789abcdef", 13);
    assert!(
        denied.contains(r#"calling math:add is denied: rule \"no-13\""#),
        "{denied}"
    );
    let denied = call("bob-0123456789abcdef", 2);
    assert!(
        denied.contains(r#"calling math:add is denied: rule \"arithmetic\""#),
        "{denied}"
    );
    let stranger = call("eve-0123456789abcdef", 2);
    assert!(!stranger.contains("value"), "{stranger}");
    // What a caller may never call it does not see.
    let seen = |token: &str| {
        let args = ["run", "up:list_namespaces"];
        let output = client(serving.url(), token).output(&args, "");
        String::from_utf8_lossy(&output.stdout).contains("math")
    };
    assert_eq!(
        ["ann", "bob"].map(|name| seen(&format!("{name}-0123456789abcdef"))),
        [true, false]
    );
}

#[test]
fn a_large_result_is_read_with_a_filter() {
    let place = Place::with_config("[serve.results]\nmax_inline = 200\n");
    let serving = Serving::start(&place, &[]);
    let client = Place::with_config(&format!("[servers.up]\nurl = {:?}\n", serving.url()));
    let run = |args: &[&str]| {
        let output = client.output(&[&["run"], args].concat(), "");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        serde_json::from_str::<serde_json::Value>(&text).unwrap_or_else(|_| panic!("{output:?}"))
    };
    let text = "a,".repeat(500);
    let args = format!("args={}", serde_json::json!({"text": text}));
    let large = run(&["up:run_tool", "tool=text:upper", &args]);
    let handle = large["value"]["$result"].as_str().unwrap();
    let result = format!("result={handle}");
    let read = run(&["up:read_result", &result, "jq=split(\",\") | length"]);
    assert_eq!(read, serde_json::json!({"values": [501]}));
}
