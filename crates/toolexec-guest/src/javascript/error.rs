//! Failures of programs, with places in the program as written.

use rquickjs::{Ctx, Object, Value};
use serde_json::Value as Json;
use toolexec_wire::{CallError, Failure, FailureKind};

use super::value::Converter;
use crate::host::failure;
use crate::text::{Derived, Lines, Place};

/// The name of the program in traces.
pub(super) const FILE: &str = "program.js";
/// How many calls of a trace are told.
const MAX_TRACE: usize = 10;
/// How long a message may be, in bytes.
const MAX_MESSAGE: usize = 8 << 10;

/// The way from places in the text that runs to places in the text as written.
pub(super) struct Origin<'a> {
    source: &'a str,
    lines: Lines,
    derived: &'a Derived,
    derived_lines: Lines,
}

impl<'a> Origin<'a> {
    pub(super) fn new(source: &'a str, derived: &'a Derived) -> Self {
        Self {
            source,
            lines: Lines::new(source),
            derived,
            derived_lines: Lines::new(&derived.text),
        }
    }

    fn place(&self, derived: Place) -> Place {
        let offset = self.derived_lines.offset(&self.derived.text, derived);
        self.lines.place(self.source, self.derived.source(offset))
    }
}

/// What an exception was, for the host.
pub(super) fn failure_of<'js>(
    ctx: &Ctx<'js>,
    thrown: &Value<'js>,
    origin: &Origin<'_>,
    converter: &Converter<'js>,
    is_call: bool,
) -> Box<Failure> {
    let Some(object) = thrown.as_object().filter(|_| thrown.is_error() || is_call) else {
        return thrown_value(ctx, thrown, converter);
    };
    let name = property(ctx, object, "name", converter);
    let message = property(ctx, object, "message", converter).unwrap_or_default();
    let stack = property(ctx, object, "stack", converter).unwrap_or_default();
    let frames = frames(&stack, origin);
    let mut failure = failure(kind(name.as_deref(), &message), cut(message));
    if let Some(place) = frames.iter().find_map(|frame| frame.1) {
        failure.line = Some(place.line);
        failure.column = Some(place.column);
    }
    failure.trace = frames
        .into_iter()
        .map(|frame| frame.0)
        .take(MAX_TRACE)
        .collect();
    failure.name = name;
    if is_call {
        failure.call = call_error(object, converter).map(Box::new);
        failure.hints = failure
            .call
            .as_ref()
            .map_or(Vec::new(), |call| call.hints.clone());
    }
    failure
}

fn kind(name: Option<&str>, message: &str) -> FailureKind {
    match name {
        Some("RangeError" | "InternalError") if message.contains("call stack size") => {
            FailureKind::Memory
        }
        Some("InternalError") if matches!(message, "out of memory" | "string too long") => {
            FailureKind::Memory
        }
        Some("UnsupportedError") => FailureKind::Unsupported,
        _ => FailureKind::Exception,
    }
}

fn thrown_value<'js>(
    ctx: &Ctx<'js>,
    thrown: &Value<'js>,
    converter: &Converter<'js>,
) -> Box<Failure> {
    let json = converter.json(thrown.clone()).unwrap_or_else(|_| {
        ctx.catch();
        Json::Null
    });
    let text = match json {
        Json::String(text) => text,
        other => other.to_string(),
    };
    failure(
        FailureKind::Exception,
        format!("the program threw {}", cut(text)),
    )
}

fn property<'js>(
    ctx: &Ctx<'js>,
    object: &Object<'js>,
    name: &str,
    converter: &Converter<'js>,
) -> Option<String> {
    // A getter of the program may throw; the failure goes on without it.
    let value: Value<'js> = object.get(name).map_err(|_| ctx.catch()).ok()?;
    if !value.is_string() {
        return None;
    }
    converter.text(&value).map_err(|_| ctx.catch()).ok()
}

fn call_error<'js>(object: &Object<'js>, converter: &Converter<'js>) -> Option<CallError> {
    let mut json = converter.json(object.clone().into_value()).ok()?;
    let message = object.get::<_, String>("message").unwrap_or_default();
    json.as_object_mut()?
        .insert("message".into(), message.into());
    serde_json::from_value(json).ok()
}

/// The frames of a trace that are the program's own: as text, and the place.
fn frames(stack: &str, origin: &Origin<'_>) -> Vec<(String, Option<Place>)> {
    let lines = stack
        .lines()
        .map(str::trim)
        .filter(|line| line.contains(FILE));
    lines.map(|line| frame(line, origin)).collect()
}

fn frame(line: &str, origin: &Origin<'_>) -> (String, Option<Place>) {
    let Some((head, numbers)) = line.rsplit_once(&format!("{FILE}:")) else {
        return (cut(line.to_owned()), None);
    };
    let numbers = numbers.trim_end_matches(')');
    let mut parts = numbers.split(':').map(str::parse::<u32>);
    let (Some(Ok(line)), Some(Ok(column))) = (parts.next(), parts.next()) else {
        return (cut(line.to_owned()), None);
    };
    let place = origin.place(Place { line, column });
    let name = head
        .trim_start_matches("at")
        .trim()
        .trim_end_matches('(')
        .trim();
    let name = match name {
        "" | "<eval>" => "the program",
        "<anonymous>" => "a function",
        name => name,
    };
    let text = format!("at {name} ({}:{})", place.line, place.column);
    (cut(text), Some(place))
}

/// Text of a program is told up to some length.
fn cut(mut text: String) -> String {
    if text.len() > MAX_MESSAGE {
        text.truncate(text.floor_char_boundary(MAX_MESSAGE));
        text.push('…');
    }
    text
}
