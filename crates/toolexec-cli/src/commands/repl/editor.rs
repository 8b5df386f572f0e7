//! The line editor, with its history.

use std::io;
use std::path::PathBuf;

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Behavior, Config, Editor, Helper};
use toolexec::core::sandbox::Language;

use super::entry::is_whole;
use super::input::is_command;

/// How many entries are kept.
const HISTORY: usize = 1000;

/// A line editor that takes an entry of several lines as one.
pub(super) struct LineEditor {
    editor: Editor<Whole, FileHistory>,
    history: Option<PathBuf>,
}

/// What was typed.
pub(super) enum Line {
    Text(String),
    /// Ctrl-C.
    Interrupted,
    /// Ctrl-D.
    End,
}

impl LineEditor {
    pub(super) fn new(language: Language) -> io::Result<Self> {
        let config = Config::builder()
            .max_history_size(HISTORY)
            .map_err(into_io)?
            // Standard output is for values.
            .behavior(Behavior::PreferTerm)
            .build();
        let mut editor = Editor::with_config(config).map_err(into_io)?;
        editor.set_helper(Some(Whole(language)));
        let history = history_file();
        if let Some(file) = &history {
            // There is none yet, or it cannot be read: then there is no history.
            let _ = editor.load_history(file);
        }
        Ok(Self { editor, history })
    }

    pub(super) fn read(&mut self) -> io::Result<Line> {
        match self.editor.readline("> ") {
            Ok(text) => {
                self.remember(&text);
                Ok(Line::Text(text))
            }
            Err(ReadlineError::Interrupted) => Ok(Line::Interrupted),
            Err(ReadlineError::Eof) => Ok(Line::End),
            Err(error) => Err(into_io(error)),
        }
    }

    fn remember(&mut self, text: &str) {
        if text.trim().is_empty() || !matches!(self.editor.add_history_entry(text), Ok(true)) {
            return;
        }
        if let Some(file) = &self.history {
            // A history that cannot be written is no reason to stop.
            let _ = self.editor.append_history(file);
        }
    }
}

/// Where the history is kept; nowhere without a home.
fn history_file() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let state = set("XDG_STATE_HOME").map(PathBuf::from);
    let state = state.or_else(|| Some(PathBuf::from(set("HOME")?).join(".local/state")))?;
    let directory = state.join("toolexec");
    std::fs::create_dir_all(&directory).ok()?;
    Some(directory.join("repl_history"))
}

fn into_io(error: ReadlineError) -> io::Error {
    match error {
        ReadlineError::Io(error) => error,
        other => io::Error::other(other),
    }
}

/// Says whether an entry ends with the line that was typed.
struct Whole(Language);

impl Validator for Whole {
    fn validate(&self, typed: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let text = format!("{}\n", typed.input());
        let ends = text.trim().is_empty() || is_command(text.trim()) || is_whole(&text, self.0);
        Ok(if ends {
            ValidationResult::Valid(None)
        } else {
            ValidationResult::Incomplete
        })
    }
}

impl Completer for Whole {
    type Candidate = String;
}

impl Hinter for Whole {
    type Hint = String;
}

impl Highlighter for Whole {}

impl Helper for Whole {}
