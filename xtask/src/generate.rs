//! Files that are generated and committed.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::shell::{cargo, quiet, say, workspace};

/// A generated file and the program that prints it, as Cargo takes it.
struct Generated {
    path: &'static str,
    args: &'static [&'static str],
}

const FILES: &[Generated] = &[
    Generated {
        path: "schemas/config.schema.json",
        args: &["toolexec-cli", "--", "schema"],
    },
    Generated {
        path: "docs/attacks.md",
        args: &["toolexec-sandbox", "--bin", "hostile-guest", "--", "--page"],
    },
];

/// Writes the files, or fails when one is out of date.
pub(crate) fn run(check: bool) -> Result<()> {
    let mut stale = Vec::new();
    for file in FILES {
        let mut program = cargo();
        program.args(["run", "-q", "-p"]);
        let fresh = quiet(program.args(file.args))?.stdout;
        let path = workspace().join(file.path);
        if fs::read(&path).is_ok_and(|have| have == fresh) {
            continue;
        }
        stale.push(file.path);
        if !check {
            if let Some(dir) = path.parent() {
                fs::create_dir_all(dir)?;
            }
            fs::write(&path, fresh).with_context(|| format!("cannot write {}", file.path))?;
            say(format!("generated {}", file.path));
        }
    }
    if check && !stale.is_empty() {
        bail!(
            "out of date: {}; run `cargo xtask generate`",
            stale.join(", ")
        );
    }
    Ok(())
}
