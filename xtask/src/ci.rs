//! Everything that CI checks, with the time each part took.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::shell::{cargo, run as run_loudly, say};
use crate::{generate, guest, licences, test, tidy, vm};

/// One part of the checks.
struct Part {
    name: &'static str,
    check: fn() -> Result<()>,
}

const PARTS: &[Part] = &[
    Part {
        name: "fmt",
        check: || step(&["fmt", "--all", "--check"]),
    },
    Part {
        name: "tidy",
        check: tidy::run,
    },
    Part {
        name: "clippy",
        check: || {
            step(&[
                "clippy",
                "--workspace",
                "--all-targets",
                "--",
                "-D",
                "warnings",
            ])
        },
    },
    Part {
        name: "features",
        check: features,
    },
    Part {
        name: "test",
        check: || test::run(&test::Options::default()),
    },
    Part {
        // Where a machine cannot be made, that is said.
        name: "control groups 2",
        check: || vm::run(&vm::Options::default()),
    },
    Part {
        name: "docs",
        check: docs,
    },
    Part {
        name: "generated files",
        check: || generate::run(true, &[]),
    },
    Part {
        // Minutes on a machine that never built them, moments afterwards.
        name: "guests",
        check: || guest::run(&guest::Options::check()),
    },
    Part {
        name: "licences",
        check: licences::run,
    },
];

/// Runs every part, also after one failed.
pub(crate) fn run() -> Result<()> {
    let mut failed = Vec::new();
    let mut times = Vec::new();
    for part in PARTS {
        say(format!("== {}", part.name));
        let start = Instant::now();
        if let Err(error) = (part.check)() {
            say(format!("{}: {error:#}", part.name));
            failed.push(part.name);
        }
        times.push((part.name, start.elapsed()));
    }
    say("== summary");
    for (name, time) in times {
        say(summary(name, time, failed.contains(&name)));
    }
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

fn summary(name: &str, time: Duration, failed: bool) -> String {
    let verdict = if failed { "FAILED" } else { "ok" };
    format!("{name:<16} {verdict:<7} {:>6.1} s", time.as_secs_f32())
}

fn step(args: &[&str]) -> Result<()> {
    run_loudly(cargo().args(args))
}

/// Each sandbox is built without the others, and none.
fn features() -> Result<()> {
    for sandbox in [
        "",
        "host",
        "process",
        "wasm",
        "containerd",
        "docker",
        "firecracker",
        "gvisor",
        "qemu",
        "runc",
    ] {
        let check = ["clippy", "-q", "-p", "toolexec-sandbox", "--all-targets"];
        let only = [
            "--no-default-features",
            "--features",
            sandbox,
            "--",
            "-D",
            "warnings",
        ];
        step(&[&check[..], &only[..]].concat())?;
    }
    Ok(())
}

fn docs() -> Result<()> {
    let mut doc = cargo();
    doc.args(["doc", "-q", "--workspace", "--no-deps"]).env(
        "RUSTDOCFLAGS",
        "-D warnings -A rustdoc::private_intra_doc_links",
    );
    run_loudly(&mut doc)
}
