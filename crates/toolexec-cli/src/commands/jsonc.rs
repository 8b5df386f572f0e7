//! JSON with comments and trailing commas, as editors write it.

use jsonc_parser::ParseOptions;
use jsonc_parser::cst::{CstInputValue, CstObject, CstRootNode};
use serde_json::Value;

/// What editors take beyond JSON.
const EDITORS: ParseOptions = ParseOptions {
    allow_comments: true,
    allow_trailing_commas: true,
    allow_loose_object_property_names: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// Reads a document; an empty one is an empty object.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    // Most documents are plain JSON, and some of those are large.
    if let Ok(value) = serde_json::from_str(text) {
        return Ok(value);
    }
    let root = tree(text)?;
    match root.value() {
        Some(_) => root
            .to_serde_value()
            .ok_or("it has no JSON value".to_owned()),
        None => Ok(Value::Object(serde_json::Map::new())),
    }
}

/// Puts `value` at `name` in the object `section` of a document, or takes it out. All else keeps
/// its form.
pub(super) fn edit(
    text: &str,
    section: &str,
    name: &str,
    value: Option<&Value>,
) -> Result<String, String> {
    let root = tree(text)?;
    let object = root
        .object_value_or_create()
        .ok_or("it is no JSON object")?;
    only_once(&object, section)?;
    let Some(value) = value else {
        if let Some(entry) = object
            .object_value(section)
            .and_then(|servers| servers.get(name))
        {
            entry.remove();
        }
        return Ok(root.to_string());
    };
    let servers = object
        .object_value_or_create(section)
        .ok_or_else(|| format!("`{section}` in it is no object"))?;
    only_once(&servers, name)?;
    match servers.get(name) {
        Some(entry) => entry.set_value(input(value)),
        None => {
            servers.append(name, input(value));
        }
    }
    Ok(root.to_string())
}

/// Which of two equal keys counts is not said anywhere.
fn only_once(object: &CstObject, name: &str) -> Result<(), String> {
    let is_named = |decoded: Option<String>| decoded.is_some_and(|decoded| decoded == name);
    let count = object
        .properties()
        .iter()
        .filter(|property| is_named(property.decoded_name()))
        .count();
    if count > 1 {
        return Err(format!("it has `{name}` {count} times"));
    }
    Ok(())
}

fn input(value: &Value) -> CstInputValue {
    match value {
        Value::Null => CstInputValue::Null,
        Value::Bool(value) => CstInputValue::Bool(*value),
        Value::Number(value) => CstInputValue::Number(value.to_string()),
        Value::String(value) => CstInputValue::String(value.clone()),
        Value::Array(items) => CstInputValue::Array(items.iter().map(input).collect()),
        Value::Object(fields) => CstInputValue::Object(
            fields
                .iter()
                .map(|(name, value)| (name.clone(), input(value)))
                .collect(),
        ),
    }
}

fn tree(text: &str) -> Result<CstRootNode, String> {
    CstRootNode::parse(text, &EDITORS).map_err(|error| {
        let (line, column) = (error.line_display(), error.column_display());
        format!("{} (line {line}, column {column})", error.kind())
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn comments_and_trailing_commas_are_read() {
        let text = r#"{ // one
            "a": "http://x, ]", /* two
            lines */ "b": [1, 2,], "c": "\"//", // end
        }"#;
        assert_eq!(
            parse(text),
            Ok(json!({ "a": "http://x, ]", "b": [1, 2], "c": "\"//" }))
        );
        assert_eq!(parse(" \n"), Ok(json!({})));
    }

    #[test]
    fn broken_documents_are_refused_with_their_place() {
        for (text, wanted) in [
            (
                "{\n  \"a\": 1\n  \"b\": 2 }",
                "Expected comma (line 2, column 9)",
            ),
            (
                "{\"a\"",
                "Expected colon after the string or word in object property (line 1, column 5)",
            ),
            ("\"abc", "Unterminated string literal (line 1, column 1)"),
            ("/* x", "Unterminated comment block (line 1, column 1)"),
        ] {
            assert_eq!(parse(text), Err(wanted.to_owned()), "{text}");
        }
        assert_eq!(
            parse(&"[".repeat(100_000)),
            Err("Maximum nesting depth exceeded (line 1, column 513)".to_owned())
        );
    }

    #[test]
    fn an_edit_keeps_everything_else() {
        let text = "{\n\t// mine\n\t\"theme\": \"dark\", // short\n\t\"servers\": {\n\t\t\"other\": { \"command\": \"x\", },\n\t},\n}\n";
        let with = edit(text, "servers", "toolexec", Some(&json!({"command": "t"}))).unwrap();
        assert_eq!(
            with,
            "{\n\t// mine\n\t\"theme\": \"dark\", // short\n\t\"servers\": {\n\t\t\"other\": { \"command\": \"x\", },\n\t\t\"toolexec\": {\n\t\t\t\"command\": \"t\",\n\t\t},\n\t},\n}\n"
        );
        assert_eq!(
            edit(&with, "servers", "toolexec", None).as_deref(),
            Ok(text)
        );
        assert_eq!(edit(text, "servers", "absent", None).as_deref(), Ok(text));
    }

    #[test]
    fn windows_line_ends_and_missing_sections_are_fine() {
        let value = json!({"args": ["a"]});
        assert_eq!(
            edit("{\r\n  \"a\": 1\r\n}\r\n", "s", "t", Some(&value)).as_deref(),
            Ok(
                "{\r\n  \"a\": 1,\r\n  \"s\": {\r\n    \"t\": {\r\n      \"args\": [\"a\"]\r\n    }\r\n  }\r\n}\r\n"
            )
        );
        assert_eq!(
            edit("", "s", "t", Some(&value)).as_deref(),
            Ok("{\n  \"s\": {\n    \"t\": {\n      \"args\": [\"a\"]\n    }\n  }\n}\n")
        );
    }

    #[test]
    fn what_cannot_be_edited_is_refused() {
        let edit = |text| edit(text, "s", "t", Some(&json!(1)));
        assert_eq!(edit("[]"), Err("it is no JSON object".to_owned()));
        assert_eq!(
            edit(r#"{"s": []}"#),
            Err("`s` in it is no object".to_owned())
        );
        assert_eq!(
            edit(r#"{"s": {}, "s": {}}"#),
            Err("it has `s` 2 times".to_owned())
        );
    }
}
