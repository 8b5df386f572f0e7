//! The host, as an engine sees it: calls out and answers, prints, the clock.

#[cfg(all(feature = "toolchain", unix))]
mod beside;

use std::cell::RefCell;
use std::collections::{HashSet, VecDeque};
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::Value;
use toolexec_wire::{
    CallError, Failure, FailureKind, FrameError, FrameReader, MAX_DEPTH, MAX_FRAME, Op, Outcome,
    Start, Stream, ToGuest, ToHost, encode,
};

/// The bytes between guest and host.
pub trait Channel {
    /// Reads what is there; blocks when nothing is. Zero means the end of the stream.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes all of it, now.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Whether a read would not block. A channel that cannot tell says no; a cancel is then seen
    /// at the next wait.
    fn ready(&mut self) -> bool {
        false
    }

    /// What is readable when a read would not block. Who waits for more than the host asks for it;
    /// without one the channel is looked at from time to time.
    #[cfg(unix)]
    fn fd(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
        None
    }
}

/// How much JSON of the program may nest: room is left for the message around it.
pub const MAX_VALUE_DEPTH: usize = MAX_DEPTH - 7;
/// What is printed is sent in pieces of about this size.
const PRINT_PIECE: usize = 32 << 10;
/// Frames are written together up to this size.
const WRITE_PIECE: usize = 64 << 10;
/// How much is read at once.
const READ_PIECE: usize = 16 << 10;
/// How often a running program looks at its channel.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A handle to the host; clones are the same host.
#[derive(Clone)]
pub struct Host {
    inner: Rc<RefCell<Inner>>,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").finish_non_exhaustive()
    }
}

impl Host {
    /// A host at the other end of a channel.
    pub fn new(channel: impl Channel + 'static) -> Self {
        Self {
            inner: Rc::new(RefCell::new(Inner::new(Box::new(channel)))),
        }
    }

    /// The program printed. Pieces are joined, and sent before the next call, wait or end.
    pub fn print(&self, stream: Stream, text: &str) {
        self.inner.borrow_mut().print(stream, text);
    }

    /// Sends a call and returns its number; its answer comes from [`wait`](Self::wait). A call
    /// that cannot be sent is answered with an error at once.
    pub fn call(&self, op: Op) -> u32 {
        self.inner.borrow_mut().call(op)
    }

    /// The next answer, of whichever call. Blocks when none is there; that time is not counted as
    /// time of the program. Calls and prints are on their way before it blocks.
    ///
    /// # Errors
    /// When the host cancels or hangs up; the program ends then, whatever it catches.
    pub fn wait(&self) -> Result<(u32, Outcome), Box<Failure>> {
        self.inner.borrow_mut().wait()
    }

    /// The next answer if it is there already.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn try_next(&self) -> Result<Option<(u32, Outcome)>, Box<Failure>> {
        let mut inner = self.inner.borrow_mut();
        inner.look();
        inner.stopped()?;
        Ok(inner.answers.pop_front())
    }

    /// How many calls are not answered yet.
    pub fn outstanding(&self) -> usize {
        let inner = self.inner.borrow();
        inner.outstanding.len() + inner.answers.len()
    }

    /// The program logged.
    pub fn log(&self, level: &str, data: Value) {
        let data = match check_depth(&data) {
            Ok(()) => data,
            Err(message) => Value::String(message),
        };
        let level = level.to_owned();
        self.inner.borrow_mut().say(&ToHost::Log { level, data });
    }

    /// The program tells how far it is. Numbers that are not finite are not sent.
    pub fn progress(&self, progress: f64, total: Option<f64>, message: Option<String>) {
        if progress.is_finite() {
            self.inner.borrow_mut().say(&ToHost::Progress {
                progress,
                total: total.filter(|total| total.is_finite()),
                message,
            });
        }
    }

    /// How long the program ran, without the time it waited.
    pub fn run_time(&self) -> Duration {
        self.inner.borrow().run_time()
    }

    /// Whether it ran longer than it may.
    pub fn over_time(&self) -> bool {
        self.inner.borrow().over_time()
    }

    /// For interrupt handlers, cheap to call often: whether the program must stop. From time to
    /// time it also sends what is printed and looks whether the host cancels.
    pub fn must_stop(&self) -> bool {
        // An engine may be interrupted while it talks to the host; it is asked again soon.
        let Ok(mut inner) = self.inner.try_borrow_mut() else {
            return false;
        };
        let now = inner.started.elapsed();
        inner.tick(now);
        inner
            .limit
            .is_some_and(|limit| now.saturating_sub(inner.waited) > limit)
            || inner.must_end()
    }

    /// Why it must stop: the failure that ends the program.
    pub fn stop_reason(&self) -> Box<Failure> {
        let inner = self.inner.borrow();
        match inner.stopped() {
            Err(failure) => failure,
            Ok(()) => over_time(inner.run_time(), inner.limit),
        }
    }

    /// Starts the clock of a program and forgets what is left of the one before.
    pub(crate) fn begin(&self, start: &Start) {
        self.inner.borrow_mut().begin(start);
    }

    /// The next message between programs; `None` at the end of the stream.
    pub(crate) fn next_message(&self) -> Result<Option<ToGuest>, Broken> {
        self.inner.borrow_mut().next_between()
    }

    /// Sends a message of the session, and everything before it.
    pub(crate) fn send(&self, message: &ToHost) -> Result<(), Broken> {
        self.inner.borrow_mut().send(message)
    }

    /// Whether nothing can be said to the host any more.
    pub(crate) fn broken(&self) -> Option<Broken> {
        self.inner.borrow_mut().broken.take()
    }
}

/// Why a session cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// The stream failed.
    #[error("the stream to the host failed: {0}")]
    Stream(#[from] io::Error),
    /// The host's bytes are no frames.
    #[error("the host broke the protocol: {0}")]
    Frame(#[from] FrameError),
    /// The host said something out of turn.
    #[error("the host broke the protocol: {0}")]
    OutOfTurn(&'static str),
}

struct Inner {
    channel: Box<dyn Channel>,
    reader: FrameReader,
    piece: Box<[u8]>,
    // Frames that are not written yet.
    out: Vec<u8>,
    printed: String,
    printed_to: Stream,
    next_id: u32,
    outstanding: HashSet<u32>,
    answers: VecDeque<(u32, Outcome)>,
    cancelled: Option<String>,
    ended: bool,
    broken: Option<Broken>,
    started: Instant,
    waited: Duration,
    looked: Duration,
    limit: Option<Duration>,
    // Since when the program waits, while it does.
    paused: Option<Instant>,
}

impl Inner {
    fn new(channel: Box<dyn Channel>) -> Self {
        Self {
            channel,
            reader: FrameReader::new(MAX_FRAME),
            piece: vec![0; READ_PIECE].into_boxed_slice(),
            out: Vec::new(),
            printed: String::new(),
            printed_to: Stream::Stdout,
            next_id: 0,
            outstanding: HashSet::new(),
            answers: VecDeque::new(),
            cancelled: None,
            ended: false,
            broken: None,
            started: Instant::now(),
            waited: Duration::ZERO,
            looked: Duration::ZERO,
            limit: None,
            paused: None,
        }
    }

    fn begin(&mut self, start: &Start) {
        self.outstanding.clear();
        self.answers.clear();
        self.cancelled = None;
        self.started = Instant::now();
        self.waited = Duration::ZERO;
        self.looked = Duration::ZERO;
        self.paused = None;
        self.limit = start.limits.run_ms.map(Duration::from_millis);
    }

    fn run_time(&self) -> Duration {
        let pause = self.paused.map(|since| since.elapsed());
        let waited = self.waited + pause.unwrap_or_default();
        self.started.elapsed().saturating_sub(waited)
    }

    fn over_time(&self) -> bool {
        self.limit.is_some_and(|limit| self.run_time() > limit)
    }

    fn must_end(&self) -> bool {
        self.cancelled.is_some() || self.ended || self.broken.is_some()
    }

    fn stopped(&self) -> Result<(), Box<Failure>> {
        let message = if let Some(reason) = &self.cancelled {
            format!("the program was cancelled: {reason}")
        } else if self.ended || self.broken.is_some() {
            "the program was cancelled: the host hung up".to_owned()
        } else {
            return Ok(());
        };
        Err(failure(FailureKind::Cancelled, message))
    }

    fn print(&mut self, stream: Stream, text: &str) {
        if stream != self.printed_to {
            self.flush_prints();
            self.printed_to = stream;
        }
        let mut rest = text;
        while self.printed.len() + rest.len() >= PRINT_PIECE {
            let room = PRINT_PIECE.saturating_sub(self.printed.len());
            let (piece, after) = rest.split_at(rest.ceil_char_boundary(room));
            self.printed.push_str(piece);
            rest = after;
            self.flush_prints();
        }
        self.printed.push_str(rest);
    }

    fn flush_prints(&mut self) {
        if self.printed.is_empty() {
            return;
        }
        let text = std::mem::take(&mut self.printed);
        let stream = self.printed_to;
        self.queue(&ToHost::Print { stream, text });
    }

    /// A number that no call has.
    fn number(&mut self) -> u32 {
        // Numbers come round again after four thousand million calls; one in use is passed over.
        while self.outstanding.contains(&self.next_id) {
            self.next_id = self.next_id.wrapping_add(1);
        }
        let id = self.next_id;
        self.next_id = id.wrapping_add(1);
        id
    }

    fn call(&mut self, op: Op) -> u32 {
        let id = self.number();
        self.flush_prints();
        let refused = match check_op(&op) {
            Err(message) => Some(message),
            Ok(()) => self
                .try_queue(&ToHost::Call { id, op })
                .err()
                .map(|error| format!("the call cannot be sent: {error}")),
        };
        match refused {
            None => {
                self.outstanding.insert(id);
            }
            Some(message) => {
                let error = CallError {
                    code: "invalid_input".into(),
                    message,
                    ..CallError::default()
                };
                self.answers.push_back((id, Outcome::Error(error)));
            }
        }
        id
    }

    fn wait(&mut self) -> Result<(u32, Outcome), Box<Failure>> {
        self.stopped()?;
        if let Some(answer) = self.answers.pop_front() {
            return Ok(answer);
        }
        self.take_messages();
        if self.answers.is_empty() && self.stopped().is_ok() {
            self.flush_prints();
            self.queue(&ToHost::Waiting);
            self.write();
            self.block();
        }
        self.stopped()?;
        // Blocking ends with an answer, or with a reason to stop.
        self.answers
            .pop_front()
            .ok_or_else(|| failure(FailureKind::Internal, "a wait ended without an answer"))
    }

    fn block(&mut self) {
        let before = Instant::now();
        while self.answers.is_empty() && self.stopped().is_ok() {
            self.read();
            self.take_messages();
        }
        self.waited += before.elapsed();
    }

    /// Reads what is there without blocking.
    fn look(&mut self) {
        self.flush_prints();
        self.write();
        while !self.ended && self.broken.is_none() && self.channel.ready() {
            self.read();
            self.take_messages();
        }
    }

    fn tick(&mut self, now: Duration) {
        if now.saturating_sub(self.looked) >= LOOK_EVERY {
            self.looked = now;
            self.look();
        }
    }

    fn read(&mut self) {
        match self.channel.read(&mut self.piece) {
            Ok(0) => self.ended = true,
            Ok(size) => self
                .reader
                .push(self.piece.get(..size).unwrap_or(&self.piece)),
            Err(error) => self.broken = Some(error.into()),
        }
    }

    /// Sorts the messages that came in while a program runs.
    fn take_messages(&mut self) {
        while self.broken.is_none() {
            match self
                .reader
                .next_frame()
                .and_then(|frame| frame.map(ToGuest::decode).transpose())
            {
                Ok(None) => break,
                Ok(Some(message)) => self.take(message),
                Err(error) => self.broken = Some(error.into()),
            }
        }
    }

    fn take(&mut self, message: ToGuest) {
        match message {
            ToGuest::Answer { id, outcome } if self.outstanding.remove(&id) => {
                self.answers.push_back((id, outcome));
            }
            ToGuest::Answer { .. } => {
                self.broken = Some(Broken::OutOfTurn("an answer to no call"));
            }
            ToGuest::Start(_) => {
                self.broken = Some(Broken::OutOfTurn("a start while a program runs"));
            }
            ToGuest::Cancel { reason } => self.cancelled = Some(reason),
        }
    }

    fn next_between(&mut self) -> Result<Option<ToGuest>, Broken> {
        loop {
            if let Some(broken) = self.broken.take() {
                return Err(broken);
            }
            match self.reader.next_frame()?.map(ToGuest::decode).transpose()? {
                // What was still on its way when the last program ended.
                Some(ToGuest::Answer { .. } | ToGuest::Cancel { .. }) => {}
                Some(message) => return Ok(Some(message)),
                None if self.ended => {
                    self.reader.finish()?;
                    return Ok(None);
                }
                None => self.read(),
            }
        }
    }

    /// Sends something that is worth less than the program: what is too large is left out.
    fn say(&mut self, message: &ToHost) {
        self.flush_prints();
        self.queue(message);
    }

    fn send(&mut self, message: &ToHost) -> Result<(), Broken> {
        self.flush_prints();
        self.try_queue(message)?;
        self.write();
        self.broken.take().map_or(Ok(()), Err)
    }

    fn queue(&mut self, message: &ToHost) {
        // Only a message above the size of a frame does not fit.
        let _ = self.try_queue(message);
    }

    fn try_queue(&mut self, message: &ToHost) -> Result<(), FrameError> {
        encode(message, MAX_FRAME, &mut self.out)?;
        if self.out.len() >= WRITE_PIECE {
            self.write();
        }
        Ok(())
    }

    fn write(&mut self) {
        if self.out.is_empty() || self.broken.is_some() {
            return;
        }
        if let Err(error) = self.channel.write(&self.out) {
            self.broken = Some(error.into());
        }
        self.out.clear();
    }
}

/// A failure without a place.
pub(crate) fn failure(kind: FailureKind, message: impl Into<String>) -> Box<Failure> {
    Box::new(Failure {
        kind,
        message: message.into(),
        ..Failure::default()
    })
}

/// Whether a value nests no deeper than a message can hold.
pub(crate) fn check_depth(value: &Value) -> Result<(), String> {
    if fits(value, MAX_VALUE_DEPTH) {
        return Ok(());
    }
    Err(format!(
        "the value nests deeper than {MAX_VALUE_DEPTH} levels"
    ))
}

fn fits(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(items) => levels > 0 && items.iter().all(|item| fits(item, levels - 1)),
        Value::Object(map) => levels > 0 && map.values().all(|item| fits(item, levels - 1)),
        _ => true,
    }
}

fn check_op(op: &Op) -> Result<(), String> {
    match op {
        Op::Run { args: value, .. } | Op::Chain { chain: value } => check_depth(value),
        _ => Ok(()),
    }
}

fn over_time(used: Duration, limit: Option<Duration>) -> Box<Failure> {
    let limit = limit.unwrap_or_default();
    let message = format!(
        "the program ran {} ms, longer than the {} ms it may (waiting for tools is not counted)",
        used.as_millis(),
        limit.as_millis()
    );
    let mut failure = failure(FailureKind::Time, message);
    failure.hints = vec!["do less in one program, or ask for a longer run time".into()];
    failure
}
