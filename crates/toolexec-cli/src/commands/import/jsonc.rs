//! JSON with comments and trailing commas, as editors write it.

/// The same text as JSON: comments become spaces, commas before a closing bracket go.
pub(super) fn to_json(text: &str) -> String {
    without_trailing_commas(&without_comments(text))
}

fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['"', '/']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if rest.starts_with('"') {
            let end = string_end(rest);
            out.push_str(&rest[..end]);
            rest = &rest[end..];
        } else if rest.starts_with("//") {
            rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
        } else if let Some(comment) = rest.strip_prefix("/*") {
            let end = comment.find("*/").map_or(comment.len(), |at| at + 2);
            out.push(' ');
            rest = &comment[end..];
        } else {
            out.push('/');
            rest = &rest[1..];
        }
    }
    out.push_str(rest);
    out
}

fn without_trailing_commas(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['"', ',']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if rest.starts_with('"') {
            let end = string_end(rest);
            out.push_str(&rest[..end]);
            rest = &rest[end..];
        } else {
            let after = &rest[1..];
            if !after.trim_start().starts_with(['}', ']']) {
                out.push(',');
            }
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

/// Where the string ends that `text` starts with, its closing quote included.
fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn comments_and_trailing_commas_go() {
        let text = r#"{ // one
            "a": "http://x, ]", /* two
            lines */ "b": [1, 2,], "c": "\"//", // end
        }"#;
        let value: Value = serde_json::from_str(&to_json(text)).unwrap();
        assert_eq!(
            value,
            json!({ "a": "http://x, ]", "b": [1, 2], "c": "\"//" })
        );
    }

    #[test]
    fn open_strings_and_comments_do_not_panic() {
        for text in ["\"abc", "\"\\", "/* x", "//", "/", ",", "\"ä"] {
            to_json(text);
        }
    }
}
