//! What a module's host says to the host loop, and hears from it: the wire, spoken for a module.

use std::collections::HashMap;
use std::future::poll_fn;

use serde_json::Value;
use toolexec_wire::{
    CallError, FrameReader, MAX_DEPTH, MAX_FRAME, Op, Outcome, ToGuest, ToHost, encode,
};
use wasmtime::Result;

use super::meter::Meter;
use super::stop::Stop;
use crate::wasm::pipe::Pipe;

/// How many bytes are read at once.
const PIECE: usize = 16 << 10;
/// How deep the arguments of a call may nest: the frame around them nests too.
const MAX_ARGS_DEPTH: usize = MAX_DEPTH - 4;
/// What is kept of an answer besides its text.
const OVERHEAD: usize = 128;

/// The module's end of the byte stream, and the answers that came.
pub(super) struct Link {
    pipe: Pipe,
    reader: FrameReader,
    piece: Box<[u8]>,
    out: Vec<u8>,
    next: u32,
    calls: HashMap<u32, Call>,
}

/// A call that the module made.
enum Call {
    Open,
    Answered(Answer),
}

/// What a call gave.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    /// Whether `text` is a value; otherwise it is an error.
    pub(super) ok: bool,
    /// As JSON.
    pub(super) text: Vec<u8>,
    /// How much of it was read.
    pub(super) read: usize,
}

impl Link {
    pub(super) fn new(pipe: Pipe) -> Self {
        Self {
            pipe,
            reader: FrameReader::new(MAX_FRAME),
            piece: vec![0; PIECE].into_boxed_slice(),
            out: Vec::new(),
            next: 0,
            calls: HashMap::new(),
        }
    }

    /// Sends a message; waits while the host is behind.
    pub(super) async fn send(&mut self, message: &ToHost) -> Result<()> {
        self.out.clear();
        encode(message, MAX_FRAME, &mut self.out)?;
        let mut sent = 0;
        while sent < self.out.len() {
            sent += poll_fn(|cx| self.pipe.poll_write(cx, &self.out[sent..])).await;
        }
        Ok(())
    }

    /// The next message; nothing at the end of the stream.
    pub(super) async fn receive(&mut self) -> Result<Option<ToGuest>> {
        loop {
            if let Some(frame) = self.reader.next_frame()? {
                return Ok(Some(ToGuest::decode(frame)?));
            }
            let read = poll_fn(|cx| self.pipe.poll_read(cx, &mut self.piece)).await;
            if read == 0 {
                return Ok(None);
            }
            self.reader.push(&self.piece[..read]);
        }
    }

    /// Forgets the calls of a program that ended.
    pub(super) fn forget(&mut self) {
        self.calls.clear();
    }

    /// Makes a call and returns its handle. What the host would not take as a call is answered
    /// here, as it would be.
    pub(super) async fn call(
        &mut self,
        op: Result<Op, Box<CallError>>,
        meter: &mut Meter,
    ) -> Result<u32> {
        meter.hold(OVERHEAD)?;
        self.next = self
            .next
            .checked_add(1)
            .ok_or_else(|| Stop::failed("the module made more calls than have numbers"))?;
        let id = self.next;
        let call = match op {
            Ok(op) => {
                self.send(&ToHost::Call { id, op }).await?;
                Call::Open
            }
            Err(error) => Call::Answered(answer(Outcome::Error(*error), meter)?),
        };
        self.calls.insert(id, call);
        Ok(id)
    }

    /// Waits until one of these calls is answered and says which: its place in the list.
    pub(super) async fn wait(&mut self, handles: &[u32], meter: &mut Meter) -> Result<usize> {
        let mut said = false;
        loop {
            self.hear(meter).await?;
            for (place, handle) in handles.iter().enumerate() {
                if self.is_answered(*handle)? {
                    return Ok(place);
                }
            }
            if !std::mem::replace(&mut said, true) {
                self.send(&ToHost::Waiting).await?;
            }
            match self.receive().await? {
                Some(message) => self.take(message, meter)?,
                None => return Err(Stop::Closed.into()),
            }
        }
    }

    /// Takes what came already, without waiting.
    pub(super) async fn hear(&mut self, meter: &mut Meter) -> Result<()> {
        while self.pipe.is_ready() {
            match self.receive().await? {
                Some(message) => self.take(message, meter)?,
                None => return Err(Stop::Closed.into()),
            }
        }
        Ok(())
    }

    /// Whether a call is answered.
    pub(super) fn is_answered(&self, handle: u32) -> Result<bool> {
        match self.calls.get(&handle) {
            Some(Call::Answered(_)) => Ok(true),
            Some(Call::Open) => Ok(false),
            None => Err(unknown(handle)),
        }
    }

    /// The answer of a call that is answered.
    pub(super) fn answer(&mut self, handle: u32) -> Result<&mut Answer> {
        match self.calls.get_mut(&handle) {
            Some(Call::Answered(answer)) => Ok(answer),
            Some(Call::Open) => Err(Stop::failed(format!(
                "call {handle} is not answered yet: wait for it first"
            ))
            .into()),
            None => Err(unknown(handle)),
        }
    }

    /// Forgets a call. An answer that comes later is dropped.
    pub(super) fn release(&mut self, handle: u32, meter: &mut Meter) -> Result<()> {
        match self.calls.remove(&handle) {
            Some(Call::Answered(answer)) => meter.release(answer.text.len() + OVERHEAD),
            Some(Call::Open) => meter.release(OVERHEAD),
            None => return Err(unknown(handle)),
        }
        Ok(())
    }

    fn take(&mut self, message: ToGuest, meter: &mut Meter) -> Result<()> {
        match message {
            ToGuest::Answer { id, outcome } => {
                if let Some(call) = self.calls.get_mut(&id) {
                    *call = Call::Answered(answer(outcome, meter)?);
                }
                Ok(())
            }
            ToGuest::Cancel { reason } => Err(Stop::Cancelled(reason).into()),
            ToGuest::Start(_) => Err(Stop::Closed.into()),
        }
    }
}

/// A call that runs a tool.
pub(super) fn run(tool: &[u8], args: &[u8]) -> Result<Op, Box<CallError>> {
    let tool = text(tool)?;
    let args = if args.is_empty() { b"{}" } else { args };
    let args = json(args).map_err(|mut error| {
        error.tool = Some(tool.clone());
        error
    })?;
    Ok(Op::Run { tool, args })
}

/// A call that runs a chain.
pub(super) fn chain(chain: &[u8]) -> Result<Op, Box<CallError>> {
    json(chain).map(|chain| Op::Chain { chain })
}

/// A call that finds tools; no limit is 0.
pub(super) fn search(query: &[u8], limit: u32) -> Result<Op, Box<CallError>> {
    let limit = (limit > 0).then_some(limit as usize);
    text(query).map(|query| Op::Search { query, limit })
}

/// A call that describes a tool; no detail is empty.
pub(super) fn describe(tool: &[u8], detail: &[u8]) -> Result<Op, Box<CallError>> {
    let detail = if detail.is_empty() {
        None
    } else {
        Some(text(detail)?)
    };
    text(tool).map(|tool| Op::Describe { tool, detail })
}

/// JSON that fits into a frame.
pub(super) fn json(text: &[u8]) -> Result<Value, Box<CallError>> {
    if depth(text) > MAX_ARGS_DEPTH {
        let message = format!("the JSON nests deeper than {MAX_ARGS_DEPTH} levels");
        return Err(invalid(message));
    }
    serde_json::from_slice(text).map_err(|error| invalid(format!("this is no JSON: {error}")))
}

fn text(bytes: &[u8]) -> Result<String, Box<CallError>> {
    String::from_utf8(bytes.to_vec()).map_err(|_| invalid("a text is not UTF-8".to_owned()))
}

fn invalid(message: String) -> Box<CallError> {
    Box::new(CallError {
        code: "invalid_input".to_owned(),
        message,
        ..CallError::default()
    })
}

fn answer(outcome: Outcome, meter: &mut Meter) -> Result<Answer> {
    let (ok, text) = match outcome {
        Outcome::Ok(value) => (true, serde_json::to_vec(&value)?),
        Outcome::Error(error) => (false, serde_json::to_vec(&error)?),
    };
    meter.hold(text.len())?;
    Ok(Answer { ok, text, read: 0 })
}

fn unknown(handle: u32) -> wasmtime::Error {
    Stop::failed(format!("there is no call {handle}, or it was read already")).into()
}

/// How deep a JSON text nests.
fn depth(text: &[u8]) -> usize {
    let (mut now, mut most, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                now += 1;
                most = most.max(now);
            }
            b']' | b'}' if !in_string => now = now.saturating_sub(1),
            _ => {}
        }
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_depth_of_json_is_seen_without_reading_it() {
        assert_eq!(depth(b"1"), 0);
        assert_eq!(depth(br#"{"a[[[": [1, {"\"[": 2}]}"#), 3);
        let deep = "[".repeat(MAX_ARGS_DEPTH + 1);
        let error = json(deep.as_bytes()).unwrap_err();
        assert_eq!(error.message, "the JSON nests deeper than 123 levels");
    }
}
