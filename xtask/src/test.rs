//! Runs every test and counts them.

#[path = "../../crates/toolexec-testkit/src/hostile.rs"]
pub(crate) mod hostile;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;

use anyhow::{Context, Result, bail};

use crate::guest::target_directory;
use crate::shell::{cargo, is_installed, is_root, quiet, run as run_loudly, say, workspace};
use crate::{daemons, peers, vm};
use hostile::build_static;

/// Options of `cargo xtask test`.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Options {
    /// Do not install the real programs that tests talk to.
    #[arg(long)]
    no_peers: bool,
    /// Only these packages.
    #[arg(short, long = "package", value_name = "PACKAGE")]
    packages: Vec<String>,
    /// Only tests whose name contains this.
    filter: Option<String>,
}

/// How many tests passed and failed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Count {
    passed: usize,
    failed: usize,
}

/// Runs the tests.
pub(crate) fn run(options: &Options) -> Result<()> {
    if !options.no_peers
        && let Err(error) = peers::run(&peers::Options::default())
    {
        // The tests that need them say so one by one, and fail where TOOLEXEC_REQUIRE says.
        say(format!("peers: {error:#}"));
    }
    // As root of a machine that is there for it; elsewhere the tests say what they skip.
    let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
    let daemons = (in_ci && is_root()).then(daemons::start).transpose();
    if let Err(error) = &daemons {
        say(format!("daemons: {error:#}"));
    }
    if in_ci && let Err(error) = vm::provide() {
        say(format!("vm: {error:#}"));
    }
    build_programs()?;
    let skipped = workspace().join("target").join("skipped.txt");
    fs::create_dir_all(workspace().join("target"))?;
    fs::write(&skipped, "")?;
    let mut count = Count::default();
    let mut broken = Vec::new();
    for mut suite in suites(options) {
        suite.env("TOOLEXEC_SKIPPED_LOG", &skipped);
        let status = counted(&mut suite, &mut count)?;
        if !status.success() {
            broken.push(line(&suite));
        }
    }
    report_skipped(&fs::read_to_string(&skipped)?);
    say(format!("{} passed, {} failed", count.passed, count.failed));
    if !broken.is_empty() {
        bail!("failed: {}", broken.join("; "));
    }
    if count.passed == 0 && options.filter.is_none() {
        bail!("no test ran");
    }
    Ok(())
}

/// Builds the programs that tests start, each as its test asks Cargo for it. A test has no time to
/// wait for that.
fn build_programs() -> Result<()> {
    for (package, kind, program) in [
        ("toolexec-guest", "--bin", "toolexec-guest"),
        ("toolexec-testkit", "--bin", "fake-mcp-server"),
        ("toolexec-testkit", "--bin", "conformance-fixture"),
        ("toolexec-mcp", "--example", "conformance-client"),
    ] {
        run_loudly(cargo().args(["build", "--quiet", "-p", package, kind, program]))?;
    }
    let manifest = workspace().join("crates/toolexec-hostile/Cargo.toml");
    run_loudly(&mut build_static(cargo(), &manifest, &target_directory()).0)
}

fn suites(options: &Options) -> Vec<Command> {
    let filter = options.filter.as_deref();
    let packages: Vec<&str> = if options.packages.is_empty() {
        vec!["--workspace"]
    } else {
        let each = options.packages.iter();
        each.flat_map(|package| ["-p", package]).collect()
    };
    let has_nextest = is_installed("cargo-nextest");
    let mut all = Vec::new();
    let mut tests = cargo();
    if has_nextest {
        tests.args(["nextest", "run", "--no-fail-fast"]);
        tests
            .args(&packages)
            .args(filter)
            .args(["--no-tests", "pass"]);
    } else {
        tests.args(["test", "--no-fail-fast"]);
        tests.args(&packages).args(filter);
    }
    all.push(tests);
    if has_nextest {
        let mut docs = cargo();
        docs.args(["test", "--doc", "--no-fail-fast"]);
        docs.args(&packages).args(filter);
        all.push(docs);
    }
    all
}

/// Runs a suite, shows what it says, and adds up its counts.
fn counted(suite: &mut Command, count: &mut Count) -> Result<ExitStatus> {
    say(format!("$ {}", line(suite)));
    let mut child = suite
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cargo does not start")?;
    let (sender, lines) = mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        forward(stdout, sender.clone());
    }
    if let Some(stderr) = child.stderr.take() {
        forward(stderr, sender);
    }
    for line in lines {
        if let Some(more) = read_count(&line) {
            count.passed += more.passed;
            count.failed += more.failed;
        }
        say(&line);
    }
    Ok(child.wait()?)
}

fn forward(from: impl Read + Send + 'static, to: mpsc::Sender<String>) {
    thread::spawn(move || {
        let mut reader = BufReader::new(from);
        let mut bytes = Vec::new();
        while reader
            .read_until(b'\n', &mut bytes)
            .is_ok_and(|read| read > 0)
        {
            let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
            if to.send(line).is_err() {
                return;
            }
            bytes.clear();
        }
    });
}

/// Reads a summary: `test result: ok. 3 passed; 0 failed; ...` of libtest, or
/// `Summary [ 1.2s] 5 tests run: 4 passed (1 slow), 1 failed, 0 skipped` of nextest, whose timed
/// out tests are failures too.
fn read_count(line: &str) -> Option<Count> {
    let summary = line.strip_prefix("test result: ").or_else(|| {
        line.trim_start()
            .strip_prefix("Summary ")?
            .split_once("run:")
            .map(|at| at.1)
    })?;
    let number = |word: &str| {
        let before = summary.split_once(word)?.0;
        before
            .trim_end()
            .rsplit([' ', ',', ';'])
            .next()?
            .parse()
            .ok()
    };
    Some(Count {
        passed: number(" passed").unwrap_or(0),
        failed: number(" failed").unwrap_or(0) + number(" timed out").unwrap_or(0),
    })
}

/// Tests that were skipped for want of something, which no runner shows.
fn report_skipped(log: &str) {
    let mut lines: Vec<&str> = log.lines().collect();
    lines.sort_unstable();
    lines.dedup();
    for line in &lines {
        say(format!("skipped: {line}"));
    }
}

/// The benches, each run once in test mode.
pub(crate) fn benches() -> Result<()> {
    let output = quiet(cargo().args(["metadata", "--no-deps", "--format-version", "1"]))?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let mut cargo = cargo();
        cargo
            .args(["test", "-q", "-p"])
            .args(package["name"].as_str());
        let targets = package["targets"].as_array().into_iter().flatten();
        let names: Vec<&str> = targets
            .filter(|target| target["kind"][0] == "bench")
            .filter_map(|target| target["name"].as_str())
            .collect();
        if names.is_empty() {
            continue;
        }
        for name in names {
            cargo.args(["--bench", name]);
        }
        crate::shell::run(&mut cargo)?;
    }
    Ok(())
}

fn line(command: &Command) -> String {
    let words: Vec<_> = command
        .get_args()
        .map(|arg| arg.to_string_lossy())
        .collect();
    format!("cargo {}", words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_summaries_of_both_runners() {
        let lines = [
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "test result: FAILED. 1 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out",
            "     Summary [   5.123s] 120 tests run: 118 passed (2 slow), 2 failed, 0 skipped",
            "     Summary [   5.123s] 7 tests run: 4 passed, 1 failed, 2 timed out, 0 skipped",
            "     Summary [   0.010s] 1 test run: 1 passed, 0 skipped",
            "test a ... ok",
        ];
        let count = |passed, failed| Some(Count { passed, failed });
        let read: Vec<Option<Count>> = lines.into_iter().map(read_count).collect();
        let wanted = [
            count(12, 0),
            count(1, 3),
            count(118, 2),
            count(4, 3),
            count(1, 0),
            None,
        ];
        assert_eq!(read, wanted);
    }
}
