//! What is wrong with a configuration file, and where.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toolexec_core::{Error, ErrorKind};

/// What is wrong with a configuration file, where, and what was expected.
///
/// Its text quotes the line of the file; it is for the person who wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    file: PathBuf,
    place: Option<Place>,
    message: String,
    hints: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    // Both from 1; the column counts characters.
    line: usize,
    column: usize,
    text: String,
    marked: usize,
}

impl ConfigError {
    /// An error about the file as a whole.
    pub(super) fn new(file: &Path, message: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            place: None,
            message: message.into(),
            hints: Vec::new(),
        }
    }

    /// An error about a part of the file, whose text is `source`.
    pub(super) fn at(
        file: &Path,
        source: &str,
        span: Range<usize>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            place: Some(Place::of(source, span)),
            ..Self::new(file, message)
        }
    }

    /// Adds what to do next.
    #[must_use]
    pub(super) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The line and the column, both from 1, where they are known.
    pub fn position(&self) -> Option<(usize, usize)> {
        self.place.as_ref().map(|place| (place.line, place.column))
    }

    /// What is wrong, without the place.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do next.
    pub fn hints(&self) -> &[String] {
        &self.hints
    }
}

impl Place {
    fn of(source: &str, span: Range<usize>) -> Self {
        let start = floor(source, span.start);
        let line_start = source[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = source[start..]
            .find('\n')
            .map_or(source.len(), |at| start + at);
        let end = floor(source, span.end).clamp(start, line_end);
        Self {
            line: source[..start].matches('\n').count() + 1,
            column: source[line_start..start].chars().count() + 1,
            text: source[line_start..line_end].trim_end().to_owned(),
            marked: source[start..end].chars().count().max(1),
        }
    }
}

/// The nearest place at or before `at` where a character starts.
fn floor(source: &str, at: usize) -> usize {
    let mut at = at.min(source.len());
    while !source.is_char_boundary(at) {
        at -= 1;
    }
    at
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        let Some(place) = &self.place else {
            return write!(f, ": {}", self.message);
        };
        let number = place.line.to_string();
        let margin = " ".repeat(number.len());
        let before = " ".repeat(place.column - 1);
        let carets = "^".repeat(place.marked);
        writeln!(f, ":{}:{}: {}", place.line, place.column, self.message)?;
        writeln!(f, "{margin} |")?;
        writeln!(f, "{number} | {}", place.text.replace('\t', " "))?;
        write!(f, "{margin} | {before}{carets}")
    }
}

impl std::error::Error for ConfigError {}

impl From<ConfigError> for Error {
    /// The message names line and column but not the file, whose path a model must not read; that
    /// is in the source.
    fn from(error: ConfigError) -> Self {
        let place = error
            .position()
            .map(|(line, column)| format!(" at line {line}, column {column}"))
            .unwrap_or_default();
        let message = format!("the configuration is wrong{place}: {}", error.message);
        let hints = error.hints.clone();
        let made = Self::new(ErrorKind::Config, message).with_source(error);
        hints.into_iter().fold(made, Self::with_hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_shown_with_a_caret() {
        let source = "a = 1\nnäme = \"x\"\n";
        let error = ConfigError::at(Path::new("t.toml"), source, 14..17, "no such name");
        assert_eq!(
            error.to_string(),
            "t.toml:2:8: no such name\n  |\n2 | näme = \"x\"\n  |        ^^^"
        );
    }

    #[test]
    fn spans_beyond_the_text_or_inside_a_character_do_not_panic() {
        let source = "ä";
        for span in [0..1, 1..2, 5..9, 2..2] {
            let error = ConfigError::at(Path::new("t"), source, span, "m");
            assert_eq!(error.position().unwrap().0, 1);
        }
    }

    #[test]
    fn a_model_reads_no_path() {
        let error = ConfigError::at(Path::new("/home/me/t.toml"), "x = 1", 0..1, "unknown key");
        let error = Error::from(error);
        assert_eq!(
            error.guest_message(),
            "the configuration is wrong at line 1, column 1: unknown key"
        );
    }
}
