//! A connection of a program to its guest: a JSON message to a line.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use toolexec_wire::{Failure, MAX_FRAME, Op, Outcome};

/// How much is read at once.
const PIECE: usize = 64 << 10;

/// What a program says.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Said {
    /// It calls out.
    Call {
        /// Of its own choice; the answer has it.
        id: u64,
        #[serde(flatten)]
        op: Op,
    },
    /// This is its value, unless another one follows.
    Result { value: Value },
    /// It logged.
    Log { level: String, data: Value },
    /// It tells how far it is.
    Progress {
        progress: f64,
        #[serde(default)]
        total: Option<f64>,
        #[serde(default)]
        message: Option<String>,
    },
    /// It ended with a value.
    Done { value: Value },
    /// It ended without a value.
    Failed { error: Failure },
}

#[derive(Serialize)]
struct Answer<'a> {
    id: u64,
    #[serde(flatten)]
    outcome: &'a Outcome,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Link {
    stream: UnixStream,
    unread: Vec<u8>,
    // Up to here `unread` holds no end of a line.
    searched: usize,
    unsent: Vec<u8>,
    open: bool,
}

impl Link {
    pub(super) fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            unread: Vec::new(),
            searched: 0,
            unsent: Vec::new(),
            open: true,
        })
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// Whether the other end is still there.
    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// How many bytes wait for the other end to read.
    pub(super) fn unsent(&self) -> usize {
        self.unsent.len()
    }

    /// Reads what is there, once.
    pub(super) fn read(&mut self) {
        let mut piece = vec![0; PIECE];
        match self.stream.read(&mut piece) {
            Ok(0) => self.open = false,
            Ok(read) => self
                .unread
                .extend_from_slice(piece.get(..read).unwrap_or_default()),
            Err(error) if is_later(&error) => {}
            Err(_) => self.open = false,
        }
    }

    /// The next message that was read.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn next(&mut self) -> Result<Option<Said>, String> {
        let rest = self.unread.get(self.searched..).unwrap_or_default();
        let Some(at) = rest.iter().position(|byte| *byte == b'\n') else {
            self.searched = self.unread.len();
            if self.unread.len() > MAX_FRAME {
                return Err(format!("a message of more than {MAX_FRAME} bytes"));
            }
            return Ok(None);
        };
        let end = self.searched + at;
        self.searched = 0;
        let line: Vec<u8> = self.unread.drain(..=end).collect();
        if line.len() > MAX_FRAME {
            return Err(format!("a message of {} bytes", line.len()));
        }
        serde_json::from_slice(&line)
            .map(Some)
            .map_err(|error| format!("a message that is none: {error}"))
    }

    /// Answers a call.
    pub(super) fn answer(&mut self, id: u64, outcome: &Outcome) {
        self.send(&Answer { id, outcome });
    }

    /// Says something, as soon as the other end reads.
    pub(super) fn send(&mut self, message: &impl Serialize) {
        // Writing to memory does not fail.
        if serde_json::to_writer(&mut self.unsent, message).is_ok() {
            self.unsent.push(b'\n');
        }
        self.write();
    }

    /// Writes what there is room for.
    pub(super) fn write(&mut self) {
        while self.open && !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(0) => self.open = false,
                Ok(written) => {
                    self.unsent.drain(..written);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_later(&error) => break,
                Err(_) => self.open = false,
            }
        }
        if !self.open {
            self.unsent.clear();
        }
    }
}

fn is_later(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pair() -> (Link, UnixStream) {
        let (own, other) = UnixStream::pair().unwrap();
        (Link::new(own).unwrap(), other)
    }

    fn said(text: &[u8]) -> Result<Vec<Said>, String> {
        let (mut link, mut other) = pair();
        other.write_all(text).unwrap();
        drop(other);
        let mut all = Vec::new();
        while link.is_open() {
            link.read();
            while let Some(said) = link.next()? {
                all.push(said);
            }
        }
        Ok(all)
    }

    #[test]
    fn messages_are_lines() {
        let text = br#"{"type":"call","id":1,"op":"run","tool":"a:b","args":{}}
{"type":"done","value":[1]}
{"type":"done","va"#;
        let op = Op::Run {
            tool: "a:b".into(),
            args: json!({}),
        };
        assert_eq!(
            said(text),
            Ok(vec![
                Said::Call { id: 1, op },
                Said::Done { value: json!([1]) }
            ])
        );
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let deep = "[".repeat(100_000);
        for wrong in ["\n", "{}\n", "null\n", "{\"type\":\"hello\"}\n", "\u{0}\n"] {
            assert!(said(wrong.as_bytes()).is_err(), "{wrong:?}");
        }
        let deep = format!("{{\"type\":\"done\",\"value\":{deep}\n");
        assert!(said(deep.as_bytes()).is_err());
        assert!(said(b"{\"type\":\"done\",\"value\":\"\xff\"}\n").is_err());
    }

    #[test]
    fn a_line_without_an_end_is_refused() {
        let (mut link, mut other) = pair();
        let writer = std::thread::spawn(move || {
            let piece = vec![b'a'; 1 << 20];
            while other.write_all(&piece).is_ok() {}
        });
        let refused = loop {
            link.read();
            if let Err(why) = link.next() {
                break why;
            }
        };
        assert_eq!(refused, format!("a message of more than {MAX_FRAME} bytes"));
        drop(link);
        writer.join().unwrap();
    }
}
