//! The conformance suite of the protocol: it judges a client or a server.

use std::path::Path;
use std::process::Stdio;

use super::{entry, node, serve, text};
use crate::require::Missing;

const KIT: &str = "mcp-conformance";
/// The longest a run may take, in seconds.
const LIFETIME: &str = "170";

/// What the suite found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The scenarios that count.
    pub scored: Vec<Scenario>,
    /// Those that it ran besides: extensions, and what came after the revision.
    pub unscored: Vec<Scenario>,
    /// Whether the suite says that the revision is met.
    pub is_met: bool,
    /// All that it said.
    pub said: String,
}

/// One scenario of the suite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// How many of its checks passed.
    pub passed: u32,
    /// How many failed.
    pub failed: u32,
}

/// Judges a client: the suite starts `program` once for each scenario that `revision` requires,
/// with a URL as its last argument.
///
/// # Errors
/// When the suite is not installed or does not start.
pub fn judge_client(revision: &str, program: &Path) -> Result<Verdict, Missing> {
    run("client", "--command", &text(program), revision)
}

/// Judges the server at `url` by the scenarios that `revision` requires.
///
/// # Errors
/// When the suite is not installed or does not start.
pub fn judge_server(revision: &str, url: &str) -> Result<Verdict, Missing> {
    run("server", "--url", url, revision)
}

impl Verdict {
    /// The scored scenarios that did not pass, and those that checked nothing.
    pub fn failures(&self) -> Vec<&Scenario> {
        let is_failure = |scenario: &&Scenario| scenario.failed > 0 || scenario.passed == 0;
        self.scored.iter().filter(is_failure).collect()
    }
}

fn run(leg: &str, option: &str, value: &str, revision: &str) -> Result<Verdict, Missing> {
    let failed = |reason: String| Missing::new(KIT, reason, "run `cargo xtask peers`");
    let script = "node_modules/@modelcontextprotocol/conformance/dist/index.js";
    let output = serve::command(Path::new("timeout"))
        .args(["-k", "1", LIFETIME])
        .arg(node(KIT)?)
        .arg(entry(KIT, script)?)
        .args([leg, option, value, "--requirements", revision])
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| failed(format!("does not start: {error}")))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    let (scored, unscored) = scenarios(&said);
    if scored.is_empty() {
        return Err(failed(format!("it judged nothing: {said}")));
    }
    Ok(Verdict {
        scored,
        unscored,
        is_met: output.status.success(),
        said,
    })
}

/// Reads `✓ NAME: N passed, M failed` of the summary; `  ✓ NAME (REASON)` names what does not
/// count.
fn scenarios(said: &str) -> (Vec<Scenario>, Vec<Scenario>) {
    let unscored: Vec<&str> = said
        .lines()
        .filter_map(|line| line.strip_prefix("  ✓ ").or(line.strip_prefix("  ✗ ")))
        .filter_map(|line| line.split_once(" (").map(|(name, _)| name))
        .collect();
    said.lines()
        .filter_map(scenario)
        .partition(|scenario| !unscored.contains(&scenario.name.as_str()))
}

fn scenario(line: &str) -> Option<Scenario> {
    let line = line.strip_prefix("✓ ").or(line.strip_prefix("✗ "))?;
    let (name, counts) = line.rsplit_once(": ")?;
    let (passed, rest) = counts.split_once(" passed, ")?;
    let (failed, _) = rest.split_once(" failed")?;
    Some(Scenario {
        name: name.to_owned(),
        passed: passed.parse().ok()?,
        failed: failed.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_is_read() {
        let said = "\
=== SUITE SUMMARY ===

✓ tools_call: 2 passed, 0 failed
✗ sse-retry: 1 passed, 1 failed, 1 warnings
✗ auth/dpop: 11 passed, 3 failed

Total: 14 passed, 4 failed, 0 warnings

Not scored for 2025-11-25: 1 scenario(s) run, 1 failing. These do not affect conformance.
  ✗ auth/dpop (extension)
";
        let scenario = |name: &str, passed, failed| Scenario {
            name: name.to_owned(),
            passed,
            failed,
        };
        assert_eq!(
            scenarios(said),
            (
                vec![scenario("tools_call", 2, 0), scenario("sse-retry", 1, 1)],
                vec![scenario("auth/dpop", 11, 3)]
            )
        );
    }
}
