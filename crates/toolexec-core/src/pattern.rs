//! Patterns in which `*` stands for any characters.

/// Whether `text` fits `pattern`, in which `*` stands for any characters, none and separators
/// included.
pub fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        let cases = [
            ("/pets", "/pets", true),
            ("/pets", "/pets/1", false),
            ("/pets*", "/pets/1", true),
            ("*/1", "/pets/1", true),
            ("/*/issues/*", "/repos/x/issues/1", true),
            ("/*/issues/*", "/repos/x/pulls/1", false),
            ("*", "", true),
            ("a*a", "a", false),
        ];
        for (pattern, text, fits) in cases {
            assert_eq!(glob(pattern, text), fits, "{pattern} {text}");
        }
    }
}
