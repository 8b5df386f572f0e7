//! The beginning of a description.

use super::entry::MAX_SUMMARY;

/// The first sentence of a description, in at most [`MAX_SUMMARY`] characters.
pub(crate) fn summary_of(description: &str) -> String {
    shorten(first_sentence(description), MAX_SUMMARY)
}

/// The first sentence of a text, or its first line where that ends earlier. Headings and
/// white space before it are left out.
fn first_sentence(text: &str) -> &str {
    let text = text.trim_start_matches(|c: char| c.is_whitespace() || c == '#');
    let line = text.lines().next().unwrap_or_default();
    let end = line
        .char_indices()
        .find(|(at, c)| matches!(c, '.' | '!' | '?' | '。') && ends_sentence(line, *at, *c))
        .map_or(line.len(), |(at, c)| at + c.len_utf8());
    line[..end].trim_end()
}

/// Cuts a text to `max` characters, at a word where one ends near, and says so with `…`.
pub(super) fn shorten(text: &str, max: usize) -> String {
    let text = text.trim();
    let Some((cut, _)) = text.char_indices().nth(max) else {
        return text.to_owned();
    };
    let room = text[..cut]
        .char_indices()
        .nth(max - 1)
        .map_or(cut, |(at, _)| at);
    let kept = match text[..room].rfind(char::is_whitespace) {
        Some(space) if space * 4 >= room * 3 => &text[..space],
        _ => &text[..room],
    };
    format!("{}…", kept.trim_end())
}

fn ends_sentence(line: &str, at: usize, mark: char) -> bool {
    if mark == '。' {
        return true;
    }
    let mut rest = line[at + 1..].chars();
    match rest.next() {
        None => true,
        Some(c) if c.is_whitespace() => {
            let before = line[..at]
                .rsplit(|c: char| !(c.is_alphanumeric() || c == '.'))
                .next();
            // `e.g. Paris` and `approx. 5` go on.
            let shortened = before
                .is_some_and(|word| word.contains('.') || matches!(word, "etc" | "vs" | "approx"));
            let next = rest.find(|c| !c.is_whitespace());
            mark != '.' || !(shortened || next.is_some_and(char::is_lowercase))
        }
        Some(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_sentence_ends_where_a_reader_would_end_it() {
        let cases = [
            ("Adds two numbers. Fast.", "Adds two numbers."),
            ("# Adds\nmore", "Adds"),
            (
                "\n  Get weather, e.g. for Paris. Then",
                "Get weather, e.g. for Paris.",
            ),
            ("Reads a.txt and b.txt", "Reads a.txt and b.txt"),
            ("Really? Yes.", "Really?"),
            ("查询天气。返回结果", "查询天气。"),
            ("", ""),
        ];
        for (text, sentence) in cases {
            assert_eq!(first_sentence(text), sentence, "{text}");
        }
    }

    #[test]
    fn cuts_are_in_characters() {
        assert_eq!(shorten("ééééé", 5), "ééééé");
        assert_eq!(shorten("éééééé", 5), "éééé…");
        assert_eq!(shorten("one two three four", 15), "one two three…");
        let long = "ü".repeat(500);
        assert_eq!(summary_of(&long).chars().count(), MAX_SUMMARY);
    }
}
