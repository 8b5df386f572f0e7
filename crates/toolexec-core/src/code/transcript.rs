//! What a program printed and logged, up to its limit.

use serde_json::Value;
use toolexec_wire::Stream;

use super::outcome::LogLine;
use super::record::size_of_json;

/// What a program printed and logged, up to its limit.
#[derive(Debug)]
pub(super) struct Transcript {
    limit: u64,
    used: u64,
    pub(super) stdout: String,
    pub(super) stderr: String,
    pub(super) logs: Vec<LogLine>,
}

/// More was printed than allowed; what fits was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

/// What one line of the log costs besides its text, so that empty lines are no way around the
/// limit.
const LINE_COST: u64 = 16;

impl Transcript {
    pub(super) fn new(limit: Option<u64>) -> Self {
        Self {
            limit: limit.unwrap_or(u64::MAX),
            used: 0,
            stdout: String::new(),
            stderr: String::new(),
            logs: Vec::new(),
        }
    }

    /// Bytes printed and logged, those that did not fit included.
    pub(super) fn used(&self) -> u64 {
        self.used
    }

    /// Adds a text; of one that is too long the beginning.
    pub(super) fn print(&mut self, stream: Stream, text: &str) -> Result<(), Full> {
        let room = self.limit.saturating_sub(self.used);
        self.used = self.used.saturating_add(text.len() as u64);
        let fits = usize::try_from(room).unwrap_or(usize::MAX).min(text.len());
        let target = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        target.push_str(&text[..text.floor_char_boundary(fits)]);
        self.check()
    }

    /// Adds a line of the log, if it fits.
    pub(super) fn log(&mut self, level: String, data: Value) -> Result<(), Full> {
        let size = (level.len() + size_of_json(&data)) as u64;
        self.used = self.used.saturating_add(size + LINE_COST);
        self.check()?;
        self.logs.push(LogLine { level, data });
        Ok(())
    }

    fn check(&self) -> Result<(), Full> {
        if self.used > self.limit {
            Err(Full)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_fits_is_kept_and_whole_characters_only() {
        let mut transcript = Transcript::new(Some(6));
        assert_eq!(transcript.print(Stream::Stdout, "abc"), Ok(()));
        assert_eq!(transcript.print(Stream::Stderr, "ééé"), Err(Full));
        assert_eq!(transcript.print(Stream::Stdout, "more"), Err(Full));
        assert_eq!(
            (transcript.stdout.as_str(), transcript.stderr.as_str()),
            ("abc", "é")
        );
        assert_eq!(transcript.used(), 13);
    }

    #[test]
    fn empty_lines_of_the_log_count() {
        let mut transcript = Transcript::new(Some(100));
        let mut kept = 0;
        while transcript.log(String::new(), json!(null)).is_ok() {
            kept += 1;
        }
        assert_eq!((kept, transcript.logs.len()), (5, 5));
    }
}
