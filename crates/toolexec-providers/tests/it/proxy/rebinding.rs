//! A name that means another address each time it is looked up.
//!
//! The test runs itself in a network namespace of its own, where a public address is on loopback:
//! one server is at that, and one at `127.0.0.1`, which the rules do not allow.

use std::io;
use std::net::IpAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::BoxFuture;
use serde_json::json;
use toolexec_providers::proxy::{Names, Proxy, ProxySettings};
use toolexec_providers::web::WebRule;
use toolexec_testkit::require::{Missing, require};

use super::output;
use crate::server::{Server, answer};

const PUBLIC: &str = "11.0.0.1";
const INSIDE: &str = "proxy::rebinding::inside_a_network_of_its_own";

/// Answers with a public address, then with loopback, and so on.
#[derive(Debug, Default)]
struct Rebinding(AtomicUsize);

impl Names for Rebinding {
    fn lookup<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        let count = self.0.fetch_add(1, Ordering::Relaxed);
        let address = [PUBLIC, "127.0.0.1"][count % 2];
        Box::pin(async move { Ok(vec![address.parse().unwrap()]) })
    }
}

#[test]
fn a_name_that_changes_its_address_reaches_none_that_is_not_allowed() {
    let setup =
        format!("ip link set lo up && ip address add {PUBLIC}/32 dev lo && exec \"$0\" \"$@\"");
    let own = std::env::current_exe().unwrap();
    let mut command = unshare();
    command.args(["sh", "-c", &setup]).arg(own);
    command.args(["--exact", INSIDE, "--ignored", "--nocapture"]);
    let possible = unshare().args(["ip", "link"]).output();
    let possible = possible.is_ok_and(|output| output.status.success());
    let missing = || Missing::new("unshare", "no network namespace", "allow user namespaces");
    if require(possible.then_some(()).ok_or_else(missing)).is_none() {
        return;
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{said}");
}

fn unshare() -> std::process::Command {
    #[expect(clippy::disallowed_methods, reason = "a namespace for the test itself")]
    let mut command = std::process::Command::new("timeout");
    command.args(["60", "unshare", "--user", "--map-root-user", "--net"]);
    command.stdin(Stdio::null());
    command
}

#[tokio::test]
#[ignore = "the test above runs it"]
async fn inside_a_network_of_its_own() {
    let public = Server::start_at(PUBLIC, None, |_| answer("200 OK", &[], "public")).await;
    let port = public.port();
    let private = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    private.set_nonblocking(true).unwrap();
    for (origin, tunnel) in [("http", false), ("https", true)] {
        let names = Arc::new(Rebinding::default());
        let settings = ProxySettings {
            names: Some(names.clone()),
            ..ProxySettings::default()
        };
        let rule = WebRule {
            origin: format!("{origin}://rebind.test:{port}"),
            tunnel,
            ..WebRule::default()
        };
        let proxy = Proxy::with([rule], settings).unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap().port();
        let serving = proxy.clone();
        tokio::spawn(async move { serving.serve(listener).await });
        let environment = proxy.environment(at, "/dev/null");
        let mut seen = Vec::new();
        for _ in 0..6 {
            let how = if tunnel { "--proxytunnel" } else { "" };
            let script = format!(
                "curl -s -o /dev/null -w '%{{http_code}} %{{http_connect}}' {how} \
                 http://rebind.test:{port}/ || true"
            );
            seen.push(output("sh", &["-c", &script], &environment).await);
        }
        let (let_through, refused) = if tunnel {
            ("200 200", "000 403")
        } else {
            ("200 000", "403 000")
        };
        let wanted = [let_through, refused].repeat(3);
        assert_eq!(json!(seen), json!(wanted));
        // Once for each connection: what was judged is what was connected to.
        assert_eq!(names.0.load(Ordering::Relaxed), 6);
    }
    let nobody = private.accept().map(drop).map_err(|error| error.kind());
    assert_eq!(nobody, Err(io::ErrorKind::WouldBlock));
    assert_eq!(public.requests().len(), 6);
}
