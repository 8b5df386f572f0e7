//! What belongs to one run of a module.

use std::time::Instant;

use serde_json::{Map, Value};
use toolexec_wire::{FailureKind, Stream, ToHost};
use wasmtime::{Caller, Extern, Memory, Result};

use super::link::{self, Link};
use super::meter::Meter;
use super::output::{OutLine, Utf8};
use super::stop::{Stop, failure};

/// The most bytes of one text that a module hands over.
const MAX_TEXT: u32 = 8 << 20;
/// How much is printed with one message.
const PIECE: usize = 64 << 10;

/// What belongs to one run of a module.
pub(super) struct State {
    pub(super) link: Link,
    pub(super) meter: Meter,
    pub(super) started: Instant,
    /// The inputs as a JSON object.
    pub(super) inputs: Vec<u8>,
    /// How much of the inputs was read from the standard input.
    pub(super) inputs_read: usize,
    value: Option<Value>,
    stdout: Utf8,
    stderr: Utf8,
    out: OutLine,
    memory: Option<Memory>,
}

impl State {
    pub(super) fn new(link: Link, meter: Meter, inputs: &Map<String, Value>) -> Result<Self> {
        Ok(Self {
            link,
            meter,
            started: Instant::now(),
            inputs: serde_json::to_vec(inputs)?,
            inputs_read: 0,
            value: None,
            stdout: Utf8::default(),
            stderr: Utf8::default(),
            out: OutLine::default(),
            memory: None,
        })
    }

    /// Prints; waits while the host is behind.
    pub(super) async fn print(&mut self, stream: Stream, bytes: &[u8]) -> Result<()> {
        self.link.hear(&mut self.meter).await?;
        for piece in bytes.chunks(PIECE) {
            let text = match stream {
                Stream::Stdout => &mut self.stdout,
                Stream::Stderr => &mut self.stderr,
            };
            let text = text.take(piece);
            if !text.is_empty() {
                self.link.send(&ToHost::Print { stream, text }).await?;
            }
        }
        Ok(())
    }

    /// Writes to a standard stream, where a line may be the program's value.
    pub(super) async fn write(&mut self, stream: Stream, bytes: &[u8]) -> Result<()> {
        if stream == Stream::Stdout {
            self.out.push(bytes);
        }
        self.print(stream, bytes).await
    }

    /// Sets the value of the program; `what` gave it.
    pub(super) fn set_value(&mut self, what: &str, text: &[u8]) -> Result<()> {
        let value = link::json(text)
            .map_err(|error| Stop::failed(format!("{what}: the value: {}", error.message)))?;
        self.value = Some(value);
        Ok(())
    }

    /// Sends what was printed in part, and takes the value of the program.
    pub(super) async fn finish(&mut self) -> Result<Value> {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let text = match stream {
                Stream::Stdout => self.stdout.rest(),
                Stream::Stderr => self.stderr.rest(),
            };
            if !text.is_empty() {
                self.link.send(&ToHost::Print { stream, text }).await?;
            }
        }
        if let Some(value) = self.value.take() {
            return Ok(value);
        }
        let Some(text) = self.out.value() else {
            return Ok(Value::Null);
        };
        link::json(&text).map_err(|error| {
            let mut failure = failure(
                FailureKind::Exception,
                format!("the printed line `__out = …`: {}", error.message),
            );
            failure.hints = vec!["print JSON after `__out =`, in one line".to_owned()];
            Stop::Failed(failure).into()
        })
    }
}

/// The memory that a module exports.
pub(super) fn memory(caller: &mut Caller<'_, State>) -> Result<Memory> {
    if let Some(memory) = caller.data().memory {
        return Ok(memory);
    }
    match caller.get_export("memory") {
        Some(Extern::Memory(memory)) => Ok(*caller.data_mut().memory.insert(memory)),
        _ => Err(Stop::failed("the module exports no memory of the name `memory`").into()),
    }
}

/// A piece of a module's memory.
pub(super) fn slice<'a>(
    data: &'a mut [u8],
    start: u32,
    len: u32,
    what: &str,
) -> Result<&'a mut [u8]> {
    let size = data.len();
    let range = start as usize..start as usize + len as usize;
    data.get_mut(range).ok_or_else(|| {
        Stop::failed(format!(
            "{what}: {len} bytes at {start} are outside of the module's memory of {size} bytes"
        ))
        .into()
    })
}

/// A copy of a piece of the module's memory.
pub(super) fn bytes(
    caller: &mut Caller<'_, State>,
    start: u32,
    len: u32,
    what: &str,
) -> Result<Vec<u8>> {
    if len > MAX_TEXT {
        let message = format!("{what}: {len} bytes are more than the {MAX_TEXT} it may have");
        return Err(Stop::failed(message).into());
    }
    let memory = memory(caller)?;
    slice(memory.data_mut(caller), start, len, what).map(|bytes| bytes.to_vec())
}

/// Writes into the module's memory.
pub(super) fn put(caller: &mut Caller<'_, State>, at: u32, bytes: &[u8], what: &str) -> Result<()> {
    let memory = memory(caller)?;
    let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    slice(memory.data_mut(caller), at, len, what)?.copy_from_slice(bytes);
    Ok(())
}
