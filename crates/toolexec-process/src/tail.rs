//! The end of what a child wrote to its standard error.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::Notify;

/// Longer lines are cut there: a child that never ends its line must not fill the ring with it.
const MAX_LINE: usize = 4096;

/// The last lines that a child wrote to its standard error, up to a number of bytes. Cheap to
/// clone; stays readable after the child ended.
#[derive(Debug, Clone)]
pub struct Tail(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    ring: Mutex<Ring>,
    grown: Notify,
}

#[derive(Debug)]
struct Ring {
    lines: VecDeque<String>,
    bytes: usize,
    limit: usize,
    // Lines that no longer fit.
    dropped: u64,
}

impl Tail {
    pub(crate) fn new(limit: usize) -> Self {
        let ring = Mutex::new(Ring {
            lines: VecDeque::new(),
            bytes: 0,
            limit,
            dropped: 0,
        });
        let grown = Notify::new();
        Self(Arc::new(Shared { ring, grown }))
    }

    /// The lines kept, oldest first.
    pub fn lines(&self) -> Vec<String> {
        self.ring().lines.iter().cloned().collect()
    }

    /// How many older lines were let go.
    pub fn dropped(&self) -> u64 {
        self.ring().dropped
    }

    /// The last `count` lines as one text, or `None` when there are none.
    pub fn last(&self, count: usize) -> Option<String> {
        let ring = self.ring();
        let skip = ring.lines.len().saturating_sub(count);
        let lines: Vec<&str> = ring.lines.iter().skip(skip).map(String::as_str).collect();
        (!lines.is_empty()).then(|| lines.join("\n"))
    }

    /// Waits for lines after the first `seen` ones, and gives those of them that are still kept,
    /// with the number of lines that came so far. Never completes when no more lines come.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn after(&self, seen: u64) -> (Vec<String>, u64) {
        loop {
            let grown = self.0.grown.notified();
            let found = self.since(seen);
            if found.1 > seen {
                return found;
            }
            grown.await;
        }
    }

    /// The lines after the first `seen` ones that are still kept, with the number of lines that
    /// came so far.
    pub fn since(&self, seen: u64) -> (Vec<String>, u64) {
        let ring = self.ring();
        let skip = usize::try_from(seen.saturating_sub(ring.dropped)).unwrap_or(usize::MAX);
        let lines = ring.lines.iter().skip(skip).cloned().collect();
        (lines, ring.dropped + ring.lines.len() as u64)
    }

    fn push(&self, line: &[u8], label: &str) {
        let line = String::from_utf8_lossy(line);
        let line = line.trim_end();
        tracing::debug!(target: "toolexec_process::stderr", program = label, "{line}");
        let mut ring = self.ring();
        ring.bytes += line.len() + 1;
        ring.lines.push_back(line.to_owned());
        while ring.bytes > ring.limit {
            let Some(old) = ring.lines.pop_front() else {
                break;
            };
            ring.bytes -= old.len() + 1;
            ring.dropped += 1;
        }
        drop(ring);
        self.0.grown.notify_waiters();
    }

    fn ring(&self) -> std::sync::MutexGuard<'_, Ring> {
        // The ring is consistent after every statement; a panic elsewhere does not matter.
        self.0.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Copies `reader` into the tail until it ends.
    pub(crate) async fn fill(self, mut reader: impl AsyncRead + Unpin, label: String) {
        let mut chunk = [0_u8; 8192];
        let mut line = Vec::new();
        loop {
            let read = match reader.read(&mut chunk).await {
                Ok(0) | Err(_) => break,
                Ok(read) => read,
            };
            for byte in &chunk[..read] {
                if *byte == b'\n' || line.len() >= MAX_LINE {
                    self.push(&line, &label);
                    line.clear();
                }
                if *byte != b'\n' {
                    line.push(*byte);
                }
            }
        }
        if !line.is_empty() {
            self.push(&line, &label);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_end_is_kept() {
        let tail = Tail::new(12);
        let text = b"one\ntwo\nthree\nfour".as_slice();
        tail.clone().fill(text, "test".to_owned()).await;
        assert_eq!(tail.lines(), ["three", "four"]);
        assert_eq!(tail.dropped(), 2);
        assert_eq!(tail.last(1).as_deref(), Some("four"));
        assert_eq!(Tail::new(10).last(3), None);
    }

    #[tokio::test]
    async fn lines_are_given_as_they_come() {
        let tail = Tail::new(12);
        assert_eq!(tail.since(0), (vec![], 0));
        let waiting = tail.after(0);
        let text = b"one\ntwo\n".as_slice();
        let (found, ()) = tokio::join!(waiting, tail.clone().fill(text, "test".to_owned()));
        assert_eq!(found, (vec!["one".to_owned(), "two".to_owned()], 2));
        let text = b"three\nfour".as_slice();
        tail.clone().fill(text, "test".to_owned()).await;
        let kept = vec!["three".to_owned(), "four".to_owned()];
        assert_eq!(tail.after(1).await, (kept, 4));
    }

    #[tokio::test]
    async fn a_line_without_end_is_cut() {
        let tail = Tail::new(10_000);
        let text = vec![b'x'; MAX_LINE * 2 + 1];
        tail.clone().fill(text.as_slice(), "test".to_owned()).await;
        let lengths: Vec<usize> = tail.lines().iter().map(String::len).collect();
        assert_eq!(lengths, [MAX_LINE, MAX_LINE, 1]);
    }
}
