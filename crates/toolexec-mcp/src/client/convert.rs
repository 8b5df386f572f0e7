//! Between the types of the core and those of rmcp: the only file that knows both well.

use rmcp::model::{
    CallToolRequestParams, ClientCapabilities, ElicitationCapability, LoggingLevel,
    LoggingMessageNotificationParam, ProgressNotificationParam, RequestMetaObject,
    RootsCapabilities, SamplingCapability, ServerResult,
};
use serde_json::{Map, Value, json};
use toolexec_core::backend::RawContent;
use toolexec_core::event::LogLevel;
use toolexec_core::{
    Annotations, BackendCall, CallContext, Content, Error, ErrorKind, Event, Result, Tool, ToolId,
};

use crate::client::transport::adapt::RAW;
use crate::interaction::{self, ELICIT, Interaction, ROOTS, SAMPLE};

/// A call as rmcp sends it.
pub(crate) fn call_params(call: &BackendCall) -> CallToolRequestParams {
    CallToolRequestParams::new(call.remote_name.to_string()).with_arguments(call.args.clone())
}

/// What goes into a call's `_meta`: the trace context, and for a stateless server the wish for
/// log messages, when somebody listens.
pub(crate) fn call_meta(cx: &CallContext, is_stateless: bool) -> Option<RequestMetaObject> {
    let mut meta = None;
    if let Some(trace) = cx.trace() {
        let meta = meta.get_or_insert_with(RequestMetaObject::new);
        meta.set_traceparent(&trace.traceparent);
        if let Some(state) = &trace.tracestate {
            meta.set_tracestate(state);
        }
    }
    if is_stateless && cx.events().is_some() {
        let meta = meta.get_or_insert_with(RequestMetaObject::new);
        meta.set_log_level(LoggingLevel::Info);
    }
    if is_stateless && let Some(asker) = interaction::of_call(cx) {
        let meta = meta.get_or_insert_with(RequestMetaObject::new);
        meta.set_client_capabilities(capabilities(&*asker));
    }
    meta
}

/// What we tell a server that it may ask for.
pub(crate) fn capabilities(interaction: &dyn Interaction) -> ClientCapabilities {
    let mut capabilities = ClientCapabilities::default();
    if interaction.supports(ELICIT) {
        capabilities.elicitation = Some(ElicitationCapability::default());
    }
    if interaction.supports(SAMPLE) {
        capabilities.sampling = Some(SamplingCapability::default());
    }
    if interaction.supports(ROOTS) {
        capabilities.roots = Some(RootsCapabilities::default());
    }
    capabilities
}

/// A result of rmcp's as the JSON it came from.
pub(crate) fn result_json(result: ServerResult) -> Result<Value> {
    match result {
        ServerResult::CustomResult(mut custom) => {
            Ok(custom.0.get_mut(RAW).map(Value::take).unwrap_or(custom.0))
        }
        typed => serde_json::to_value(typed).map_err(|error| {
            Error::new(ErrorKind::Protocol, "the answer cannot be read").with_source(error)
        }),
    }
}

/// The answer of a tool. Blocks of content of an unknown or broken kind are kept as text.
pub(crate) fn call_result(result: Value) -> Result<RawContent> {
    let Value::Object(mut result) = result else {
        return Err(Error::new(
            ErrorKind::Protocol,
            "the tool's answer is no JSON object",
        ));
    };
    let content = match result.remove("content") {
        Some(Value::Array(blocks)) => blocks.into_iter().map(content).collect(),
        None | Some(Value::Null) => Vec::new(),
        Some(other) => vec![content(other)],
    };
    let structured = result
        .remove("structuredContent")
        .filter(|value| !value.is_null());
    if content.is_empty() && structured.is_none() && !is_call_result(&result) {
        return Err(Error::new(
            ErrorKind::Protocol,
            "the tool's answer has neither content nor structured content",
        ));
    }
    Ok(RawContent {
        content,
        structured,
        is_error: result.get("isError").and_then(Value::as_bool) == Some(true),
        meta: match result.remove("_meta") {
            Some(Value::Object(meta)) => meta,
            _ => Map::new(),
        },
    })
}

/// Whether what is left of an answer was one of a tool: an empty one is legitimate, another
/// method's answer is not.
fn is_call_result(rest: &Map<String, Value>) -> bool {
    rest.keys()
        .all(|key| matches!(key.as_str(), "isError" | "_meta" | "resultType" | "content"))
}

fn content(block: Value) -> Content {
    match serde_json::from_value(block.clone()) {
        Ok(content) => content,
        Err(_) => match block {
            Value::String(text) => Content::text(text),
            other => Content::text(other.to_string()),
        },
    }
}

/// A tool as its server lists it, under the name `name` of `namespace`.
///
/// Only a tool without a usable input schema is refused; other fields that are not what they
/// should be are left out, and `notice` hears of it.
pub(crate) fn tool(
    mut entry: Map<String, Value>,
    id: ToolId,
    notice: &mut impl FnMut(&str),
) -> std::result::Result<Tool, &'static str> {
    let input_schema = match entry.remove("inputSchema") {
        Some(schema @ (Value::Object(_) | Value::Bool(_))) => schema,
        None | Some(Value::Null) => {
            notice("has no input schema; any object is accepted");
            json!({"type": "object"})
        }
        Some(_) => return Err("its input schema is no JSON Schema"),
    };
    let output_schema = match entry.remove("outputSchema") {
        Some(schema @ (Value::Object(_) | Value::Bool(_))) => Some(schema),
        None | Some(Value::Null) => None,
        Some(_) => {
            notice("has an output schema that is no JSON Schema; it was left out");
            None
        }
    };
    let mut text = |key: &str| match entry.remove(key) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    };
    let (title, description) = (text("title"), text("description"));
    Ok(Tool {
        id,
        title,
        description: description.unwrap_or_default(),
        input_schema: input_schema.into(),
        output_schema: output_schema.map(Into::into),
        annotations: annotations(entry.get("annotations")),
        tags: Vec::new(),
        icons: match entry.remove("icons") {
            Some(Value::Array(icons)) => icons,
            _ => Vec::new(),
        },
        meta: match entry.remove("_meta") {
            Some(Value::Object(meta)) => meta,
            _ => Map::new(),
        },
    })
}

fn annotations(value: Option<&Value>) -> Annotations {
    let hint = |key: &str| value.and_then(|value| value.get(key)?.as_bool());
    Annotations {
        title: value
            .and_then(|value| value.get("title")?.as_str())
            .map(str::to_owned),
        read_only: hint("readOnlyHint"),
        destructive: hint("destructiveHint"),
        idempotent: hint("idempotentHint"),
        open_world: hint("openWorldHint"),
    }
}

/// A progress notification as an event.
pub(crate) fn progress(params: &ProgressNotificationParam) -> Event {
    Event::Progress {
        progress: params.progress,
        total: params.total,
        message: params.message.clone(),
    }
}

/// A log message as an event; the logger's name is put beside the data when there is one.
pub(crate) fn log(params: &LoggingMessageNotificationParam) -> Event {
    let data = match &params.logger {
        None => params.data.clone(),
        Some(logger) => json!({ "logger": logger, "data": params.data }),
    };
    Event::Log {
        level: log_level(params.level),
        data,
    }
}

fn log_level(level: LoggingLevel) -> LogLevel {
    match level {
        LoggingLevel::Debug => LogLevel::Debug,
        LoggingLevel::Info => LogLevel::Info,
        LoggingLevel::Notice => LogLevel::Notice,
        LoggingLevel::Warning => LogLevel::Warning,
        LoggingLevel::Error => LogLevel::Error,
        LoggingLevel::Critical => LogLevel::Critical,
        LoggingLevel::Alert => LogLevel::Alert,
        LoggingLevel::Emergency => LogLevel::Emergency,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_content_is_kept() {
        let blocks = json!([
            {"type": "text", "text": "hi", "annotations": {"priority": 1}},
            {"type": "image", "data": "AA==", "mimeType": "image/png"},
            {"type": "audio", "data": "AA==", "mimeType": "audio/wav", "extra": true},
            {"type": "resource_link", "uri": "file:///a", "name": "a", "size": 3},
            {"type": "resource", "resource": {"uri": "file:///a", "text": "x", "more": 1}},
        ]);
        let result = json!({"content": blocks, "structuredContent": {"a": 1}, "_meta": {"k": 2}});
        let raw = call_result(result).unwrap();
        assert_eq!(serde_json::to_value(&raw.content).unwrap(), blocks);
        assert_eq!(raw.structured, Some(json!({"a": 1})));
        assert_eq!(Value::Object(raw.meta), json!({"k": 2}));
        assert!(!raw.is_error);
    }

    #[test]
    fn unknown_content_becomes_text() {
        let result = json!({"content": [{"type": "hologram", "x": 1}, "bare"], "isError": true});
        let raw = call_result(result).unwrap();
        let texts: Vec<_> = raw.content.iter().filter_map(Content::as_text).collect();
        assert_eq!(texts, [r#"{"type":"hologram","x":1}"#, "bare"]);
        assert!(raw.is_error);
    }

    #[test]
    fn an_answer_of_another_method_is_refused() {
        assert!(call_result(json!({"tools": []})).is_err());
        assert!(call_result(json!("text")).is_err());
        assert_eq!(call_result(json!({})).unwrap(), RawContent::default());
        let empty = json!({"content": [], "resultType": "complete"});
        assert_eq!(call_result(empty).unwrap(), RawContent::default());
    }

    #[test]
    fn a_tool_with_odd_fields_is_kept_as_far_as_it_goes() {
        let read = |entry: Value| {
            let Value::Object(entry) = entry else {
                panic!("an object")
            };
            let mut notices = Vec::new();
            let id = ToolId::new("ns", "t").unwrap();
            let tool = tool(entry, id, &mut |text| notices.push(text.to_owned()));
            (tool, notices)
        };
        let (tool, notices) = read(json!({
            "name": "t",
            "title": 7,
            "inputSchema": {"$schema": "http://json-schema.org/draft-07/schema#"},
            "outputSchema": "nonsense",
            "annotations": {"readOnlyHint": true, "idempotentHint": "yes"},
        }));
        let tool = tool.unwrap();
        assert_eq!(tool.title, None);
        assert_eq!(tool.output_schema, None);
        assert_eq!(tool.annotations.read_only, Some(true));
        assert_eq!(tool.annotations.idempotent, None);
        assert_eq!(
            *tool.input_schema,
            json!({"$schema": "http://json-schema.org/draft-07/schema#"})
        );
        assert_eq!(
            notices,
            ["has an output schema that is no JSON Schema; it was left out"]
        );
        let (refused, _) = read(json!({"name": "t", "inputSchema": 7}));
        assert_eq!(refused.unwrap_err(), "its input schema is no JSON Schema");
    }
}
