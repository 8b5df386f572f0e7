//! What the tests of sandboxes keep: what came of each attack, and of each limit.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Map, Value};

use crate::shell::workspace;

/// What came of each part of a suite, in the order in which it was tried.
pub(crate) type Results = Map<String, Value>;

/// Where the results are: `SUITE@SANDBOX.snap`.
const RESULTS: &str = "crates/toolexec-sandbox/tests/attacks";

/// The results of a suite by sandbox.
pub(crate) fn of(suite: &str) -> Result<BTreeMap<String, Results>> {
    let mut all = BTreeMap::new();
    let dir = workspace().join(RESULTS);
    for entry in fs::read_dir(&dir).with_context(|| format!("cannot read {RESULTS}"))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let parts = name
            .strip_suffix(".snap")
            .and_then(|name| name.split_once('@'));
        if let Some((of, sandbox)) = parts
            && of == suite
        {
            let sandbox = sandbox.to_owned();
            all.insert(sandbox, kept(&path)?);
        }
    }
    Ok(all)
}

/// What stands below the head of a snapshot.
fn kept(path: &Path) -> Result<Results> {
    let text = fs::read_to_string(path)?;
    let body = text.splitn(3, "---\n").nth(2).context("no snapshot")?;
    serde_json::from_str(body).with_context(|| format!("{} is no snapshot", path.display()))
}
