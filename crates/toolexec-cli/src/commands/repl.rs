//! `toolexec repl`.

use std::io::{BufRead, IsTerminal, Write};

use toolexec::core::code::{CodeSession, Submission};
use toolexec::core::sandbox::Language;
use toolexec::{Error, ErrorKind};

use crate::code_args::ReplArgs;
use crate::commands::code::{executor, finish, language};
use crate::diagnostics::Failure;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::session::Session;

/// Runs one entry after the other; variables stay. An error ends its entry only.
pub(crate) async fn run(
    args: &ReplArgs,
    session: &Session,
    printer: &mut Printer,
) -> Result<Exit, Failure> {
    let language = language(args.lang)?;
    let limits = args.bounds.limits(session.timeout());
    let executor = executor(&args.bounds, session);
    let open = || executor.open(language, limits, args.bounds.profile());
    let mut code: CodeSession = session.within(open()).await?;
    let mut entries = Entries::new(language);
    if entries.is_terminal {
        printer.say(&format!(
            "{language:?} in {}; an empty line ends a block, Ctrl-D ends it all",
            code.sandbox()
        ))?;
    }
    let mut last = Exit::Ok;
    loop {
        let (back, entry) = session.within(read(entries)).await?;
        entries = back;
        let Some(entry) = entry? else { break };
        let submission = Submission::new(language, &*entry);
        let cx = session.cancellable();
        last = match code.execute(submission, &cx).await {
            Ok(outcome) => finish(&outcome, &entry, printer)?,
            Err(error) => Failure::from(error).show(printer),
        };
        if code.is_closed() {
            printer.warn("the session was lost; its variables are gone")?;
            code = session.within(open()).await?;
        }
    }
    Ok(last)
}

/// Reads the next entry where it keeps nobody waiting.
async fn read(mut entries: Entries) -> Result<(Entries, std::io::Result<Option<String>>), Error> {
    let work = tokio::task::spawn_blocking(move || {
        let entry = entries.next();
        (entries, entry)
    });
    work.await.map_err(|error| {
        Error::new(ErrorKind::Internal, "reading standard input failed").with_source(error)
    })
}

/// Reads entries: lines, as long as something is open.
struct Entries {
    language: Language,
    is_terminal: bool,
}

impl Entries {
    fn new(language: Language) -> Self {
        Self {
            language,
            is_terminal: std::io::stdin().is_terminal(),
        }
    }

    /// The next entry; `None` at the end of the input.
    fn next(&mut self) -> std::io::Result<Option<String>> {
        let mut entry = String::new();
        loop {
            self.prompt(if entry.is_empty() { "> " } else { "… " })?;
            let mut line = String::new();
            if std::io::stdin().lock().read_line(&mut line)? == 0 {
                let rest = entry.trim_end();
                return Ok((!rest.is_empty()).then(|| rest.to_owned()));
            }
            entry.push_str(&line);
            if entry.trim().is_empty() {
                entry.clear();
            } else if is_whole(&entry, self.language) {
                return Ok(Some(entry.trim_end().to_owned()));
            }
        }
    }

    fn prompt(&self, text: &str) -> std::io::Result<()> {
        if self.is_terminal {
            let mut err = std::io::stderr();
            write!(err, "{text}")?;
            err.flush()?;
        }
        Ok(())
    }
}

/// Whether nothing is open: no bracket, no text over several lines, no block of Python. An empty
/// line ends whatever is open.
fn is_whole(entry: &str, language: Language) -> bool {
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
