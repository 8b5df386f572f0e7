//! Answers that come piece by piece: server-sent events and JSON lines.
//!
//! Every event becomes a chunk while the call runs; the value is the list of all of them. The
//! data of an event is decoded when it is a JSON object or array, and is a text otherwise; an
//! event with a name of its own is `{"event": name, "data": data}`. `[DONE]` ends a stream and is
//! no part of it.

use std::time::Duration;

use reqwest::Response;
use serde_json::{Value, json};
use toolexec_core::{CallContext, Error, ErrorKind};

use super::media::is_event_stream;
use super::response::{broken, too_large};

/// The end of a stream, as several APIs mark it.
const END: &str = "[DONE]";

/// Reads a stream to its end. `idle` is how long it may be silent.
pub(super) async fn read(
    api: &str,
    mut response: Response,
    media_type: &str,
    max_bytes: usize,
    idle: Duration,
    cx: &CallContext,
) -> Result<Value, Error> {
    let mut parser = Parser::new(is_event_stream(media_type));
    let (mut values, mut size) = (Vec::new(), 0);
    loop {
        let chunk = tokio::time::timeout(idle, response.chunk())
            .await
            .map_err(|_| {
                Error::new(
                    ErrorKind::Timeout,
                    format!("API {api} was silent for {idle:?} in the middle of its stream"),
                )
            })?;
        let chunk = chunk.map_err(|error| broken(api, error))?;
        let is_last = chunk.is_none();
        let bytes = chunk.unwrap_or_default();
        size += bytes.len();
        if size > max_bytes {
            return Err(too_large(api, max_bytes));
        }
        let found = if is_last {
            parser.finish()
        } else {
            parser.push(&bytes)
        };
        for event in found {
            match event.map_err(|reason| not_json(api, &reason))? {
                Some(value) => {
                    if cx.events().is_some() {
                        cx.chunk(value.clone()).await;
                    }
                    values.push(value);
                }
                None => return Ok(Value::Array(values)),
            }
        }
        if is_last {
            return Ok(Value::Array(values));
        }
    }
}

fn not_json(api: &str, reason: &str) -> Error {
    Error::new(
        ErrorKind::Protocol,
        format!("a line in the stream of API {api} is not JSON: {reason}"),
    )
}

/// A value of the stream; none when the stream says that it is over.
type Event = Result<Option<Value>, String>;

/// Splits bytes into lines, and lines into events.
struct Parser {
    is_sse: bool,
    line: Vec<u8>,
    after_cr: bool,
    is_first: bool,
    event: String,
    data: Option<String>,
}

impl Parser {
    fn new(is_sse: bool) -> Self {
        Self {
            is_sse,
            line: Vec::new(),
            after_cr: false,
            is_first: true,
            event: String::new(),
            data: None,
        }
    }

    fn push(&mut self, bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        for &byte in bytes {
            // A line ends with CR, LF or both.
            if std::mem::take(&mut self.after_cr) && byte == b'\n' {
                continue;
            }
            match byte {
                b'\n' | b'\r' => {
                    self.after_cr = byte == b'\r';
                    events.extend(self.end_line());
                }
                other => self.line.push(other),
            }
        }
        events
    }

    /// The end of the stream, which ends its last line and event too.
    fn finish(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        if !self.line.is_empty() {
            events.extend(self.end_line());
        }
        if self.is_sse {
            events.extend(self.end_event());
        }
        events
    }

    fn end_line(&mut self) -> Option<Event> {
        let line = std::mem::take(&mut self.line);
        let mut line = String::from_utf8_lossy(&line).into_owned();
        if std::mem::take(&mut self.is_first) && line.starts_with('\u{feff}') {
            line.remove(0);
        }
        if self.is_sse {
            return self.field(&line);
        }
        // JSON text sequences (RFC 7464) begin each value with a record separator.
        let text = line.trim_matches(['\u{1e}', ' ', '\t']);
        match text {
            "" => None,
            END => Some(Ok(None)),
            text => Some(
                serde_json::from_str(text)
                    .map(Some)
                    .map_err(|e| e.to_string()),
            ),
        }
    }

    fn field(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            return self.end_event();
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "event" => value.clone_into(&mut self.event),
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            },
            // Comments, ids and reconnection times: a call is not resumed.
            _ => {}
        }
        None
    }

    fn end_event(&mut self) -> Option<Event> {
        let event = std::mem::take(&mut self.event);
        let data = self.data.take()?;
        if data == END {
            return Some(Ok(None));
        }
        let value = if data.starts_with(['{', '[']) {
            serde_json::from_str(&data).unwrap_or(Value::String(data))
        } else {
            Value::String(data)
        };
        Some(Ok(Some(match event.as_str() {
            "" | "message" => value,
            name => json!({"event": name, "data": value}),
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parses the text in pieces of every size.
    fn parse(is_sse: bool, text: &str) -> Vec<Event> {
        let mut results = (1..=text.len()).map(|size| {
            let mut parser = Parser::new(is_sse);
            let mut events = Vec::new();
            for piece in text.as_bytes().chunks(size) {
                events.extend(parser.push(piece));
            }
            events.extend(parser.finish());
            events
        });
        let first = results.next().unwrap();
        for other in results {
            assert_eq!(other, first);
        }
        first
    }

    #[test]
    fn events() {
        let text = "\u{feff}: comment\n\ndata: one\n\ndata:{\"a\":\ndata: 1}\r\rid: 7\r\nevent: delta\r\ndata: [2]\r\n\r\nevent: empty\n\nretry: 5\ndata: h\u{e9}\n\ndata: last";
        let expected = [
            json!("one"),
            json!({"a": 1}),
            json!({"event": "delta", "data": [2]}),
            json!("h\u{e9}"),
            json!("last"),
        ];
        assert_eq!(parse(true, text), expected.map(|value| Ok(Some(value))));
    }

    #[test]
    fn the_end_is_marked() {
        assert_eq!(
            parse(true, "data: 1\n\ndata: [DONE]\n\n"),
            [Ok(Some(json!("1"))), Ok(None)]
        );
    }

    #[test]
    fn lines() {
        let text = "{\"a\":1}\n\n\u{1e}2\r\nnull\nno json\n\"end\"";
        let events = parse(false, text);
        assert_eq!(events[0], Ok(Some(json!({"a": 1}))));
        assert_eq!(events[1..3], [Ok(Some(json!(2))), Ok(Some(json!(null)))]);
        assert_eq!(events[3], Err("expected ident at line 1 column 2".into()));
        assert_eq!(events[4..], [Ok(Some(json!("end")))]);
    }
}
