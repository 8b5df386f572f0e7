//! The clients: where each keeps its servers, and in which form.

use std::path::{Path, PathBuf};

use crate::install_args::ClientName;

/// What is known of a client.
#[derive(Debug, Clone, Copy)]
pub(super) struct Client {
    pub(super) name: ClientName,
    /// What people call it.
    pub(super) title: &'static str,
    pub(super) syntax: Syntax,
    /// The object or table of servers.
    pub(super) section: &'static str,
    /// Whether an entry says `type`: stdio or http.
    pub(super) has_type: bool,
    /// How an entry names a URL and headers; `None` when it takes none.
    pub(super) http: Option<HttpKeys>,
    /// The file of a project, below its directory.
    pub(super) project: Option<&'static str>,
    user: UserFile,
    /// What makes it read the file again.
    pub(super) next: &'static str,
}

/// The language of a configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Syntax {
    Json,
    Toml,
}

/// How an entry names what HTTP needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct HttpKeys {
    pub(super) url: &'static str,
    pub(super) headers: &'static str,
}

/// The system that the program runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum System {
    Linux,
    MacOs,
}

/// Where the file of a user is.
#[derive(Debug, Clone, Copy)]
enum UserFile {
    /// Below the home directory.
    Home(&'static str),
    /// Below the directory of applications: ~/.config or ~/Library/Application Support.
    Application(&'static str),
    /// Below ~/.config, whatever the system.
    Config(&'static str),
    /// Below the directory that a variable names, else below the home directory.
    Variable(&'static str, &'static str, &'static str),
}

const URL: HttpKeys = HttpKeys {
    url: "url",
    headers: "headers",
};

const CLIENTS: &[Client] = &[
    Client {
        name: ClientName::ClaudeDesktop,
        title: "Claude Desktop",
        syntax: Syntax::Json,
        section: "mcpServers",
        has_type: false,
        http: None,
        project: None,
        user: UserFile::Application("Claude/claude_desktop_config.json"),
        next: "quit Claude Desktop and start it again",
    },
    Client {
        name: ClientName::ClaudeCode,
        title: "Claude Code",
        syntax: Syntax::Json,
        section: "mcpServers",
        has_type: true,
        http: Some(URL),
        project: Some(".mcp.json"),
        user: UserFile::Home(".claude.json"),
        next: "start a new session; /mcp lists the servers",
    },
    Client {
        name: ClientName::Vscode,
        title: "Visual Studio Code",
        syntax: Syntax::Json,
        section: "servers",
        has_type: true,
        http: Some(URL),
        project: Some(".vscode/mcp.json"),
        user: UserFile::Application("Code/User/mcp.json"),
        next: "run `MCP: List Servers` and start it",
    },
    Client {
        name: ClientName::Cursor,
        title: "Cursor",
        syntax: Syntax::Json,
        section: "mcpServers",
        has_type: false,
        http: Some(URL),
        project: Some(".cursor/mcp.json"),
        user: UserFile::Home(".cursor/mcp.json"),
        next: "look at Settings, MCP",
    },
    Client {
        name: ClientName::Codex,
        title: "Codex",
        syntax: Syntax::Toml,
        section: "mcp_servers",
        has_type: false,
        http: Some(HttpKeys {
            url: "url",
            headers: "http_headers",
        }),
        project: Some(".codex/config.toml"),
        user: UserFile::Variable("CODEX_HOME", "config.toml", ".codex/config.toml"),
        next: "start a new session; /mcp lists the servers",
    },
    Client {
        name: ClientName::Windsurf,
        title: "Windsurf",
        syntax: Syntax::Json,
        section: "mcpServers",
        has_type: false,
        http: Some(HttpKeys {
            url: "serverUrl",
            headers: "headers",
        }),
        project: None,
        user: UserFile::Home(".codeium/windsurf/mcp_config.json"),
        next: "press Refresh at the MCP servers of Cascade",
    },
    Client {
        name: ClientName::Zed,
        title: "Zed",
        syntax: Syntax::Json,
        section: "context_servers",
        has_type: false,
        http: Some(URL),
        project: Some(".zed/settings.json"),
        user: UserFile::Config("zed/settings.json"),
        next: "look at the settings of the Agent Panel",
    },
    Client {
        name: ClientName::Gemini,
        title: "Gemini CLI",
        syntax: Syntax::Json,
        section: "mcpServers",
        has_type: false,
        http: Some(HttpKeys {
            url: "httpUrl",
            headers: "headers",
        }),
        project: Some(".gemini/settings.json"),
        user: UserFile::Home(".gemini/settings.json"),
        next: "start a new session; /mcp lists the servers",
    },
];

/// Every client.
pub(super) fn all() -> &'static [Client] {
    CLIENTS
}

impl Client {
    /// The file of the user, by the variables of the environment; `None` without a home.
    pub(super) fn user_file(
        &self,
        system: System,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Option<PathBuf> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let home = || set("HOME").map(PathBuf::from);
        // What is not absolute is to be ignored (XDG base directories).
        let config = || {
            let own = set("XDG_CONFIG_HOME").map(PathBuf::from);
            own.filter(|dir| dir.is_absolute())
                .or_else(|| Some(home()?.join(".config")))
        };
        Some(match (self.user, system) {
            (UserFile::Home(below), _) => home()?.join(below),
            (UserFile::Application(below), System::MacOs) => {
                home()?.join("Library/Application Support").join(below)
            }
            (UserFile::Config(below), System::MacOs) => home()?.join(".config").join(below),
            (UserFile::Application(below) | UserFile::Config(below), System::Linux) => {
                config()?.join(below)
            }
            (UserFile::Variable(name, file, below), _) => match set(name) {
                Some(dir) => Path::new(&dir).join(file),
                None => home()?.join(below),
            },
        })
    }
}

impl System {
    /// The one that this program was built for.
    pub(super) fn current() -> Self {
        if cfg!(target_os = "macos") {
            Self::MacOs
        } else {
            Self::Linux
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_client_is_described_once() {
        let described: Vec<ClientName> = CLIENTS.iter().map(|client| client.name).collect();
        assert_eq!(described, ClientName::value_variants());
    }

    #[test]
    fn files_are_where_each_system_has_them() {
        let files = |system, variables: &[(&str, &str)]| -> Vec<String> {
            let variable = |name: &str| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            CLIENTS
                .iter()
                .filter_map(|client| client.user_file(system, &variable))
                .map(|file| file.display().to_string())
                .collect()
        };
        assert_eq!(
            files(System::Linux, &[("HOME", "/h")]),
            [
                "/h/.config/Claude/claude_desktop_config.json",
                "/h/.claude.json",
                "/h/.config/Code/User/mcp.json",
                "/h/.cursor/mcp.json",
                "/h/.codex/config.toml",
                "/h/.codeium/windsurf/mcp_config.json",
                "/h/.config/zed/settings.json",
                "/h/.gemini/settings.json",
            ]
        );
        let variables = [
            ("HOME", "/h"),
            ("CODEX_HOME", "/c"),
            ("XDG_CONFIG_HOME", "/x"),
        ];
        assert_eq!(
            files(System::MacOs, &variables),
            [
                "/h/Library/Application Support/Claude/claude_desktop_config.json",
                "/h/.claude.json",
                "/h/Library/Application Support/Code/User/mcp.json",
                "/h/.cursor/mcp.json",
                "/c/config.toml",
                "/h/.codeium/windsurf/mcp_config.json",
                "/h/.config/zed/settings.json",
                "/h/.gemini/settings.json",
            ]
        );
        assert_eq!(
            files(System::Linux, &[("HOME", "/h"), ("XDG_CONFIG_HOME", "/x")])[2],
            "/x/Code/User/mcp.json"
        );
        assert_eq!(files(System::Linux, &[]), Vec::<String>::new());
    }
}
