//! Names in the generated languages.

use std::collections::HashSet;

/// `CreateIssue` of `create_issue`, `create-issue` or `createIssue`. Never empty; begins with a
/// letter.
pub(crate) fn pascal(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    let mut upper = true;
    for c in text.chars() {
        if !c.is_ascii_alphanumeric() {
            upper = true;
        } else if upper {
            name.push(c.to_ascii_uppercase());
            upper = false;
        } else {
            name.push(c);
        }
    }
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        name.insert(0, 'T');
    }
    name
}

/// Whether `text` can be written after a dot in JavaScript.
pub(crate) fn is_js_name(text: &str) -> bool {
    is_ascii_name(text, |c| c == '$')
}

/// Whether `text` can be written after a dot, and as the name of an argument, in Python.
pub(crate) fn is_python_name(text: &str) -> bool {
    is_ascii_name(text, |_| false) && !PYTHON_KEYWORDS.contains(&text)
}

// Other letters are allowed in both languages, but compared in ways that differ from JSON's.
fn is_ascii_name(text: &str, extra: impl Fn(char) -> bool) -> bool {
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_' || extra(c);
    text.starts_with(letter) && text.chars().all(|c| letter(c) || c.is_ascii_digit())
}

const PYTHON_KEYWORDS: &[&str] = &[
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue",
    "def", "del", "elif", "else", "except", "finally", "for", "from", "global", "if", "import",
    "in", "is", "lambda", "nonlocal", "not", "or", "pass", "raise", "return", "try", "while",
    "with", "yield",
];

/// Names that are given once.
#[derive(Debug, Default)]
pub(crate) struct Taken(HashSet<String>);

impl Taken {
    /// Starts with names that are not given at all.
    pub(crate) fn new(reserved: &[&str]) -> Self {
        Self(reserved.iter().map(|&name| name.to_owned()).collect())
    }

    /// Whether a name is given or reserved.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains(name)
    }

    /// Takes a name out of the ones that are given.
    pub(crate) fn reserve(&mut self, name: &str) {
        self.0.insert(name.to_owned());
    }

    /// `wanted`, or the first free name that begins with it.
    pub(crate) fn give(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        let mut number = 2;
        while !self.0.insert(name.clone()) {
            name = format!("{wanted}{number}");
            number += 1;
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_names_begin_with_a_capital_letter() {
        let cases = [
            ("create_issue", "CreateIssue"),
            ("API-get-user", "APIGetUser"),
            ("do.it", "DoIt"),
            ("2fa", "T2fa"),
            ("", "T"),
            ("查询", "T"),
            ("List<Item>", "ListItem"),
        ];
        for (text, name) in cases {
            assert_eq!(pascal(text), name, "{text}");
        }
    }

    #[test]
    fn names_are_given_once() {
        let mut taken = Taken::new(&["Promise"]);
        taken.reserve("Tools");
        let given: Vec<String> = ["A", "Promise", "A", "A2", "Tools"]
            .iter()
            .map(|name| taken.give(name))
            .collect();
        assert_eq!(given, ["A", "Promise2", "A2", "A22", "Tools2"]);
    }

    #[test]
    fn keywords_are_no_argument_names() {
        for name in ["from", "a-b", "1a", "", "é", "a b"] {
            assert!(!is_python_name(name), "{name}");
        }
        assert!(is_python_name("_x1") && is_js_name("$x") && is_js_name("from"));
    }
}
