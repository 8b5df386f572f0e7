//! What the doctor finds out about a sandbox that works, one that does not, and one that lies.

use std::sync::Arc;

use serde_json::{Value, json};
use toolexec_core::sandbox::{Enforcer, LimitName, Sandboxes};
use toolexec_sandbox::doctor::examine;
use toolexec_sandbox::host::HostSandbox;
use toolexec_sandbox::process::ProcessSandbox;
use toolexec_testkit::fake::sandbox::ScriptedSandbox;

use crate::support::{Guests, Way, ways};

async fn examined(sandboxes: Sandboxes) -> Value {
    serde_json::to_value(examine(&sandboxes, &sandboxes).await).unwrap()
}

/// Each limit with its verdict, but for the share of processors, which needs a control group.
fn verdicts(finding: &Value) -> Value {
    let limits = finding["limits"].as_array().unwrap().iter();
    let all = limits.filter(|limit| limit["name"] != "cpus");
    all.map(|limit| json!([limit["name"], limit["verdict"]]))
        .collect()
}

/// Every limit of containers, but for the share of processors, holds or cannot be attacked by a
/// program.
async fn limits_of_containers_hold(way: Way) {
    let sandbox = way.sandbox(Guests::REAL);
    let found = examined(Sandboxes::new().with(sandbox)).await;
    assert_eq!(found[0]["missing"], Value::Null);
    let verdicts = verdicts(&found[0]);
    let is_kept = |limit: &Value| limit[1] == "held" || limit[1] == "no_means";
    let limits = verdicts.as_array().unwrap();
    assert!(limits.iter().all(is_kept), "{verdicts}");
    assert_eq!(limits.len(), 11);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_of_runc_hold_under_attack() {
    if let Some(way) = ways::runc().found().await {
        limits_of_containers_hold(way).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_of_gvisor_hold_under_attack() {
    if let Some(way) = ways::gvisor().found().await {
        limits_of_containers_hold(way).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_limit_of_process_holds_under_attack() {
    let sandbox = ProcessSandbox::with_warm(toolexec_testkit::build::guest(), 0);
    let found = examined(Sandboxes::new().with(Arc::new(sandbox))).await;
    assert_eq!(found[0]["missing"], Value::Null);
    assert_eq!(
        verdicts(&found[0]),
        json!([
            ["run_time", "held"],
            ["wait_time", "held"],
            ["cpu_time", "held"],
            ["memory", "held"],
            ["tool_calls", "held"],
            ["parallel_calls", "held"],
            ["chain_steps", "held"],
            ["output", "held"],
            ["result", "held"],
            ["pids", "no_means"],
            ["disk", "no_means"]
        ])
    );
}

#[tokio::test]
async fn what_is_not_there_is_said_with_what_to_do() {
    let host = HostSandbox::with_warm("/nowhere/toolexec-guest", 0);
    let sandboxes = Sandboxes::new()
        .with(Arc::new(host))
        .without("docker", "this version does not have it");
    let found = examined(sandboxes).await;
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
    let found = examined(Sandboxes::new().with(Arc::new(liar))).await;
    let limits = found[0]["limits"].as_array().unwrap();
    let memory = limits.iter().find(|limit| limit["name"] == "memory");
    assert_eq!(memory.unwrap()["verdict"], "broken");
    let disk = limits.iter().find(|limit| limit["name"] == "disk");
    assert_eq!(disk.unwrap()["verdict"], "not_enforced");
}
