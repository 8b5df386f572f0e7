//! The tools.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::content::{PNG, WAV};
use super::{Answer, HAS_ADDED, Request, change_tools, changed, error, questions};

/// Between two messages of one call.
const PAUSE: Duration = Duration::from_millis(50);

/// Tools without arguments.
const PLAIN: &[&str] = &[
    "test_simple_text",
    "test_image_content",
    "test_audio_content",
    "test_embedded_resource",
    "test_multiple_content_types",
    "test_tool_with_logging",
    "test_logging_tool",
    "test_error_handling",
    "test_tool_with_progress",
    "test_elicitation_sep1034_defaults",
    "test_elicitation_sep1330_enums",
    "test_reconnection",
    "test_missing_capability",
    "test_streaming_elicitation",
    "test_trigger_tool_change",
    "test_trigger_prompt_change",
    "test_input_required_result_elicitation",
    "test_input_required_result_sampling",
    "test_input_required_result_list_roots",
    "test_input_required_result_request_state",
    "test_input_required_result_tampered_state",
    "test_input_required_result_multiple_inputs",
    "test_input_required_result_multi_round",
    "test_input_required_result_capabilities",
];

pub(super) fn list() -> Value {
    let tool = |name: &str, schema: Value| json!({"name": name, "description": "A tool of the suite", "inputSchema": schema});
    let one_text = |argument: &str| {
        json!({
            "type": "object",
            "properties": {argument: {"type": "string"}},
            "required": [argument],
        })
    };
    let mut tools: Vec<Value> = PLAIN
        .iter()
        .map(|name| tool(name, json!({"type": "object", "properties": {}})))
        .collect();
    tools.push(tool("test_sampling", one_text("prompt")));
    tools.push(tool("test_elicitation", one_text("message")));
    tools.push(tool("json_schema_2020_12_tool", schema_2020_12()));
    if HAS_ADDED.load(Ordering::Relaxed) {
        tools.push(tool("test_added", json!({"type": "object"})));
    }
    Value::Array(tools)
}

pub(super) fn call(request: &Request<'_>) -> Answer {
    let name = request.params["name"].as_str().unwrap_or_default();
    if let Some(answer) = questions::call(name, request) {
        return answer;
    }
    let text = |text: &str| json!({"type": "text", "text": text});
    let resource = |uri: &str, mime: &str, text: &str| json!({"type": "resource", "resource": {"uri": uri, "mimeType": mime, "text": text}});
    let image = json!({"type": "image", "data": PNG, "mimeType": "image/png"});
    let content = match name {
        "test_simple_text" => json!([text("This is a simple text response for testing.")]),
        "test_image_content" => json!([image]),
        "test_audio_content" => {
            json!([{"type": "audio", "data": WAV, "mimeType": "audio/wav"}])
        }
        "test_embedded_resource" => json!([resource(
            "test://embedded-resource",
            "text/plain",
            "This is an embedded resource content."
        )]),
        "test_multiple_content_types" => json!([
            text("Multiple content types test:"),
            image,
            resource(
                "test://mixed-content-resource",
                "application/json",
                "{\"test\":\"data\",\"value\":123}"
            ),
        ]),
        "test_tool_with_logging" | "test_logging_tool" => {
            request.log("Tool execution started");
            thread::sleep(PAUSE);
            request.log("Tool processing data");
            thread::sleep(PAUSE);
            request.log("Tool execution completed");
            json!([text("The tool has logged three messages")])
        }
        "test_tool_with_progress" => {
            for progress in [0, 50, 100] {
                request.progress(progress, 100);
                thread::sleep(PAUSE);
            }
            json!([text("The tool has reported its progress")])
        }
        "test_error_handling" => {
            let why = text("This tool intentionally returns an error for testing");
            return Ok(json!({"content": [why], "isError": true}));
        }
        "test_missing_capability" => {
            if request.meta("clientCapabilities").get("sampling").is_none() {
                let mut error = error(-32021, "the client must be able to sample");
                error["data"] = json!({"requiredCapabilities": {"sampling": {}}});
                return Err(error);
            }
            json!([text("The client can sample")])
        }
        "json_schema_2020_12_tool" => {
            json!([text(&format!(
                "Called with {}",
                request.params["arguments"]
            ))])
        }
        "test_reconnection" => json!([text("Reconnection test completed successfully")]),
        "test_trigger_tool_change" => {
            change_tools();
            json!([text("The list of tools has changed")])
        }
        "test_trigger_prompt_change" => {
            changed("prompts", "promptsListChanged");
            json!([text("The list of prompts has changed")])
        }
        "test_added" => json!([text("Added while it ran")]),
        other => return Err(error(-32602, &format!("there is no tool {other}"))),
    };
    Ok(json!({"content": content}))
}

fn schema_2020_12() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {
            "address": {
                "$anchor": "addressDef",
                "type": "object",
                "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
            },
        },
        "properties": {
            "name": {"type": "string"},
            "address": {"$ref": "#/$defs/address"},
            "contactMethod": {"type": "string", "enum": ["phone", "email"]},
            "phone": {"type": "string"},
            "email": {"type": "string"},
        },
        "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
        "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
        "then": {"required": ["phone"]},
        "else": {"required": ["email"]},
        "additionalProperties": false,
    })
}
