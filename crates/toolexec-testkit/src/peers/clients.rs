//! Real MCP clients: SDKs that run a script of the test, and the Inspector.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::{Launch, entry, node, text};
use crate::require::{Missing, require};

/// An SDK of MCP clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sdk {
    /// TypeScript, `@modelcontextprotocol/sdk` 1.x.
    Typescript1,
    /// TypeScript, `@modelcontextprotocol/client` 2.x.
    Typescript2,
    /// Python, `mcp` 1.x.
    Python1,
    /// Python, `mcp` 2.x.
    Python2,
    /// Python, `fastmcp`.
    Fastmcp,
}

impl Sdk {
    fn kit(self) -> &'static str {
        match self {
            Self::Typescript1 => "mcp-client-typescript-1",
            Self::Typescript2 => "mcp-client-typescript-2",
            Self::Python1 => "mcp-client-python-1",
            Self::Python2 => "mcp-client-python-2",
            Self::Fastmcp => "mcp-client-fastmcp",
        }
    }
}

/// How to run a script of the directory `scripts` with an SDK; what has to lie beside the script
/// is put into `scratch`.
pub fn script(sdk: Sdk, scripts: &Path, name: &str, scratch: &Path) -> Result<Launch, Missing> {
    let kit = sdk.kit();
    let launch = |program: &Path, script: &Path| Launch {
        program: program.to_owned(),
        args: vec![text(script)],
        env: Vec::new(),
    };
    if !matches!(sdk, Sdk::Typescript1 | Sdk::Typescript2) {
        let mut python = launch(&entry(kit, "bin/python")?, &scripts.join(name));
        // Nothing is written beside the scripts.
        python.env = vec![("PYTHONDONTWRITEBYTECODE".to_owned(), "1".to_owned())];
        return Ok(python);
    }
    let failed = |error: std::io::Error| {
        Missing::new(kit, format!("its scripts: {error}"), "see the test's code")
    };
    // Node looks for modules in the directories above the script.
    let modules = entry(kit, "node_modules/.package-lock.json")?;
    for file in fs::read_dir(scripts).map_err(failed)?.flatten() {
        fs::copy(file.path(), scratch.join(file.file_name())).map_err(failed)?;
    }
    let link = scratch.join("node_modules");
    if !link.exists() {
        symlink(modules.parent().unwrap_or(&modules), link).map_err(failed)?;
    }
    Ok(launch(&node(kit)?, &scratch.join(name)))
}

/// How to run the Inspector without a browser.
pub fn inspector() -> Result<Launch, Missing> {
    let kit = "mcp-inspector";
    let launcher = "node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js";
    Ok(Launch {
        program: node(kit)?,
        args: vec![text(&entry(kit, launcher)?), "--cli".to_owned()],
        env: Vec::new(),
    })
}

/// Like [`script`], or `None` after a loud line when the test may be skipped.
///
/// # Panics
/// When it is missing and `TOOLEXEC_REQUIRE` names it.
pub fn require_script(sdk: Sdk, scripts: &Path, name: &str, scratch: &Path) -> Option<Launch> {
    require(script(sdk, scripts, name, scratch))
}
