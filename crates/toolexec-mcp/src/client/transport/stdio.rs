//! Messages as lines over the pipes of a program.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, OnceLock};

use rmcp::RoleClient;
use rmcp::model::{
    ClientJsonRpcMessage, CustomResult, ErrorCode, ErrorData, RequestId, ServerJsonRpcMessage,
    ServerResult,
};
use rmcp::transport::Transport;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::Mutex;

use crate::client::config::Limits;
use crate::client::error::{CODE_TOO_LARGE, CODE_UNREADABLE};
use crate::client::hub::Hub;
use crate::client::transport::line::{Line, Lines};

/// Messages as lines over the pipes of a program.
pub(crate) struct Stdio<R, W> {
    lines: Lines<R>,
    writer: Arc<Mutex<Writer<W>>>,
    hub: Arc<Hub>,
    limits: Limits,
    // Messages that were read and not yet passed on.
    ready: VecDeque<ServerJsonRpcMessage>,
    // Lines in a row that were no messages.
    garbage: usize,
    // Why reading was given up, for whoever explains the end of the connection.
    verdict: Arc<OnceLock<String>>,
}

struct Writer<W> {
    // Gone once the transport was closed.
    pipe: Option<W>,
    // Bytes of messages whose sender gave up half-way; the next one sends them first, so that
    // messages stay whole.
    unsent: VecDeque<u8>,
}

impl<R: AsyncRead + Unpin, W> Stdio<R, W> {
    pub(crate) fn new(
        reader: R,
        writer: W,
        hub: Arc<Hub>,
        limits: Limits,
        verdict: Arc<OnceLock<String>>,
    ) -> Self {
        Self {
            lines: Lines::new(reader, limits.message),
            writer: Arc::new(Mutex::new(Writer {
                pipe: Some(writer),
                unsent: VecDeque::new(),
            })),
            hub,
            limits,
            ready: VecDeque::new(),
            garbage: 0,
            verdict,
        }
    }

    /// Takes a line apart into messages.
    fn take(&mut self, line: Line) {
        match line {
            Line::Whole(bytes) => self.take_whole(&bytes),
            Line::Unfinished(bytes) => {
                // A program may write its last message without an end of line; half a message is
                // no JSON.
                if serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).is_ok() {
                    self.take_whole(&bytes);
                } else {
                    self.hub.notice(format!(
                        "the server's output ended in the middle of a message: {}",
                        preview(&bytes)
                    ));
                }
            }
            Line::TooLong { head, tail } => self.take_too_long(&head, &tail),
        }
    }

    fn take_whole(&mut self, bytes: &[u8]) {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return;
        }
        match serde_json::from_slice::<Value>(bytes) {
            // A batch of revision 2025-03-26.
            Ok(Value::Array(batch)) => {
                for message in batch {
                    self.take_message(message, bytes);
                }
            }
            Ok(message) => self.take_message(message, bytes),
            // JSON that is too deep, or cut: if it answers something, that fails rather than waits.
            Err(error) => match self.answered(bytes, bytes) {
                Some(id) if bytes.trim_ascii_start().starts_with(b"{") => {
                    self.fail(id, CODE_UNREADABLE, &format!("unreadable answer: {error}"));
                }
                _ => self.take_garbage(bytes),
            },
        }
    }

    fn take_message(&mut self, mut message: Value, bytes: &[u8]) {
        let id = message
            .get("id")
            .and_then(|id| serde_json::from_value::<RequestId>(id.clone()).ok());
        if let Some(id) = &id
            && self.hub.is_raw(id)
            && let Some(result) = message.get_mut("result").map(Value::take)
        {
            self.garbage = 0;
            let result = ServerResult::CustomResult(CustomResult::new(result));
            let message = ServerJsonRpcMessage::response(result, id.clone());
            self.ready.push_back(message);
            return;
        }
        let is_answer = message.get("method").is_none();
        match serde_json::from_value(message) {
            Ok(message) => {
                self.garbage = 0;
                self.ready.push_back(message);
            }
            Err(error) => match id {
                Some(id) if is_answer && self.hub.is_pending(&id) => {
                    self.fail(id, CODE_UNREADABLE, &format!("unreadable answer: {error}"));
                }
                _ => self.take_garbage(bytes),
            },
        }
    }

    fn take_too_long(&mut self, head: &[u8], tail: &[u8]) {
        let limit = self.limits.message;
        self.hub.notice(format!(
            "a message of more than {limit} bytes was thrown away"
        ));
        // With one request under way nobody doubts which answer it was.
        let id = self
            .answered(head, tail)
            .or_else(|| self.hub.sole_pending());
        if let Some(id) = id {
            let what = format!("the answer is larger than {limit} bytes");
            self.fail(id, CODE_TOO_LARGE, &what);
        } else {
            self.garbage += 1;
        }
    }

    fn take_garbage(&mut self, bytes: &[u8]) {
        self.garbage += 1;
        // Said for the first few only: the verdict counts them all.
        if self.garbage <= 3 {
            self.hub.notice(format!(
                "a line on the server's standard output is no message and was ignored: {}",
                preview(bytes)
            ));
        }
    }

    /// Answers a request ourselves, as an error.
    fn fail(&mut self, id: RequestId, code: i32, message: &str) {
        let error = ErrorData::new(ErrorCode(code), message.to_owned(), None);
        self.ready
            .push_back(ServerJsonRpcMessage::error(error, Some(id)));
    }

    /// The request that an unreadable message answers, by the `"id"` near one of its ends.
    fn answered(&self, head: &[u8], tail: &[u8]) -> Option<RequestId> {
        [find_id(head, false), find_id(tail, true)]
            .into_iter()
            .flatten()
            .find(|id| self.hub.is_pending(id))
    }
}

impl<R, W> Transport<RoleClient> for Stdio<R, W>
where
    R: AsyncRead + Unpin + Send,
    W: AsyncWrite + Unpin + Send + 'static,
{
    type Error = io::Error;

    fn send(
        &mut self,
        item: ClientJsonRpcMessage,
    ) -> impl Future<Output = Result<(), io::Error>> + Send + 'static {
        let writer = self.writer.clone();
        let bytes = serde_json::to_vec(&item).map_err(io::Error::other);
        async move {
            let mut bytes = bytes?;
            bytes.push(b'\n');
            writer.lock().await.send(bytes).await
        }
    }

    async fn receive(&mut self) -> Option<ServerJsonRpcMessage> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Some(message);
            }
            if self.garbage > self.limits.garbage {
                let _ = self.verdict.set(format!(
                    "wrote {} lines in a row to its standard output that are no messages",
                    self.garbage
                ));
                return None;
            }
            match self.lines.next().await {
                Ok(Some(line)) => self.take(line),
                Ok(None) => return None,
                Err(error) => {
                    let _ = self.verdict.set(format!("could not be read from: {error}"));
                    return None;
                }
            }
        }
    }

    async fn close(&mut self) -> Result<(), io::Error> {
        // Dropping the pipe is the end of the program's input.
        self.writer.lock().await.pipe = None;
        Ok(())
    }
}

impl<W: AsyncWrite + Unpin> Writer<W> {
    async fn send(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        let Some(pipe) = &mut self.pipe else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        self.unsent.extend(bytes);
        while !self.unsent.is_empty() {
            let (part, _) = self.unsent.as_slices();
            let written = pipe.write(part).await?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.unsent.drain(..written);
        }
        pipe.flush().await
    }
}

/// The first (or last) `"id"` in a part of a message.
fn find_id(part: &[u8], last: bool) -> Option<RequestId> {
    let text = String::from_utf8_lossy(part);
    let at = if last {
        text.rfind("\"id\"")?
    } else {
        text.find("\"id\"")?
    };
    let value = text[at + 4..].trim_start().strip_prefix(':')?.trim_start();
    let value = match value.strip_prefix('"') {
        Some(string) => json!(string.split('"').next()?),
        None => json!(
            value
                .split(|c: char| !c.is_ascii_digit())
                .next()?
                .parse::<i64>()
                .ok()?
        ),
    };
    serde_json::from_value(value).ok()
}

/// The start of a line, for a person.
fn preview(bytes: &[u8]) -> String {
    const MOST: usize = 200;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(MOST)]);
    let more = if bytes.len() > MOST { "…" } else { "" };
    format!("{:?}{more}", text.trim_end())
}

#[cfg(test)]
mod tests {
    use rmcp::model::{PingRequest, ServerRequest};
    use tokio::sync::watch;

    use super::*;

    fn stdio(text: &str) -> Stdio<std::io::Cursor<Vec<u8>>, Vec<u8>> {
        let changes = Arc::new(watch::Sender::new(0));
        let (notes, _) = tokio::sync::broadcast::channel(1);
        let hub = Arc::new(Hub::new(Arc::from("test"), changes, notes));
        let limits = Limits {
            garbage: 2,
            ..Limits::default()
        };
        Stdio::new(
            std::io::Cursor::new(text.into()),
            Vec::new(),
            hub,
            limits,
            Arc::default(),
        )
    }

    #[test]
    fn an_id_is_found_at_either_end() {
        let number = |n| Some(RequestId::Number(n));
        assert_eq!(
            find_id(br#"{"jsonrpc":"2.0","id":7,"res"#, false),
            number(7)
        );
        assert_eq!(find_id(br#"xxx"}]},"id" : 12}"#, true), number(12));
        assert_eq!(
            find_id(br#"{"id":"a-1","result""#, false),
            Some(RequestId::String("a-1".into()))
        );
        for text in ["", "\"id\"", "\"id\":", "\"id\":null", "{\"name\":1}"] {
            assert_eq!(find_id(text.as_bytes(), false), None, "{text}");
        }
    }

    #[tokio::test]
    async fn a_batch_is_taken_apart() {
        let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
        let mut transport = stdio(&format!("[{ping},{ping}]\n{ping}"));
        for _ in 0..3 {
            let message = transport.receive().await.expect("three messages");
            let ServerJsonRpcMessage::Request(request) = message else {
                panic!("{message:?}");
            };
            assert!(matches!(
                request.request,
                ServerRequest::PingRequest(PingRequest { .. })
            ));
        }
        assert!(transport.receive().await.is_none());
        assert_eq!(transport.verdict.get(), None);
    }

    #[tokio::test]
    async fn garbage_counts_in_a_row_only() {
        let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
        let mut transport = stdio(&format!("a\nb\n{ping}\nc\n\n{{d\ne\nf\n{ping}\n"));
        assert!(transport.receive().await.is_some());
        assert!(transport.receive().await.is_none());
        assert_eq!(
            transport.verdict.get().map(String::as_str),
            Some("wrote 3 lines in a row to its standard output that are no messages")
        );
    }

    #[tokio::test]
    async fn a_message_that_was_given_up_half_way_is_finished_first() {
        let (near, mut far) = tokio::io::duplex(4);
        let mut writer = Writer {
            pipe: Some(near),
            unsent: VecDeque::new(),
        };
        let wait = std::time::Duration::from_millis(20);
        let given_up = writer.send(b"first message\n".to_vec());
        assert!(tokio::time::timeout(wait, given_up).await.is_err());
        let reading = tokio::spawn(async move {
            let mut text = String::new();
            tokio::io::AsyncReadExt::read_to_string(&mut far, &mut text)
                .await
                .map(|_| text)
        });
        writer.send(b"second\n".to_vec()).await.unwrap();
        drop(writer);
        assert_eq!(reading.await.unwrap().unwrap(), "first message\nsecond\n");
    }
}
