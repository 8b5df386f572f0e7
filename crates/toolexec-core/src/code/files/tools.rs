//! The tools of the namespace `files`.

use std::ops::Range;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use serde_json::{Value, json};

use super::{Files, MAX_READ, media};
use crate::backend::RawOutput;
use crate::backend::local::{Handler, Local, LocalTool};
use crate::context::CallContext;
use crate::error::{Error, ErrorKind, Result};
use crate::tool::{Annotations, Args};

/// Their namespace.
pub(super) const FILES: &str = "files";

/// The tools that read and write the files of a program.
pub(super) fn tools(files: &Arc<Files>) -> Local {
    let tool = |name: &str, serve: fn(&Files, &Args) -> Result<Value>| {
        let files = files.clone();
        LocalTool::from_handler(name, Tool { files, serve })
    };
    let name = json!({"type": "string", "description": "such as report.csv or plots/one.png"});
    let count = json!({"type": "integer", "minimum": 0});
    let file = json!({
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "size": {"type": "integer"},
            "media_type": {"type": "string"},
            "written": {"type": "boolean", "description": "by this program"}
        },
        "required": ["name", "size", "media_type"]
    });
    Local::new(FILES)
        .tool(
            tool("list", list)
                .description(
                    "Lists the files of this program: what it was given, and what it wrote.",
                )
                .input_schema(json!({"type": "object", "additionalProperties": false}))
                .output_schema(json!({"type": "array", "items": file}))
                .read_only(),
        )
        .tool(
            tool("read", read)
                .description(
                    "Reads a file that this program was given or wrote: a text, or with as=base64 \
                     its bytes in base64.",
                )
                .input_schema(json!({
                    "type": "object",
                    "properties": {
                        "name": name,
                        "as": {"enum": ["text", "base64"], "default": "text"},
                        "offset": count,
                        "length": {
                            "type": "integer",
                            "minimum": 0,
                            "description": "in bytes; a character belongs to the piece it begins in"
                        }
                    },
                    "required": ["name"],
                    "additionalProperties": false
                }))
                .output_schema(json!({"type": "string"}))
                .read_only(),
        )
        .tool(
            tool("write", write)
                .description(
                    "Writes a file, which whoever ran this program gets: text, or bytes in base64.",
                )
                .input_schema(json!({
                    "type": "object",
                    "properties": {
                        "name": name,
                        "text": {"type": "string"},
                        "base64": {"type": "string"},
                        "append": {"type": "boolean", "default": false}
                    },
                    "required": ["name"],
                    "additionalProperties": false
                }))
                .output_schema(file)
                .annotations(Annotations {
                    read_only: Some(false),
                    destructive: Some(false),
                    ..Annotations::default()
                }),
        )
}

struct Tool {
    files: Arc<Files>,
    serve: fn(&Files, &Args) -> Result<Value>,
}

impl Handler for Tool {
    fn call<'a>(&'a self, args: Args, _: &'a CallContext) -> BoxFuture<'a, Result<RawOutput>> {
        ready((self.serve)(&self.files, &args).map(RawOutput::Value)).boxed()
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the others can fail")]
fn list(files: &Files, _: &Args) -> Result<Value> {
    let written = files.written();
    let given = files
        .inputs
        .iter()
        .map(|(name, bytes)| (name, &**bytes, false));
    let own = written
        .files
        .iter()
        .map(|(name, bytes)| (name, bytes.as_slice(), true));
    let mut all: Vec<_> = given.chain(own).collect();
    all.sort_unstable();
    let shown = all.into_iter().map(|(name, bytes, written)| {
        json!({
            "name": name,
            "size": bytes.len(),
            "media_type": media::of(name, bytes),
            "written": written,
        })
    });
    Ok(shown.collect())
}

fn read(files: &Files, args: &Args) -> Result<Value> {
    let name = text(args, "name").unwrap_or_default();
    let as_text = text(args, "as") != Some("base64");
    files.with(name, |bytes| {
        if as_text && media::text(bytes).is_none() {
            let message = format!("{name:?} is no text, but {}", media::of(name, bytes));
            return Err(Error::new(ErrorKind::InvalidInput, message)
                .with_hint("read it with as: \"base64\""));
        }
        let piece = bytes.get(range(args, bytes, as_text)).unwrap_or_default();
        if piece.len() > MAX_READ {
            let message = format!(
                "{name:?} has {} bytes: too many to read at once",
                piece.len()
            );
            return Err(
                Error::new(ErrorKind::InvalidInput, message).with_hint(format!(
                    "read it in pieces: offset, and a length of at most {MAX_READ}"
                )),
            );
        }
        Ok(match std::str::from_utf8(piece) {
            Ok(text) if as_text => text.into(),
            _ => STANDARD.encode(piece).into(),
        })
    })
}

/// Which bytes are asked for. A character belongs to the piece in which it begins, so that pieces
/// of a text come together again.
fn range(args: &Args, bytes: &[u8], as_text: bool) -> Range<usize> {
    let number = |name: &str| {
        let number = args.get(name).and_then(Value::as_u64)?;
        Some(usize::try_from(number).unwrap_or(usize::MAX))
    };
    let whole = |mut at: usize| {
        let continues = |at: usize| bytes.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
        let latest = at.saturating_add(3);
        while as_text && at < latest && continues(at) {
            at += 1;
        }
        at
    };
    let start = number("offset").unwrap_or(0).min(bytes.len());
    let end = number("length").map_or(bytes.len(), |length| start.saturating_add(length));
    let (start, end) = (whole(start), whole(end.min(bytes.len())));
    start..end.max(start)
}

fn write(files: &Files, args: &Args) -> Result<Value> {
    let name = text(args, "name").unwrap_or_default();
    let wrong = |message: &str| Error::new(ErrorKind::InvalidInput, message);
    let decoded;
    let bytes = match (text(args, "text"), text(args, "base64")) {
        (Some(text), None) => text.as_bytes(),
        (None, Some(base64)) => {
            decoded = STANDARD
                .decode(base64)
                .map_err(|error| wrong("base64 is no base64").with_source(error))?;
            &decoded
        }
        _ => return Err(wrong("a file is written from either text or base64")),
    };
    let append = args.get("append").and_then(Value::as_bool).unwrap_or(false);
    let size = files.write(name, bytes, append)?;
    let media_type = files.with(name, |bytes| Ok(media::of(name, bytes)))?;
    Ok(json!({"name": name, "size": size, "media_type": media_type}))
}

fn text<'a>(args: &'a Args, name: &str) -> Option<&'a str> {
    args.get(name).and_then(Value::as_str)
}
