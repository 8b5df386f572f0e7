//! Files that are generated and committed.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::guest::target_directory;
use crate::shell::{cargo, command, quiet, say, workspace};
use crate::{attacks, sandboxes};

/// A generated file and what makes it.
struct Generated {
    path: &'static str,
    make: fn() -> Result<Vec<u8>>,
}

const FILES: &[Generated] = &[
    Generated {
        path: "schemas/config.schema.json",
        make: schema,
    },
    Generated {
        path: "docs/attacks.md",
        make: attacks::page,
    },
    Generated {
        path: "docs/sandboxes.md",
        make: sandboxes::page,
    },
];

/// Writes the files, or fails when one is out of date. None named means all.
pub(crate) fn run(check: bool, only: &[String]) -> Result<()> {
    let is_meant = |path: &str| only.is_empty() || only.iter().any(|one| one == path);
    if let Some(unknown) = only
        .iter()
        .find(|one| FILES.iter().all(|file| file.path != **one))
    {
        bail!("{unknown} is no generated file");
    }
    let mut stale = Vec::new();
    for file in FILES.iter().filter(|file| is_meant(file.path)) {
        let fresh = (file.make)()?;
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

/// The schema of the configuration, as the program prints it.
fn schema() -> Result<Vec<u8>> {
    // What the tests build, so that nothing is built a second time with other features.
    quiet(cargo().args(["test", "--quiet", "--workspace", "--no-run"]))?;
    let program = target_directory().join("debug").join("toolexec");
    Ok(quiet(command(program).arg("schema"))?.stdout)
}
