//! Lines from a program, never longer than a limit.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

/// How much of each end of a line that is too long is kept, to find out which request it answers.
const ENDS: usize = 512;
const BUFFER: usize = 64 * 1024;

/// Reads lines of at most a limit.
#[derive(Debug)]
pub(crate) struct Lines<R> {
    reader: BufReader<R>,
    limit: usize,
    line: Vec<u8>,
    // The line is over the limit: `line` holds its start only, `tail` its end so far.
    discarding: bool,
    tail: Vec<u8>,
}

/// A line, without its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// A whole line.
    Whole(Vec<u8>),
    /// A line over the limit, of which only the two ends are known.
    TooLong {
        /// Its first bytes.
        head: Vec<u8>,
        /// Its last bytes.
        tail: Vec<u8>,
    },
    /// The last bytes before the end, without an end of line.
    Unfinished(Vec<u8>),
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(crate) fn new(reader: R, limit: usize) -> Self {
        Self {
            reader: BufReader::with_capacity(BUFFER, reader),
            limit,
            line: Vec::new(),
            discarding: false,
            tail: Vec::new(),
        }
    }

    /// The next line, or `None` at the end.
    ///
    /// Cancel safe: a partial line stays in `self`, and nothing is awaited between taking bytes
    /// from the reader and keeping them.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            let available = self.reader.fill_buf().await?;
            if available.is_empty() {
                let rest = std::mem::take(&mut self.line);
                let is_end = rest.is_empty() || self.discarding;
                return Ok((!is_end).then_some(Line::Unfinished(rest)));
            }
            let newline = available.iter().position(|byte| *byte == b'\n');
            let part = &available[..newline.unwrap_or(available.len())];
            if !self.discarding && self.line.len() + part.len() > self.limit {
                self.discarding = true;
                let room = ENDS.saturating_sub(self.line.len()).min(part.len());
                self.line.extend_from_slice(&part[..room]);
                self.line.truncate(ENDS);
                self.line.shrink_to_fit();
            } else if !self.discarding {
                self.line.extend_from_slice(part);
            }
            if self.discarding {
                keep_end(&mut self.tail, part);
            }
            let consumed = part.len() + usize::from(newline.is_some());
            self.reader.consume(consumed);
            if newline.is_some() {
                return Ok(Some(self.finish()));
            }
        }
    }

    fn finish(&mut self) -> Line {
        let line = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.discarding) {
            let tail = std::mem::take(&mut self.tail);
            Line::TooLong { head: line, tail }
        } else {
            Line::Whole(line)
        }
    }
}

/// Appends `part` and keeps the last bytes only.
fn keep_end(tail: &mut Vec<u8>, part: &[u8]) {
    tail.extend_from_slice(&part[part.len().saturating_sub(ENDS)..]);
    tail.drain(..tail.len().saturating_sub(ENDS));
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn all(text: &[u8], limit: usize) -> Vec<Line> {
        let mut lines = Lines::new(text, limit);
        let mut all = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            all.push(line);
        }
        all
    }

    #[tokio::test]
    async fn lines_are_split_and_half_a_line_is_told_apart() {
        let whole = |text: &str| Line::Whole(text.as_bytes().to_vec());
        assert_eq!(
            all(b"one\n\ntwo\nhal", 3).await,
            [
                whole("one"),
                whole(""),
                whole("two"),
                Line::Unfinished(b"hal".to_vec())
            ]
        );
    }

    #[tokio::test]
    async fn a_line_over_the_limit_keeps_its_ends_only() {
        let mut text = b"{\"id\":7,".to_vec();
        text.extend(vec![b'x'; 1 << 20]);
        text.extend_from_slice(b"\"end\"}\nnext\n");
        let lines = all(&text, 1000).await;
        let [Line::TooLong { head, tail }, next] = lines.as_slice() else {
            panic!("{lines:?}");
        };
        assert_eq!((head.len(), tail.len()), (ENDS, ENDS));
        assert!(head.starts_with(b"{\"id\":7,") && tail.ends_with(b"\"end\"}"));
        assert_eq!(*next, Line::Whole(b"next".to_vec()));
    }

    #[tokio::test]
    async fn a_line_that_never_ends_is_not_kept() {
        let mut lines = Lines::new(
            tokio::io::AsyncReadExt::take(tokio::io::repeat(b'x'), 5 << 20),
            1000,
        );
        assert_eq!(lines.next().await.unwrap(), None);
        assert!(lines.line.capacity() + lines.tail.capacity() < 4 * BUFFER);
    }
}
