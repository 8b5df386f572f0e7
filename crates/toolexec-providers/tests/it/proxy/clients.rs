//! Ordinary clients behind the proxy: curl, requests, httpx, and Node's fetch.

use serde_json::{Value, json};
use toolexec_providers::web::WebRule;
use toolexec_testkit::peers;
use toolexec_testkit::require::{Missing, require};

use super::{Running, SECRET, output, rule};
use crate::server::{Answer, Request, Server, answer};

const REQUESTS: &str = "\
import sys, requests
try:
    r = requests.request(sys.argv[1], sys.argv[2])
    print(r.status_code, r.text)
except requests.exceptions.ConnectionError as error:
    print(0, error)
";
const HTTPX: &str = "\
import sys, httpx
try:
    r = httpx.request(sys.argv[1], sys.argv[2], follow_redirects=True)
    print(r.status_code, r.text)
except httpx.TransportError as error:
    print(0, error)
";
const FETCH: &str = "\
const [method, url] = process.argv.slice(1);
try {
  const r = await fetch(url, { method });
  console.log(r.status, await r.text());
} catch (error) {
  console.log(0, String(error.cause ?? error));
}
";

/// A client: how it fetches.
struct Client {
    program: String,
    args: Vec<String>,
}

impl Client {
    fn script(program: impl Into<String>, args: &[&str]) -> Self {
        Self {
            program: program.into(),
            args: args.iter().map(ToString::to_string).collect(),
        }
    }

    fn curl() -> Self {
        // Like the others, it says 0 when there was no answer.
        let script = "curl -sL -X \"$1\" -w '\\n%{http_code}\\n' \"$2\" || true";
        let turned = format!("({script}) | tac | tr '\\n' ' '");
        Self::script("sh", &["-c", &turned, "curl"])
    }

    fn node() -> Result<Self, Missing> {
        let node = peers::node_program()?;
        let args = ["--input-type=module", "-e", FETCH, "--"];
        Ok(Self::script(node.to_str().unwrap(), &args))
    }

    fn python(script: &str) -> Result<Self, Missing> {
        let scratch = std::env::temp_dir();
        let python = peers::stdio(peers::Peer::Fetch, &scratch)?.program;
        Ok(Self::script(python.to_str().unwrap(), &["-c", script]))
    }

    /// The status, and what came with it.
    async fn fetch(&self, proxy: &Running, method: &str, url: &str) -> (u16, String) {
        let mut args: Vec<&str> = self.args.iter().map(String::as_str).collect();
        args.extend([method, url]);
        let printed = output(&self.program, &args, &proxy.environment()).await;
        let (status, text) = printed.trim().split_once(' ').unwrap_or((&printed, ""));
        (status.trim().parse().unwrap(), text.trim().to_owned())
    }
}

/// Answers with what it was asked, and redirects.
fn origin(request: &Request) -> Answer {
    let to = request.path().split_once("?to=").map(|(_, to)| to);
    if let Some(to) = to {
        return answer("302 Found", &[("Location", to)], "");
    }
    let seen = json!({
        "line": request.line,
        "authorization": request.header("authorization"),
        "body": request.body,
    });
    answer(
        "200 OK",
        &[("Content-Type", "application/json")],
        seen.to_string(),
    )
}

async fn obeys(client: Client) {
    let secure = Server::start_tls("api.test", origin).await;
    let plain = Server::start(origin).await;
    let (https, http) = (
        format!("https://api.test:{}", secure.port()),
        format!("http://plain.test:{}", plain.port()),
    );
    let credential = vec![("authorization".to_owned(), SECRET.into())];
    let rules = [
        WebRule {
            paths: vec!["/open/*".to_owned()],
            headers: credential,
            ..rule(https.clone())
        },
        WebRule {
            methods: vec!["GET".to_owned(), "POST".to_owned()],
            ..rule(http.clone())
        },
    ];
    let proxy = Running::start(rules, secure.certificate());
    let fetch = async |method: &str, url: String| client.fetch(&proxy, method, &url).await;

    let (status, text) = fetch("GET", format!("{https}/open/a?b=c")).await;
    let seen: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (status, seen),
        (
            200,
            json!({"line": "GET /open/a?b=c HTTP/1.1", "authorization": "[hidden]", "body": ""})
        )
    );
    assert_eq!(secure.requests()[0].header("authorization"), Some(SECRET));

    let (status, text) = fetch("POST", format!("{http}/p")).await;
    let seen: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (status, seen),
        (
            200,
            json!({"line": "POST /p HTTP/1.1", "authorization": null, "body": ""})
        )
    );

    // Of the same origin, and of one allowed origin to another.
    assert_eq!(
        fetch("GET", format!("{https}/open/x?to=/open/y")).await.0,
        200
    );
    assert_eq!(
        fetch("GET", format!("{https}/open/x?to={http}/q")).await.0,
        200
    );

    let refused = [
        ("DELETE", format!("{https}/open/a")),
        ("GET", format!("{https}/closed?key=1")),
        ("PUT", format!("{http}/p")),
        ("GET", format!("{https}/open/x?to={https}/closed")),
    ];
    for (method, url) in refused {
        assert_eq!(fetch(method, url).await.0, 403);
    }
    // A connection is refused, not a request: no client gets further than that.
    for url in [
        "https://evil.test/x".to_owned(),
        format!("{https}/open/x?to=https://evil.test/y"),
    ] {
        let (status, _) = fetch("GET", url).await;
        assert_eq!(status, 0);
    }
    assert_eq!(
        proxy.proxy.refused(),
        [
            format!("DELETE {https}/open/a is not allowed: no rule for {https} allows DELETE"),
            format!(
                "GET {https}/closed is not allowed: no rule for {https} allows GET of this path"
            ),
            format!("PUT {http}/p is not allowed: no rule for {http} allows PUT"),
            format!(
                "GET {https}/closed is not allowed: no rule for {https} allows GET of this path"
            ),
            "no rule of [web] allows evil.test:443".to_owned(),
            "no rule of [web] allows evil.test:443".to_owned(),
        ]
    );
    // What was refused was not sent.
    let lines = |server: &Server| -> Vec<String> {
        let requests = server.requests();
        requests.into_iter().map(|request| request.line).collect()
    };
    assert_eq!(
        lines(&secure),
        [
            "GET /open/a?b=c HTTP/1.1".to_owned(),
            "GET /open/x?to=/open/y HTTP/1.1".to_owned(),
            "GET /open/y HTTP/1.1".to_owned(),
            format!("GET /open/x?to={http}/q HTTP/1.1"),
            format!("GET /open/x?to={https}/closed HTTP/1.1"),
            "GET /open/x?to=https://evil.test/y HTTP/1.1".to_owned(),
        ]
    );
    assert_eq!(lines(&plain), ["POST /p HTTP/1.1", "GET /q HTTP/1.1"]);
    assert_eq!(plain.requests()[1].header("authorization"), None);
}

#[tokio::test]
async fn curl_gets_what_the_rules_allow() {
    obeys(Client::curl()).await;
}

#[tokio::test]
async fn requests_get_what_the_rules_allow() {
    if let Some(client) = require(Client::python(REQUESTS)) {
        obeys(client).await;
    }
}

#[tokio::test]
async fn httpx_gets_what_the_rules_allow() {
    if let Some(client) = require(Client::python(HTTPX)) {
        obeys(client).await;
    }
}

#[tokio::test]
async fn fetch_of_node_gets_what_the_rules_allow() {
    if let Some(client) = require(Client::node()) {
        obeys(client).await;
    }
}

/// The clients that say why a connection was refused.
#[tokio::test]
async fn a_refused_connection_says_why() {
    let proxy = Running::start([], "");
    let Some(requests) = require(Client::python(REQUESTS)) else {
        return;
    };
    let (_, said) = requests.fetch(&proxy, "GET", "https://evil.test/").await;
    let wanted = "Tunnel connection failed: 403 no rule of [web] allows evil.test:443";
    assert!(said.contains(wanted), "{said}");
    let (_, said) = Client::curl()
        .fetch(&proxy, "GET", "http://evil.test/x?key=1")
        .await;
    // One line, from its last to its first.
    assert_eq!(
        said.split("  ").collect::<Vec<_>>(),
        [
            "origin = \"http://evil.test\" [web.evil-test]",
            "To allow it, add to the configuration: Allowed: nothing.",
            "toolexec proxy: GET http://evil.test/x is not allowed: no rule of [web] names this origin"
        ]
    );
}
