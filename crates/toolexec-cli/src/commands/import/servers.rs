//! MCP servers as Claude Desktop, Cursor, VS Code and others write them.

use serde_json::{Map, Value};
use toml_edit::{Array, Item, Table, value};

use super::{Import, Section, namespace};

/// The object of servers, by name.
pub(super) fn find(file: &Value) -> Option<&Map<String, Value>> {
    let places = ["/mcpServers", "/servers", "/mcp/servers", "/mcp/mcpServers"];
    places
        .iter()
        .filter_map(|place| file.pointer(place)?.as_object())
        .find(|servers| servers.values().all(Value::is_object))
        // `servers` of other files is no list of MCP servers.
        .filter(|_| file.get("openapi").is_none() && file.get("swagger").is_none())
}

pub(super) fn read(servers: &Map<String, Value>) -> Import {
    let mut import = Import::default();
    for (name, server) in servers {
        let own = unused(&import, &namespace(name));
        if own != *name {
            import.notices.push(format!("{name:?} is called {own}"));
        }
        match table(&own, server, &mut import.notices) {
            Some(table) => import.sections.push(Section {
                kind: "servers",
                name: own,
                table,
            }),
            None => import.notices.push(format!(
                "{name:?} is left out: it has neither a command nor a URL"
            )),
        }
    }
    import
}

fn unused(import: &Import, name: &str) -> String {
    let is_taken = |name: &str| import.sections.iter().any(|section| section.name == name);
    if !is_taken(name) {
        return name.to_owned();
    }
    let mut numbered = (2..).map(|number| format!("{name}_{number}"));
    numbered.find(|name| !is_taken(name)).unwrap_or_default()
}

fn table(name: &str, server: &Value, notices: &mut Vec<String>) -> Option<Table> {
    let mut table = Table::new();
    let mut texts = Texts {
        server: name,
        notices,
    };
    let url = ["url", "serverUrl", "httpUrl"]
        .iter()
        .find_map(|key| server[*key].as_str());
    if let Some(command) = server["command"].as_str() {
        table.insert("command", value(command));
        if let Some(args) = server["args"].as_array() {
            let args = args.iter().filter_map(Value::as_str);
            let args: Array = args.map(|arg| texts.translate(arg)).collect();
            table.insert("args", value(args));
        }
        texts.map(&mut table, "env", &server["env"]);
        if let Some(cwd) = server["cwd"].as_str() {
            table.insert("cwd", value(texts.translate(cwd)));
        }
    } else {
        table.insert("url", value(texts.translate(url?)));
        texts.map(&mut table, "headers", &server["headers"]);
        if server["type"] == "sse" {
            texts.note("used the old SSE transport; it is reached over streamable HTTP now");
        }
    }
    if server["disabled"] == true || server["enabled"] == false {
        table.insert("enabled", value(false));
    }
    let known = [
        "command",
        "args",
        "env",
        "cwd",
        "url",
        "serverUrl",
        "httpUrl",
        "headers",
        "type",
        "disabled",
        "enabled",
    ];
    let fields = server.as_object().into_iter().flatten();
    let ignored: Vec<&str> = fields
        .map(|(key, _)| key.as_str())
        .filter(|key| !known.contains(key))
        .collect();
    if !ignored.is_empty() {
        texts.note(&format!("not taken over: {}", ignored.join(", ")));
    }
    Some(table)
}

/// Texts with the variables of other programs.
struct Texts<'n> {
    server: &'n str,
    notices: &'n mut Vec<String>,
}

impl Texts<'_> {
    fn note(&mut self, text: &str) {
        let note = format!("{}: {text}", self.server);
        if !self.notices.contains(&note) {
            self.notices.push(note);
        }
    }

    fn map(&mut self, table: &mut Table, key: &str, from: &Value) {
        let Some(from) = from.as_object().filter(|from| !from.is_empty()) else {
            return;
        };
        let mut inner = toml_edit::InlineTable::new();
        let mut literal = Vec::new();
        for (name, text) in from {
            let text = match text {
                Value::String(text) => self.translate(text),
                other => other.to_string(),
            };
            if looks_secret(name) && !text.contains("${") {
                literal.push(name.as_str());
            }
            inner.insert(name, text.into());
        }
        if !literal.is_empty() {
            self.note(&format!(
                "{} is written as it stands; a variable, ${{NAME}}, would keep it out of the file",
                literal.join(", ")
            ));
        }
        table.insert(key, Item::Value(inner.into()));
    }

    /// `${env:X}` and `${input:x}` become `${X}`.
    fn translate(&mut self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            out.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            let inside = rest
                .strip_prefix('{')
                .and_then(|inside| inside.split_once('}'));
            match inside {
                Some((inside, after)) => {
                    out.push_str(&self.variable(inside));
                    rest = after;
                }
                // Two dollars would become one.
                None if rest.starts_with('$') => {
                    out.push_str("$$$$");
                    rest = &rest[1..];
                }
                None => out.push('$'),
            }
        }
        out.push_str(rest);
        out
    }

    fn variable(&mut self, inside: &str) -> String {
        if let Some(name) = inside.strip_prefix("env:") {
            return format!("${{{name}}}");
        }
        if let Some(input) = inside.strip_prefix("input:") {
            let name: String = input
                .chars()
                .map(|c| {
                    if c.is_ascii_alphanumeric() {
                        c.to_ascii_uppercase()
                    } else {
                        '_'
                    }
                })
                .collect();
            self.note(&format!(
                "set the environment variable {name}, which was asked for before"
            ));
            return format!("${{{name}}}");
        }
        match inside {
            "userHome" => "${HOME}".to_owned(),
            "workspaceFolder" => {
                self.note("${workspaceFolder} is the current directory now");
                ".".to_owned()
            }
            "pathSeparator" | "/" => "/".to_owned(),
            other if is_variable(other) => format!("${{{other}}}"),
            other => {
                self.note(&format!("${{{other}}} is taken as plain text"));
                format!("$${{{other}}}")
            }
        }
    }
}

fn is_variable(text: &str) -> bool {
    let name = text.split_once(":-").map_or(text, |(name, _)| name);
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn looks_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    [
        "TOKEN",
        "KEY",
        "SECRET",
        "PASSWORD",
        "AUTHORIZATION",
        "CREDENTIAL",
    ]
    .iter()
    .any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn variables_of_other_programs_are_translated() {
        let mut notices = Vec::new();
        let mut texts = Texts {
            server: "s",
            notices: &mut notices,
        };
        let cases = [
            ("${env:TOKEN}", "${TOKEN}"),
            ("Bearer ${input:api-key}", "Bearer ${API_KEY}"),
            ("${userHome}/x", "${HOME}/x"),
            ("${workspaceFolder}/src", "./src"),
            ("${A:-b}", "${A:-b}"),
            ("${command:foo}", "$${command:foo}"),
            ("$5 and $$", "$5 and $$$$"),
        ];
        for (text, wanted) in cases {
            assert_eq!(texts.translate(text), wanted);
        }
        assert_eq!(
            notices,
            [
                "s: set the environment variable API_KEY, which was asked for before",
                "s: ${workspaceFolder} is the current directory now",
                "s: ${command:foo} is taken as plain text",
            ]
        );
    }

    #[test]
    fn names_are_made_fit_and_stay_apart() {
        let file = json!({ "mcpServers": {
            "My Server": { "command": "a" },
            "My/Server": { "command": "b" },
            "odd": { "foo": 1 },
        } });
        let import = read(find(&file).unwrap());
        let names: Vec<&str> = import
            .sections
            .iter()
            .map(|section| &*section.name)
            .collect();
        assert_eq!(names, ["My_Server", "My_Server_2"]);
        assert_eq!(
            import.notices,
            [
                "\"My Server\" is called My_Server",
                "\"My/Server\" is called My_Server_2",
                "\"odd\" is left out: it has neither a command nor a URL",
            ]
        );
    }
}
