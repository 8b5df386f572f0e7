//! What a client is told about the server.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::clients::Client;
use crate::diagnostics::Failure;

/// Everything that we write into an entry, by any client's name for it. What else is in an entry
/// is the user's: approvals, switches.
const OWN_KEYS: &[&str] = &[
    "type",
    "command",
    "args",
    "url",
    "serverUrl",
    "httpUrl",
    "headers",
    "http_headers",
];

/// How the server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reach {
    /// The client starts it.
    Command {
        program: String,
        args: Vec<String>,
        env: Vec<(String, String)>,
    },
    /// It runs.
    Http {
        url: String,
        headers: Vec<(String, String)>,
    },
}

/// The entry, with what the user has in the one before.
pub(super) fn entry(
    client: &Client,
    reach: &Reach,
    before: Option<&Value>,
) -> Result<Value, Failure> {
    let mut entry = Map::new();
    let say_type = |entry: &mut Map<String, Value>, name: &str| {
        if client.has_type {
            entry.insert("type".to_owned(), json!(name));
        }
    };
    match reach {
        Reach::Command { program, args, env } => {
            say_type(&mut entry, "stdio");
            entry.insert("command".to_owned(), json!(program));
            entry.insert("args".to_owned(), json!(args));
            let mut all = before
                .and_then(|before| before.get("env")?.as_object().cloned())
                .unwrap_or_default();
            all.extend(env.iter().map(|(name, value)| (name.clone(), json!(value))));
            if !all.is_empty() {
                entry.insert("env".to_owned(), Value::Object(all));
            }
        }
        Reach::Http { url, headers } => {
            let Some(keys) = client.http else {
                return Err(
                    Failure::usage(format!("{} takes no URL in its file", client.title))
                        .hint("leave --http out: it starts toolexec itself"),
                );
            };
            say_type(&mut entry, "http");
            entry.insert(keys.url.to_owned(), json!(url));
            if !headers.is_empty() {
                let headers: Map<String, Value> = headers
                    .iter()
                    .map(|(name, value)| (name.clone(), json!(value)))
                    .collect();
                entry.insert(keys.headers.to_owned(), Value::Object(headers));
            }
        }
    }
    for (key, value) in before.and_then(Value::as_object).into_iter().flatten() {
        let is_ours = OWN_KEYS.contains(&key.as_str()) || key == "env";
        if !is_ours {
            entry.insert(key.clone(), value.clone());
        }
    }
    Ok(Value::Object(entry))
}

/// Whether an entry is another program's, which happens to have the name.
pub(super) fn is_foreign(name: &str, entry: &Value) -> bool {
    match entry.get("command").map(|command| program(command)) {
        Some(program) => !program.is_some_and(|program| program.contains("toolexec")),
        None => name != "toolexec",
    }
}

/// The base name of a command; some clients write a list.
fn program(command: &Value) -> Option<&str> {
    let first = command.as_str().or_else(|| command.get(0)?.as_str())?;
    Path::new(first).file_name()?.to_str()
}

#[cfg(test)]
mod tests {
    use super::super::clients::all;
    use super::*;

    fn command() -> Reach {
        Reach::Command {
            program: "/bin/toolexec".to_owned(),
            args: vec!["serve".to_owned()],
            env: vec![("B".to_owned(), "2".to_owned())],
        }
    }

    fn client(title: &str) -> &'static Client {
        all().iter().find(|client| client.title == title).unwrap()
    }

    #[test]
    fn an_update_keeps_what_is_the_users() {
        let before = json!({
            "url": "http://old", "headers": {}, "disabled": true, "env": { "A": "1" },
        });
        let after = entry(client("Claude Code"), &command(), Some(&before)).unwrap();
        assert_eq!(
            after,
            json!({
                "type": "stdio",
                "command": "/bin/toolexec",
                "args": ["serve"],
                "env": { "A": "1", "B": "2" },
                "disabled": true,
            })
        );
        let again = entry(client("Claude Code"), &command(), Some(&after)).unwrap();
        assert_eq!(again, after);
    }

    #[test]
    fn a_url_goes_where_each_client_reads_it() {
        let reach = Reach::Http {
            url: "http://u".to_owned(),
            headers: vec![("X".to_owned(), "y".to_owned())],
        };
        let of = |title| entry(client(title), &reach, None).ok();
        let headers = json!({ "X": "y" });
        assert_eq!(
            of("Visual Studio Code"),
            Some(json!({ "type": "http", "url": "http://u", "headers": headers }))
        );
        assert_eq!(
            of("Windsurf"),
            Some(json!({ "serverUrl": "http://u", "headers": headers }))
        );
        assert_eq!(
            of("Codex"),
            Some(json!({ "url": "http://u", "http_headers": headers }))
        );
        assert_eq!(
            of("Gemini CLI"),
            Some(json!({ "httpUrl": "http://u", "headers": headers }))
        );
        assert_eq!(of("Claude Desktop"), None);
    }

    #[test]
    fn entries_of_others_are_known() {
        for (name, entry, foreign) in [
            ("toolexec", json!({ "command": "/usr/bin/toolexec" }), false),
            (
                "tools",
                json!({ "command": ["toolexec-1.2", "serve"] }),
                false,
            ),
            ("toolexec", json!({ "url": "http://x" }), false),
            ("toolexec", json!({ "command": "npx" }), true),
            ("github", json!({ "url": "http://x" }), true),
        ] {
            assert_eq!(is_foreign(name, &entry), foreign, "{name} {entry}");
        }
    }
}
