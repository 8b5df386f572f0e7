//! Data on stdout, talk on stderr.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

use serde::Serialize;
use serde_json::Value;

/// The form of the data on stdout.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    clap::ValueEnum,
    serde::Serialize,
    serde::Deserialize,
)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Human,
    /// One JSON document.
    Json,
    /// One JSON value per line.
    Jsonl,
}

/// What a piece of text means, for its colour.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Tone {
    /// Something failed.
    Error,
    /// Something is not quite right.
    Warning,
    /// What to do next.
    Hint,
    /// All is well.
    Good,
    /// A name to look at.
    Name,
    /// Less important.
    Dim,
}

/// How much is said on stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, serde::Deserialize)]
enum Loudness {
    Quiet,
    Normal,
    Verbose,
}

/// How output looks, for one who writes it elsewhere.
#[derive(Debug, Clone, Copy, Serialize, serde::Deserialize)]
pub(crate) struct Looks {
    format: Format,
    loudness: Loudness,
    out_color: bool,
    err_color: bool,
}

/// Where output goes, and in which form.
pub(crate) struct Printer {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    format: Format,
    loudness: Loudness,
    out_color: bool,
    err_color: bool,
    // Of stdout, when it is a terminal.
    width: Option<usize>,
    err_is_terminal: bool,
}

impl Printer {
    /// Prints to the streams of the process.
    pub(crate) fn new(format: Format, quiet: bool, verbose: bool, no_color: bool) -> Self {
        let color = !no_color && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let color = color && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let (out, err) = (io::stdout(), io::stderr());
        let (out_is_terminal, err_is_terminal) = (out.is_terminal(), err.is_terminal());
        Self {
            format,
            loudness: match (quiet, verbose) {
                (true, _) => Loudness::Quiet,
                (false, true) => Loudness::Verbose,
                (false, false) => Loudness::Normal,
            },
            out_color: color && out_is_terminal,
            err_color: color && err_is_terminal,
            width: out_is_terminal.then(terminal_width),
            err_is_terminal,
            out: Box::new(out),
            err: Box::new(err),
        }
    }

    /// Prints to these, as a printer does elsewhere that looks so.
    pub(crate) fn over(
        out: Box<dyn Write + Send>,
        err: Box<dyn Write + Send>,
        looks: Looks,
    ) -> Self {
        Self {
            out,
            err,
            format: looks.format,
            loudness: looks.loudness,
            out_color: looks.out_color,
            err_color: looks.err_color,
            width: None,
            err_is_terminal: false,
        }
    }

    /// How its output looks.
    pub(crate) fn looks(&self) -> Looks {
        Looks {
            format: self.format,
            loudness: self.loudness,
            out_color: self.out_color,
            err_color: self.err_color,
        }
    }

    /// Writes to stdout what was printed elsewhere.
    pub(crate) fn pass_on(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }

    /// Writes to stderr what was said elsewhere.
    pub(crate) fn pass_on_talk(&mut self, text: &str) -> io::Result<()> {
        self.err.write_all(text.as_bytes())
    }

    /// Says on stdout what would go to stderr, in the form for people.
    pub(crate) fn merge(&mut self) {
        self.err = Box::new(io::stdout());
        self.err_color = self.out_color;
        self.err_is_terminal = false;
        self.format = Format::Human;
    }

    /// The form of the data.
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Whether more than the usual is said.
    pub(crate) fn is_verbose(&self) -> bool {
        self.loudness == Loudness::Verbose
    }

    /// Whether bars and spinners can be shown.
    pub(crate) fn is_live(&self) -> bool {
        self.err_is_terminal && self.format == Format::Human && self.loudness != Loudness::Quiet
    }

    /// The width of the terminal that stdout is; `None` when it is none.
    pub(crate) fn width(&self) -> Option<usize> {
        self.width
    }

    /// Writes a line of data.
    pub(crate) fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{text}")?;
        self.out.flush()
    }

    /// Where bytes go that are no text, unless that is a terminal.
    pub(crate) fn bytes(&mut self) -> Option<&mut (dyn Write + Send)> {
        self.width.is_none().then_some(&mut *self.out)
    }

    /// Writes one value as data: strings as they are, all else as indented JSON.
    pub(crate) fn value(&mut self, value: &Value) -> io::Result<()> {
        match value {
            Value::String(text) => self.line(text.strip_suffix('\n').unwrap_or(text)),
            other => self.line(&pretty(other)),
        }
    }

    /// Writes one document of data, as JSON in the form that was asked for.
    pub(crate) fn document(&mut self, document: &impl Serialize) -> io::Result<()> {
        let text = if self.format == Format::Jsonl {
            serde_json::to_string(document)
        } else {
            serde_json::to_string_pretty(document)
        };
        self.line(&text.map_err(io::Error::other)?)
    }

    /// Writes a list of data: one document, or one line per item.
    pub(crate) fn items<T: Serialize>(&mut self, name: &str, items: &[T]) -> io::Result<()> {
        if self.format == Format::Jsonl {
            return items.iter().try_for_each(|item| self.document(item));
        }
        self.document(&serde_json::json!({ name: items }))
    }

    /// Says something on stderr, unless told to be quiet.
    pub(crate) fn say(&mut self, text: &str) -> io::Result<()> {
        if self.loudness == Loudness::Quiet {
            return Ok(());
        }
        self.talk_line(text)
    }

    /// Warns on stderr, unless told to be quiet.
    pub(crate) fn warn(&mut self, text: &str) -> io::Result<()> {
        let label = self.paint(Tone::Warning, "warning:");
        self.say(&format!("{label} {text}"))
    }

    /// Says what must be said, on stderr.
    pub(crate) fn talk_line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.err, "{text}")
    }

    /// Colours a text for stderr.
    pub(crate) fn paint<'t>(&self, tone: Tone, text: &'t str) -> Cow<'t, str> {
        painted(self.err_color, tone, text)
    }

    /// Colours a text for stdout.
    pub(crate) fn paint_data<'t>(&self, tone: Tone, text: &'t str) -> Cow<'t, str> {
        painted(self.out_color, tone, text)
    }
}

/// Indented JSON.
pub(crate) fn pretty(value: &Value) -> String {
    // A `Value` has only string keys, so this cannot fail.
    serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string())
}

/// The first `width` characters, with an ellipsis where something is left out.
pub(crate) fn shortened(text: &str, width: usize) -> Cow<'_, str> {
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if flat.chars().count() <= width {
        return Cow::Owned(flat);
    }
    let kept: String = flat.chars().take(width.saturating_sub(1)).collect();
    Cow::Owned(format!("{}…", kept.trim_end()))
}

fn painted(color: bool, tone: Tone, text: &str) -> Cow<'_, str> {
    if !color {
        return Cow::Borrowed(text);
    }
    let code = match tone {
        Tone::Error => "1;31",
        Tone::Warning => "1;33",
        Tone::Hint => "1;36",
        Tone::Good => "32",
        Tone::Name => "1",
        Tone::Dim => "2",
    };
    Cow::Owned(format!("\x1b[{code}m{text}\x1b[0m"))
}

fn terminal_width() -> usize {
    const USUAL: usize = 100;
    let columns = std::env::var("COLUMNS")
        .ok()
        .and_then(|text| text.parse().ok());
    columns
        .or_else(|| Some(terminal_size::terminal_size()?.0.0.into()))
        .unwrap_or(USUAL)
}

impl std::fmt::Debug for Printer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Printer")
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}
