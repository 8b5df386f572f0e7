//! Names of files.

use crate::error::{Error, ErrorKind, Result};

/// The longest name, and the longest segment of one: what file systems take.
const MAX_NAME: usize = 1024;
const MAX_SEGMENT: usize = 255;
/// The most names that a message lists.
const MAX_LISTED: usize = 12;

/// Refuses a name that could mean another place than one below a directory of the files.
pub(super) fn check(name: &str) -> Result<()> {
    let why = if name.is_empty() {
        "it is empty"
    } else if name.starts_with('/') {
        "it is absolute"
    } else if name.len() > MAX_NAME || name.split('/').any(|part| part.len() > MAX_SEGMENT) {
        "it is too long"
    } else if name.split('/').any(|part| matches!(part, "" | "." | "..")) {
        "it has an empty part, . or .."
    } else if name.contains(['\\', ':']) || name.chars().any(char::is_control) {
        "it has a character that is not allowed: a backslash, a colon or a control character"
    } else {
        return Ok(());
    };
    let message = format!("{name:?} is no name of a file: {why}");
    Err(Error::new(ErrorKind::InvalidInput, message)
        .with_hint("write it like report.csv or plots/one.png"))
}

/// Whether one of them would be a directory of the other.
pub(super) fn collide(one: &str, other: &str) -> bool {
    let below = |dir: &str, file: &str| {
        file.strip_prefix(dir)
            .is_some_and(|rest| rest.starts_with('/'))
    };
    below(one, other) || below(other, one)
}

/// Some names, for people.
pub(super) fn listed(names: &[&str]) -> String {
    let shown: Vec<&str> = names.iter().copied().take(MAX_LISTED).collect();
    let more = names.len() - shown.len();
    let rest = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!("{}{rest}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_below_a_directory_are_taken() {
        for name in [
            "a",
            "report.csv",
            "plots/one.png",
            "a b",
            "…",
            ".hidden",
            "a..b",
        ] {
            check(name).unwrap();
        }
        let long = "x".repeat(256);
        for name in [
            "",
            "/etc/passwd",
            "..",
            "../a",
            "a/../b",
            "a//b",
            "a/",
            "./a",
            "a\\b",
            "C:a",
            "a\0",
            "a\nb",
            &long,
        ] {
            let error = check(name).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{name:?}");
        }
    }

    #[test]
    fn a_file_is_no_directory() {
        assert!(collide("a", "a/b"));
        assert!(collide("a/b/c", "a/b"));
        assert!(!collide("a", "ab"));
        assert!(!collide("a", "a"));
    }
}
