//! The file of a client: reads one entry, changes it, leaves the rest.

use serde_json::{Map, Value};
use toml_edit::{DocumentMut, Item, Table};

use super::clients::Syntax;
use crate::commands::jsonc;

/// The entry `name` in `section`, if there is one.
pub(super) fn entry(
    syntax: Syntax,
    text: &str,
    section: &str,
    name: &str,
) -> Result<Option<Value>, String> {
    let value: Value = match syntax {
        Syntax::Json => jsonc::parse(text)?,
        Syntax::Toml => toml_edit::de::from_str(text).map_err(|error| error.to_string())?,
    };
    Ok(value.get(section).and_then(|all| all.get(name)).cloned())
}

/// The text with the entry set, or without it.
pub(super) fn edit(
    syntax: Syntax,
    text: &str,
    section: &str,
    name: &str,
    value: Option<&Value>,
) -> Result<String, String> {
    match syntax {
        Syntax::Json => jsonc::edit(text, section, name, value),
        Syntax::Toml => edit_toml(text, section, name, value),
    }
}

fn edit_toml(
    text: &str,
    section: &str,
    name: &str,
    value: Option<&Value>,
) -> Result<String, String> {
    let mut document: DocumentMut = text
        .parse()
        .map_err(|error: toml_edit::TomlError| error.to_string())?;
    let Some(value) = value else {
        let servers = document.get_mut(section).and_then(Item::as_table_like_mut);
        if let Some(servers) = servers {
            servers.remove(name);
        }
        return Ok(document.to_string());
    };
    let servers = document.entry(section).or_insert_with(|| {
        let mut table = Table::new();
        table.set_implicit(true);
        Item::Table(table)
    });
    let servers = servers
        .as_table_like_mut()
        .ok_or_else(|| format!("`{section}` in it is no table"))?;
    let mut table = Table::new();
    for (key, value) in value.as_object().into_iter().flatten() {
        table.insert(key, Item::Value(toml_value(value)));
    }
    servers.insert(name, Item::Table(table));
    Ok(document.to_string())
}

fn toml_value(value: &Value) -> toml_edit::Value {
    match value {
        Value::Bool(value) => (*value).into(),
        Value::Number(number) => match number.as_i64() {
            Some(number) => number.into(),
            None => number.as_f64().unwrap_or_default().into(),
        },
        Value::Array(items) => items
            .iter()
            .map(toml_value)
            .collect::<toml_edit::Array>()
            .into(),
        Value::Object(fields) => toml_table(fields).into(),
        // TOML has no null, and nothing that was read from it is one.
        Value::Null => "".into(),
        Value::String(text) => text.as_str().into(),
    }
}

fn toml_table(fields: &Map<String, Value>) -> toml_edit::InlineTable {
    let fields = fields.iter();
    fields
        .map(|(key, value)| (key.as_str(), toml_value(value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const CODEX: &str = "# mine\nmodel = \"o\" # short\n\n[mcp_servers.docs]\ncommand = \"docs\"\n\n[projects.\"/x\"]\ntrust_level = \"trusted\"\n";

    #[test]
    fn toml_keeps_everything_else() {
        let value = json!({"command": "t", "args": ["serve"], "env": {"A": "1"}});
        let edit = |text: &str, value: Option<&Value>| {
            edit(Syntax::Toml, text, "mcp_servers", "toolexec", value)
        };
        let with = edit(CODEX, Some(&value)).unwrap();
        assert_eq!(
            with,
            "# mine\nmodel = \"o\" # short\n\n[mcp_servers.docs]\ncommand = \"docs\"\n\n[mcp_servers.toolexec]\ncommand = \"t\"\nargs = [\"serve\"]\nenv = { A = \"1\" }\n\n[projects.\"/x\"]\ntrust_level = \"trusted\"\n"
        );
        assert_eq!(
            entry(Syntax::Toml, &with, "mcp_servers", "toolexec"),
            Ok(Some(value.clone()))
        );
        assert_eq!(edit(&with, None).as_deref(), Ok(CODEX));
        assert_eq!(
            edit("", Some(&json!({"command": "t"}))).as_deref(),
            Ok("[mcp_servers.toolexec]\ncommand = \"t\"\n")
        );
        assert_eq!(
            edit("mcp_servers = 1\n", Some(&value)),
            Err("`mcp_servers` in it is no table".to_owned())
        );
    }
}
