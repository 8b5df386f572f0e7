//! Where an entry ends.

use toolexec::core::sandbox::Language;

/// Whether nothing is open: no bracket, no text over several lines, no block of Python. An empty
/// line ends whatever is open.
pub(super) fn is_whole(entry: &str, language: Language) -> bool {
    if entry.ends_with("\n\n") {
        return true;
    }
    let lines = entry.trim_end();
    if language == Language::Python {
        let first = lines.lines().next().unwrap_or_default();
        let opens_block = first.trim_end().ends_with(':') || first.starts_with('@');
        if opens_block || lines.ends_with('\\') {
            return false;
        }
    }
    is_closed(lines, language)
}

/// Whether every bracket and every text of the entry is closed.
fn is_closed(text: &str, language: Language) -> bool {
    let mut open = 0_i32;
    let mut quote: Option<&str> = None;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let mut step = c.len_utf8();
        match quote {
            Some(_) if c == '\\' => {
                step += rest[step..].chars().next().map_or(0, char::len_utf8);
            }
            Some(end) if rest.starts_with(end) => {
                step = end.len();
                quote = None;
            }
            // Such a text ends with its line, closed or not.
            Some(end) if c == '\n' && end.len() == 1 && end != "`" => quote = None,
            Some(_) => {}
            None => match c {
                '(' | '[' | '{' => open += 1,
                ')' | ']' | '}' => open -= 1,
                '#' if language == Language::Python => step = line_length(rest),
                '/' if rest.starts_with("//") && language != Language::Python => {
                    step = line_length(rest);
                }
                _ => {
                    let quotes: &[&'static str] = if language == Language::Python {
                        &["\"\"\"", "'''", "\"", "'"]
                    } else {
                        &["\"", "'", "`"]
                    };
                    if let Some(found) = quotes.iter().find(|found| rest.starts_with(**found)) {
                        quote = Some(found);
                        step = found.len();
                    }
                }
            },
        }
        rest = &rest[step..];
    }
    let is_long = quote.is_some_and(|end| end.len() == 3 || end == "`");
    open <= 0 && !is_long
}

fn line_length(text: &str) -> usize {
    text.find('\n').unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_goes_on_while_something_is_open() {
        let (js, py) = (Language::JavaScript, Language::Python);
        let cases = [
            (js, "1 + 1\n", true),
            (js, "f({\n", false),
            (js, "f({\n})\n", true),
            (js, "const s = `a\n", false),
            (js, "'(' // (\n", true),
            (js, "f(\n\n", true),
            (py, "x = 1\n", true),
            (py, "for i in range(3):\n    print(i)\n", false),
            (py, "for i in range(3):\n    print(i)\n\n", true),
            (py, "s = '''a\n", false),
            (py, "x = [1, # (\n", false),
            (py, "x = '(' # (\n", true),
            (py, "x = 1 + \\\n", false),
        ];
        for (language, entry, whole) in cases {
            assert_eq!(is_whole(entry, language), whole, "{entry:?}");
        }
    }
}
