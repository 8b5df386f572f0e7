//! Our client side before the conformance suite of the protocol.

use toolexec_testkit::peers::conformance::judge_client;
use toolexec_testkit::{build, require};

#[test]
fn the_client_meets_2025_11_25() {
    judge("2025-11-25", 18);
}

#[test]
fn the_client_meets_2026_07_28() {
    judge("2026-07-28", 32);
}

/// Every scenario that counts passes; the suite requires `scenarios` of them.
fn judge(revision: &str, scenarios: usize) {
    let client = build::example("conformance-client", env!("CARGO_MANIFEST_DIR"));
    let Some(verdict) = require(judge_client(revision, &client)) else {
        return;
    };
    assert_eq!(
        (verdict.failures(), verdict.scored.len(), verdict.is_met),
        (Vec::new(), scenarios, true),
        "{}",
        verdict.said
    );
}
