//! What dependencies may be: the rules of `deny.toml`, over what cargo resolved.
//!
//! Reads the same file as cargo-deny and checks its lists of licences, banned crates and sources,
//! so that nothing has to be installed for it.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use spdx::Expression;

use crate::shell::{cargo, quiet, say, workspace};

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// The part of `deny.toml` that is checked.
struct Rules {
    licences: BTreeSet<String>,
    banned: BTreeSet<String>,
}

/// Fails with every dependency that breaks a rule.
pub(crate) fn run() -> Result<()> {
    let rules = Rules::read(&workspace().join("deny.toml"))?;
    let output = quiet(cargo().args(["metadata", "--format-version", "1", "--locked"]))?;
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"]
        .as_array()
        .context("cargo metadata lists no packages")?;
    let wrong: Vec<String> = packages.iter().filter_map(|it| rules.broken(it)).collect();
    if !wrong.is_empty() {
        bail!("{}", wrong.join("\n"));
    }
    say(format!("{} packages keep to deny.toml", packages.len()));
    Ok(())
}

impl Rules {
    fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("{} cannot be read", path.display()))?;
        let rules: Value = toml::from_str(&text).context("deny.toml is no TOML")?;
        let names = |list: &Value, name: fn(&Value) -> &Value| -> BTreeSet<String> {
            let items = list.as_array().into_iter().flatten();
            items
                .filter_map(|it| name(it).as_str())
                .map(str::to_owned)
                .collect()
        };
        Ok(Self {
            licences: names(&rules["licenses"]["allow"], |it| it),
            banned: names(&rules["bans"]["deny"], |it| &it["crate"]),
        })
    }

    /// The rule that a package breaks.
    fn broken(&self, package: &Value) -> Option<String> {
        let name = package["name"].as_str().unwrap_or_default();
        let version = package["version"].as_str().unwrap_or_default();
        if self.banned.contains(name) {
            return Some(format!("{name} {version} is banned"));
        }
        match package["source"].as_str() {
            // A member of the workspace.
            None => None,
            Some(REGISTRY) => self
                .licence(package)
                .err()
                .map(|why| format!("{name} {version}: {why:#}")),
            Some(_) => Some(format!("{name} {version} is not from crates.io")),
        }
    }

    fn licence(&self, package: &Value) -> Result<()> {
        let licence = package["license"].as_str().context("names no licence")?;
        let expression = Expression::parse_mode(licence, spdx::ParseMode::LAX)
            .with_context(|| format!("{licence} is no SPDX expression"))?;
        if !expression.evaluate(|one| self.licences.contains(&one.to_string())) {
            bail!("{licence} is not allowed");
        }
        Ok(())
    }
}
