//! `toolexec serve` before the conformance suite of the protocol. What the suite asks for comes
//! from an MCP server behind it, so that the whole path is judged.

use toolexec_testkit::peers::conformance::judge_server;
use toolexec_testkit::{fake, require};

use crate::program::Place;
use crate::serving::Serving;

#[test]
fn the_server_meets_2025_11_25() {
    judge("2025-11-25", 30);
}

#[test]
fn the_server_meets_2026_07_28() {
    judge("2026-07-28", 37);
}

/// Every scenario that counts passes; the suite requires `scenarios` of them.
fn judge(revision: &str, scenarios: usize) {
    let program = fake::conformance_fixture();
    let place = Place::with_config(&format!(
        "[builtin]\nenabled = false\n\n[servers.fixture]\ncommand = {:?}\nnamespace = \"\"\n",
        program.to_string_lossy()
    ));
    let serving = Serving::start(&place, &["--mode", "direct"]);
    let Some(verdict) = require(judge_server(revision, serving.url())) else {
        return;
    };
    assert_eq!(
        (verdict.failures(), verdict.scored.len(), verdict.is_met),
        (Vec::new(), scenarios, true),
        "{}",
        verdict.said
    );
}
