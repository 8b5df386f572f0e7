//! Where entries come from: a line editor at a terminal, else standard input.

use std::io::{BufRead, IsTerminal};

use toolexec::core::sandbox::Language;

use super::editor::{Line, LineEditor};
use super::entry::is_whole;

/// What was entered.
pub(super) enum Entry {
    /// A program.
    Program(String),
    /// A line such as `.help`.
    Command(String),
    /// Nothing; it was given up.
    Dropped,
    /// The end of the input.
    End,
}

/// Where entries come from.
pub(super) enum Input {
    Terminal(Box<LineEditor>),
    Lines(Language),
}

impl Input {
    /// A line editor where people type; lines of standard input otherwise.
    pub(super) fn new(language: Language) -> Self {
        let editor = std::io::stdin()
            .is_terminal()
            .then(|| LineEditor::new(language));
        match editor {
            Some(Ok(editor)) => Self::Terminal(Box::new(editor)),
            _ => Self::Lines(language),
        }
    }

    /// Whether people type.
    pub(super) fn is_interactive(&self) -> bool {
        matches!(self, Self::Terminal(_))
    }

    /// The next entry.
    pub(super) fn next(&mut self) -> std::io::Result<Entry> {
        let text = match self {
            Self::Terminal(editor) => match editor.read()? {
                Line::Text(text) => text,
                Line::Interrupted => return Ok(Entry::Dropped),
                Line::End => return Ok(Entry::End),
            },
            Self::Lines(language) => match lines(*language)? {
                Some(text) => text,
                None => return Ok(Entry::End),
            },
        };
        let text = text.trim_end();
        Ok(match text.trim() {
            "" => Entry::Dropped,
            command if is_command(command) => Entry::Command(command.to_owned()),
            _ => Entry::Program(text.to_owned()),
        })
    }
}

/// `.word`: no program of any language.
pub(super) fn is_command(line: &str) -> bool {
    line.strip_prefix('.')
        .is_some_and(|word| !word.is_empty() && word.chars().all(|c| c.is_ascii_alphabetic()))
}

/// The next entry of standard input; `None` at its end.
fn lines(language: Language) -> std::io::Result<Option<String>> {
    let mut entry = String::new();
    loop {
        let mut line = String::new();
        if std::io::stdin().lock().read_line(&mut line)? == 0 {
            return Ok((!entry.trim().is_empty()).then_some(entry));
        }
        entry.push_str(&line);
        if entry.trim().is_empty() {
            entry.clear();
        } else if is_command(entry.trim()) || is_whole(&entry, language) {
            return Ok(Some(entry));
        }
    }
}
