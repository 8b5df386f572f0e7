//! What the doctor finds out about a sandbox that works, one that does not, and one that lies.

use std::sync::Arc;

use serde::Serialize;
use serde_json::json;
use toolexec_core::sandbox::{Enforcer, LimitName, Sandboxes};
use toolexec_sandbox::doctor::{Finding, LimitFinding, Verdict, examine};
use toolexec_sandbox::host::HostSandbox;
use toolexec_testkit::fake::sandbox::ScriptedSandbox;

use crate::results::record;
use crate::support::{Guests, Way};

async fn examined(sandboxes: Sandboxes) -> Vec<Finding> {
    examine(&sandboxes, &sandboxes).await
}

in_every_sandbox!(limits_hold_under_attack);

/// Every limit that somebody claims to enforce holds, and the rest no program can exceed. What was
/// found is kept: `docs/sandboxes.md` is made of it.
pub(crate) async fn limits_hold_under_attack(way: Way) {
    let sandbox = way.sandbox(Guests::REAL);
    let found = examined(Sandboxes::new().with(sandbox)).await.remove(0);
    assert!(found.missing.is_none(), "{:?}", found.missing);
    let described = found.description.unwrap();
    let isolation = in_word(&described.isolation);
    let mut results = vec![("isolation".to_owned(), isolation, Vec::new())];
    for limit in found.limits {
        let holds = match limit.verdict {
            Verdict::Held | Verdict::NoMeans => true,
            // The others have a wall that could.
            Verdict::NotEnforced => limit.by.is_empty() && way.name == "host",
            _ => false,
        };
        // These take a control group, which is not everywhere.
        let others = match limit.name {
            LimitName::Cpus => vec!["not enforced"],
            LimitName::Memory => vec!["held by guest, kernel"],
            _ => Vec::new(),
        };
        assert!(holds || limit.name == LimitName::Cpus, "{limit:?}");
        results.push((in_word(&limit.name), in_words(&limit), others));
    }
    record(way, "limits", results);
}

fn in_words(limit: &LimitFinding) -> String {
    let verdict = in_word(&limit.verdict).replace('_', " ");
    let by: Vec<String> = limit.by.iter().map(in_word).collect();
    match limit.verdict {
        Verdict::Held => format!("{verdict} by {}", by.join(", ")),
        _ => verdict,
    }
}

/// How a name is written in JSON.
fn in_word(name: &impl Serialize) -> String {
    let name = serde_json::to_value(name).unwrap();
    name.as_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_is_not_there_is_said_with_what_to_do() {
    let host = HostSandbox::with_warm("/nowhere/toolexec-guest", 0);
    let sandboxes = Sandboxes::new()
        .with(Arc::new(host))
        .without("docker", "this version does not have it");
    let found = json!(examined(sandboxes).await);
    assert_eq!(found[0]["limits"], json!([]));
    assert_eq!(
        found[0]["missing"]["hints"],
        json!(["install toolexec-guest beside toolexec: cargo build -p toolexec-guest"])
    );
    assert_eq!(found[1]["name"], "docker");
    assert_eq!(
        found[1]["missing"]["message"],
        "this version does not have it"
    );
}

#[tokio::test]
async fn a_claim_that_does_not_hold_is_found_out() {
    let liar = ScriptedSandbox::new("liar", |mut guest| async move {
        // Whatever it is given, it is done at once.
        if guest.started().await.is_some() {
            guest.done("done").await;
        }
    })
    .enforcing(vec![(LimitName::Memory, Enforcer::Kernel)]);
    let found = json!(examined(Sandboxes::new().with(Arc::new(liar))).await);
    let limits = found[0]["limits"].as_array().unwrap();
    let memory = limits.iter().find(|limit| limit["name"] == "memory");
    assert_eq!(memory.unwrap()["verdict"], "broken");
    let disk = limits.iter().find(|limit| limit["name"] == "disk");
    assert_eq!(disk.unwrap()["verdict"], "not_enforced");
}
