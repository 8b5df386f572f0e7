//! What came of the attacks, kept beside the tests: `docs/attacks.md` is made of these files. A
//! test whose results are others fails, so the page says what happened. A sandbox whose results were
//! never kept is not on the page; `INSTA_UPDATE=always` keeps them.

use insta::Settings;
use serde_json::{Map, Value};

use crate::support::Way;

/// An attack, what came of it, and what else it may come to: which limit is met first is a race.
pub(crate) type Ended = (String, String, Vec<&'static str>);

/// Holds the results of a suite in a sandbox against those that are kept.
#[expect(clippy::print_stderr, reason = "absence must be seen")]
pub(crate) fn record(way: Way, suite: &str, results: Vec<Ended>) {
    let path = format!(
        "{}/tests/attacks/{suite}@{way}.snap",
        env!("CARGO_MANIFEST_DIR")
    );
    let kept = kept(&path);
    if kept.is_empty() && std::env::var_os("INSTA_UPDATE").is_none() {
        eprintln!("not kept: the results of {suite} in {way}");
        return;
    }
    let one = |(name, result, others): Ended| {
        let kept = kept
            .get(&name)
            .filter(|kept| others.iter().any(|one| kept == one));
        let result = kept.cloned().unwrap_or_else(|| result.into());
        (name, result)
    };
    let results: Map<String, Value> = results.into_iter().map(one).collect();
    let text = serde_json::to_string_pretty(&results).unwrap();
    let mut settings = Settings::new();
    settings.set_snapshot_path("../attacks");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_snapshot_suffix(way.name);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(suite, text));
}

/// The results that are kept; none where there is no such file.
fn kept(path: &str) -> Map<String, Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let body = text.splitn(3, "---\n").nth(2);
    body.map_or_else(Map::new, |body| serde_json::from_str(body).unwrap())
}
