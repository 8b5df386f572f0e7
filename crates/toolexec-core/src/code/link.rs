//! The byte stream to a guest, as messages, written for a hostile peer.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use toolexec_wire::{FrameError, FrameReader, MAX_FRAME, ToGuest, ToHost, encode};

use crate::sandbox::{Ended, Guest, Session};

/// How many bytes are read at once.
const PIECE: usize = 16 << 10;
/// The most values in one frame: small values take far more memory than their text.
const MAX_NODES: usize = 1 << 20;

/// A session, as messages.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) session: Session,
    reader: FrameReader,
    piece: Box<[u8]>,
    out: Vec<u8>,
    written: usize,
    needs_flush: bool,
    /// The largest frame that the guest reads.
    pub(super) max_out: usize,
}

/// Why no message comes any more.
#[derive(Debug)]
pub(super) enum LinkError {
    /// The guest ended, between two frames or inside one.
    Ended,
    /// What it sent is no message.
    Broken(String),
}

impl Link {
    pub(super) fn new(session: Session) -> Self {
        Self {
            session,
            reader: FrameReader::new(MAX_FRAME),
            piece: vec![0; PIECE].into_boxed_slice(),
            out: Vec::new(),
            written: 0,
            needs_flush: false,
            max_out: MAX_FRAME,
        }
    }

    /// Queues a message; [`receive`](Self::receive) sends it.
    pub(super) fn send(&mut self, message: &ToGuest) -> Result<(), FrameError> {
        encode(message, self.max_out, &mut self.out)
    }

    /// How many bytes wait to be read by the guest.
    pub(super) fn backlog(&self) -> usize {
        self.out.len() - self.written
    }

    /// The next message; sends what is queued meanwhile.
    ///
    /// # Cancel safety
    /// Safe: what came and what was not sent yet stays here.
    pub(super) async fn receive(&mut self) -> Result<ToHost, LinkError> {
        loop {
            if let Some(message) = self.buffered()? {
                return Ok(message);
            }
            let read = poll_fn(|cx| self.poll_exchange(cx)).await;
            match read {
                // A write to a guest that is gone fails; what it sent before is still read.
                Err(_) | Ok(0) => return Err(LinkError::Ended),
                Ok(read) => self.reader.push(&self.piece[..read]),
            }
        }
    }

    /// The next message if it is here already.
    pub(super) fn buffered(&mut self) -> Result<Option<ToHost>, LinkError> {
        let broken = |error: FrameError| LinkError::Broken(error.to_string());
        let Some(frame) = self.reader.next_frame().map_err(broken)? else {
            return Ok(None);
        };
        if frame.len() > MAX_NODES && nodes(frame) > MAX_NODES {
            let why = format!("a frame holds more than {MAX_NODES} values");
            return Err(LinkError::Broken(why));
        }
        // The words of the parser quote what it read, which is the guest's own text.
        ToHost::decode(frame)
            .map(Some)
            .map_err(|error| LinkError::Broken(error.to_string()))
    }

    /// Why the guest ended, once it is known or a short while passed.
    pub(super) async fn ended(&mut self) -> Option<Ended> {
        for _ in 0..100 {
            if let Some(ended) = self.session.ended() {
                return Some(ended);
            }
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        None
    }

    fn poll_exchange(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        // Failing to write is no reason not to read what the guest said last.
        if let Poll::Ready(Err(_)) = self.poll_send(cx) {
            self.out.clear();
            self.written = 0;
            self.needs_flush = false;
        }
        let mut buffer = ReadBuf::new(&mut self.piece);
        match Pin::new(&mut self.session).poll_read(cx, &mut buffer) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) => Poll::Ready(Ok(buffer.filled().len())),
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.out.len() {
            let session = Pin::new(&mut self.session);
            let sent = std::task::ready!(session.poll_write(cx, &self.out[self.written..]))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += sent;
            self.needs_flush = true;
        }
        self.out.clear();
        self.written = 0;
        if self.needs_flush {
            std::task::ready!(Pin::new(&mut self.session).poll_flush(cx))?;
            self.needs_flush = false;
        }
        Poll::Ready(Ok(()))
    }
}

/// About how many values a JSON text holds, counted without making them.
fn nodes(text: &[u8]) -> usize {
    let (mut count, mut in_string, mut escaped) = (1, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b',' | b'[' | b'{' if !in_string => count += 1,
            _ => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_outside_of_texts() {
        assert_eq!(nodes(b"1"), 1);
        assert_eq!(nodes(br#"{"a": [1, 2], "b,[{": "\",["}"#), 5);
    }
}
