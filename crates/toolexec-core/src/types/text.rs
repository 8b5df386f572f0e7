//! Words of tools inside comments of a language: nothing in them may end the comment.

use super::model::Doc;

/// The longest description of a tool, in characters.
pub(crate) const TOOL_TEXT: usize = 1500;
/// The longest description of a field, in characters.
pub(crate) const FIELD_TEXT: usize = 400;

/// The lines of a doc: its text in at most `max` characters, then its facts. Control characters
/// and marks that change the direction of text are left out.
pub(crate) fn lines(doc: &Doc, max: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let text = doc.text.trim();
    // Most texts are a short line.
    let is_plain = text.len() <= max && text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if is_plain && doc.facts.is_empty() {
        return if text.is_empty() {
            lines
        } else {
            vec![text.to_owned()]
        };
    }
    let cut: String = text.chars().take(max).collect();
    for line in cut.split([
        '\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}',
    ]) {
        let line = visible(line);
        let line = line.trim_end();
        if !(line.is_empty() && lines.last().is_none_or(String::is_empty)) {
            lines.push(line.to_owned());
        }
    }
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    if cut.len() < text.len() {
        match lines.last_mut() {
            Some(last) => last.push('…'),
            None => lines.push("…".to_owned()),
        }
    }
    if doc.facts.is_empty() {
        return lines;
    }
    let facts = format!(
        "({})",
        visible(&doc.facts.join("; ").replace(['\n', '\r'], " "))
    );
    match lines.as_mut_slice() {
        [only] if only.chars().count() + facts.chars().count() < 90 => {
            only.push(' ');
            only.push_str(&facts);
        }
        _ => lines.push(facts),
    }
    lines
}

fn visible(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control() && c != '\t'
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().filter(|c| !hidden(*c)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doc(text: &str, facts: &[&str]) -> Doc {
        Doc {
            text: text.to_owned(),
            facts: facts.iter().map(|&fact| fact.to_owned()).collect(),
        }
    }

    #[test]
    fn facts_stand_behind_a_short_text() {
        assert_eq!(
            lines(&doc("The size.", &["default 3", "at most 9"]), 100),
            ["The size. (default 3; at most 9)"]
        );
        assert_eq!(lines(&doc("", &["default 3"]), 100), ["(default 3)"]);
        assert_eq!(lines(&doc("", &[]), 100), Vec::<String>::new());
        assert_eq!(
            lines(&doc("One.\r\n\r\n\r\nTwo.\n", &["x"]), 100),
            ["One.", "", "Two.", "(x)"]
        );
    }

    #[test]
    fn long_and_odd_texts_are_tamed() {
        assert_eq!(lines(&doc("abcdef", &[]), 3), ["abc…"]);
        assert_eq!(lines(&doc("a\u{202e}b\0c\u{2028}d", &[]), 99), ["abc", "d"]);
    }
}
