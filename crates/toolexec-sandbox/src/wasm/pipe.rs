//! The two byte streams between a guest and its host, in memory.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// How many bytes wait in a direction before the writer has to.
const CAPACITY: usize = 256 << 10;

/// The two byte streams between a guest and its host. Both ends are polled by the same task.
#[derive(Debug, Clone, Default)]
pub(super) struct Pipe(Arc<Mutex<Ends>>);

#[derive(Debug, Default)]
struct Ends {
    to_guest: VecDeque<u8>,
    to_host: VecDeque<u8>,
    closed: bool,
    guest: Option<Waker>,
    host: Option<Waker>,
}

impl Pipe {
    /// The host sends; waits while the guest is behind.
    pub(super) fn poll_send(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<usize> {
        let mut ends = self.lock();
        let room = CAPACITY.saturating_sub(ends.to_guest.len());
        if room == 0 {
            ends.host = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let sent = room.min(bytes.len());
        ends.to_guest.extend(&bytes[..sent]);
        wake(&mut ends.guest);
        Poll::Ready(sent)
    }

    /// The host sends no more: the guest reads the end once it has read everything.
    pub(super) fn close(&self) {
        let mut ends = self.lock();
        ends.closed = true;
        wake(&mut ends.guest);
    }

    /// What the guest wrote; nothing when nothing is there.
    pub(super) fn take(&self, into: &mut tokio::io::ReadBuf<'_>) -> usize {
        let mut ends = self.lock();
        let taken = ends.to_host.len().min(into.remaining());
        let (first, second) = ends.to_host.as_slices();
        let from_first = taken.min(first.len());
        into.put_slice(&first[..from_first]);
        into.put_slice(&second[..taken - from_first]);
        ends.to_host.drain(..taken);
        if taken > 0 {
            wake(&mut ends.guest);
        }
        taken
    }

    /// The guest reads into `buffer`; 0 at the end.
    pub(super) fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<usize> {
        let mut ends = self.lock();
        if ends.to_guest.is_empty() {
            if ends.closed || buffer.is_empty() {
                return Poll::Ready(0);
            }
            ends.guest = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let read = ends.to_guest.len().min(buffer.len());
        let (first, second) = ends.to_guest.as_slices();
        let from_first = read.min(first.len());
        buffer[..from_first].copy_from_slice(&first[..from_first]);
        buffer[from_first..read].copy_from_slice(&second[..read - from_first]);
        ends.to_guest.drain(..read);
        wake(&mut ends.host);
        Poll::Ready(read)
    }

    /// The guest writes; waits while the host is behind.
    pub(super) fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<usize> {
        let mut ends = self.lock();
        let room = CAPACITY.saturating_sub(ends.to_host.len());
        if room == 0 && !bytes.is_empty() {
            ends.guest = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let written = room.min(bytes.len());
        ends.to_host.extend(&bytes[..written]);
        Poll::Ready(written)
    }

    /// The guest waits until there is something to read, or the end.
    pub(super) fn poll_ready(&self, cx: &Context<'_>) -> Poll<()> {
        let mut ends = self.lock();
        if ends.closed || !ends.to_guest.is_empty() {
            return Poll::Ready(());
        }
        ends.guest = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Whether the guest waits for the host to send or to read.
    pub(super) fn guest_waits(&self) -> bool {
        self.lock().guest.is_some()
    }

    /// Whether a read would not wait.
    pub(super) fn is_ready(&self) -> bool {
        let ends = self.lock();
        ends.closed || !ends.to_guest.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Ends> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}
