//! The page about sandboxes: what each holds and costs, from what tests and benches keep.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::{Map, Value};

use crate::guest::target_directory;
use crate::results;
use crate::shell::{say, workspace};

/// Medians in milliseconds, by sandbox and by how the guest was started.
type Measured = BTreeMap<String, BTreeMap<String, f64>>;

/// Where the medians are kept.
const MEASURED: &str = "crates/toolexec-sandbox/benches/measured.json";

/// A sandbox that there is.
struct Row {
    name: &'static str,
    /// What the first toolexec called it, where it had it.
    seed: &'static str,
    /// How it is run for real.
    exercised: &'static str,
}

const IN_CI: &str = "in CI, for real";

const ROWS: &[Row] = &[
    Row {
        name: "host",
        seed: "unsafe",
        exercised: IN_CI,
    },
    Row {
        name: "wasm",
        seed: "wasm",
        exercised: IN_CI,
    },
    Row {
        name: "process",
        seed: "",
        exercised: IN_CI,
    },
    Row {
        name: "runc",
        seed: "",
        exercised: IN_CI,
    },
    Row {
        name: "containerd",
        seed: "containerd",
        exercised: IN_CI,
    },
    Row {
        name: "docker",
        seed: "docker",
        exercised: IN_CI,
    },
    Row {
        name: "gvisor",
        seed: "gvisor",
        exercised: IN_CI,
    },
    Row {
        name: "qemu",
        seed: "",
        exercised: "in CI, for real, without KVM",
    },
    Row {
        name: "firecracker",
        seed: "firecracker",
        exercised: "in CI against a double of its API; for real on an emulated KVM: \
                    `FIRECRACKER_BIN=PATH cargo xtask vm --firecracker`",
    },
    Row {
        name: "kata",
        seed: "kata",
        exercised: "in CI as far as the error of a shim that is missing; for real where a daemon has \
                    it: `toolexec doctor --sandboxes`",
    },
];

/// The limits that sandboxes differ in, with their heads.
const LIMITS: [(&str, &str); 6] = [
    ("run_time", "run time"),
    ("cpu_time", "CPU time"),
    ("memory", "memory"),
    ("cpus", "cpus"),
    ("pids", "pids"),
    ("disk", "disk"),
];

/// The page.
pub(crate) fn page() -> Result<Vec<u8>> {
    let limits = results::of("limits")?;
    let suites = ["programs", "calls", "tricks"]
        .into_iter()
        .map(results::of)
        .collect::<Result<Vec<_>>>()?;
    let measured = measured()?;
    let mut page = String::from(
        "# Sandboxes\n\n\
         Every sandbox that is built in, from the weakest wall to the strongest. Each limit was \
         attacked by the doctor (`toolexec doctor --sandboxes` does it on your machine): `held`, by \
         whom, or `no means` where no program in the guest's own languages can exceed it; native code \
         tries it among the attacks. Limits that the host alone counts \
         (tool calls, output, result, waiting) are held in all of them. Times are medians of a \
         program with one tool call, two cores, in milliseconds: its guest started for it, and \
         started ahead; they are what `cargo xtask measured` found in the benches last.\n\n",
    );
    write!(page, "| sandbox | in the first toolexec | isolation |")?;
    for (_, head) in LIMITS {
        write!(page, " {head} |")?;
    }
    page.push_str(" [attacks](attacks.md) | cold, ms | warm, ms | run for real |\n");
    writeln!(page, "|{}", "---|".repeat(LIMITS.len() + 7))?;
    for row in ROWS {
        let found = limits.get(row.name);
        write!(page, "| [{0}](limits/{0}.md) | {1} |", row.name, row.seed)?;
        for key in ["isolation"].into_iter().chain(LIMITS.map(|(key, _)| key)) {
            write!(page, " {} |", text(found, key))?;
        }
        let attacks: usize = suites
            .iter()
            .filter_map(|suite| suite.get(row.name))
            .map(Map::len)
            .sum();
        let time = |kinds: &[&str]| {
            let all = measured.get(row.name)?;
            kinds.iter().find_map(|kind| all.get(*kind))
        };
        let time = |kinds: &[&str]| time(kinds).map_or_else(String::new, |time| rounded(*time));
        let (cold, warm) = (time(&["snapshot", "cold", "fresh"]), time(&["warm"]));
        let attacks = match attacks {
            0 => String::new(),
            count => count.to_string(),
        };
        writeln!(page, " {attacks} | {cold} | {warm} | {} |", row.exercised)?;
    }
    page.push_str(
        "\nAn empty cell was not tried or not measured. `wasm` has no guests that wait: a fresh one \
         is as fast.",
    );
    if let Some(first) = measured.get("qemu").and_then(|qemu| qemu.get("cold")) {
        let first = rounded(*first);
        write!(
            page,
            " A machine of `qemu` that is restored from a snapshot counts as cold; the first of its \
             kind, emulated, took {first} ms."
        )?;
    }
    // Emulated processors say nothing about how long its machines take.
    if let Some(double) = measured.get("firecracker-double") {
        let [boot, restore] = ["boot", "restore"].map(|how| {
            let time = double.get(how).copied();
            rounded(time.unwrap_or_default())
        });
        write!(
            page,
            " Of `firecracker`, what is ours was measured, with what speaks like it in place of its \
             machine: {boot} ms for one that boots, {restore} ms for one that is restored."
        )?;
    }
    page.push('\n');
    Ok(page.into_bytes())
}

/// Keeps what the benches measured, as far as they were run here.
pub(crate) fn keep() -> Result<()> {
    let mut kept = measured()?;
    let criterion = target_directory().join("criterion");
    let dirs = fs::read_dir(&criterion)
        .with_context(|| format!("nothing was measured: {} is not there", criterion.display()))?;
    let mut count = 0;
    for dir in dirs {
        let Some((id, milliseconds)) = median(&dir?.path().join("new"))? else {
            continue;
        };
        let parts: Vec<&str> = id.split('/').collect();
        if let ["program", sandbox, "javascript", how] | ["start", sandbox, how] = parts[..] {
            let of = kept.entry(sandbox.to_owned()).or_default();
            of.insert(how.to_owned(), (milliseconds * 1000.0).round() / 1000.0);
            count += 1;
        }
    }
    let mut text = serde_json::to_string_pretty(&kept)?;
    text.push('\n');
    fs::write(workspace().join(MEASURED), text)?;
    say(format!("{MEASURED}: {count} medians"));
    Ok(())
}

fn measured() -> Result<Measured> {
    let text = fs::read_to_string(workspace().join(MEASURED));
    let text = text.with_context(|| format!("cannot read {MEASURED}"))?;
    serde_json::from_str(&text).with_context(|| format!("{MEASURED} holds no medians"))
}

/// What criterion wrote: the name of a bench, and its median in milliseconds.
fn median(dir: &std::path::Path) -> Result<Option<(String, f64)>> {
    let read = |file: &str| -> Result<Option<Value>> {
        let path: PathBuf = dir.join(file);
        let Ok(text) = fs::read_to_string(&path) else {
            return Ok(None);
        };
        let value = serde_json::from_str(&text);
        Ok(Some(value.with_context(|| path.display().to_string())?))
    };
    let (Some(bench), Some(estimates)) = (read("benchmark.json")?, read("estimates.json")?) else {
        return Ok(None);
    };
    let id = bench["full_id"].as_str().unwrap_or_default().to_owned();
    let nanoseconds = estimates["median"]["point_estimate"].as_f64();
    Ok(nanoseconds.map(|nanoseconds| (id, nanoseconds / 1e6)))
}

fn text<'a>(found: Option<&'a Map<String, Value>>, key: &str) -> &'a str {
    let text = found.and_then(|found| found.get(key)?.as_str());
    text.unwrap_or_default()
}

/// Two digits that say something.
fn rounded(milliseconds: f64) -> String {
    let digits = match milliseconds {
        fast if fast < 1.0 => 2,
        slow if slow < 10.0 => 1,
        _ => 0,
    };
    format!("{milliseconds:.digits$}")
}
