//! Resources, prompts and completions.

use serde_json::{Value, json};

use super::{Answer, Request, error, questions};

/// A picture of one pixel.
pub(super) const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJggg==";
/// A sound of one sample.
pub(super) const WAV: &str = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAAAAA==";

pub(super) fn resources() -> Value {
    json!([
        {
            "uri": "test://static-text",
            "name": "static-text",
            "description": "A text",
            "mimeType": "text/plain",
        },
        {
            "uri": "test://static-binary",
            "name": "static-binary",
            "description": "A picture",
            "mimeType": "image/png",
        },
        {
            "uri": "test://watched-resource",
            "name": "watched-resource",
            "description": "A text to subscribe to",
            "mimeType": "text/plain",
        },
    ])
}

pub(super) fn templates() -> Value {
    json!([{
        "uriTemplate": "test://template/{id}/data",
        "name": "template",
        "description": "A document with an id",
        "mimeType": "application/json",
    }])
}

pub(super) fn read(uri: &Value) -> Answer {
    let uri = uri.as_str().unwrap_or_default();
    let text = |mime: &str, text: &str| {
        Ok(json!({"contents": [{"uri": uri, "mimeType": mime, "text": text}]}))
    };
    match uri {
        "test://static-text" => text(
            "text/plain",
            "This is the content of the static text resource.",
        ),
        "test://watched-resource" => text("text/plain", "Watched resource content"),
        "test://static-binary" => {
            Ok(json!({"contents": [{"uri": uri, "mimeType": "image/png", "blob": PNG}]}))
        }
        _ => match uri
            .strip_prefix("test://template/")
            .and_then(|rest| rest.strip_suffix("/data"))
        {
            Some(id) => {
                let document = json!({
                    "id": id,
                    "templateTest": true,
                    "data": format!("Data for ID: {id}"),
                });
                text("application/json", &document.to_string())
            }
            None => Err(error(-32602, &format!("there is no resource {uri}"))),
        },
    }
}

pub(super) fn prompts() -> Value {
    let argument = |name: &str| json!({"name": name, "description": name, "required": true});
    let prompt = |name: &str, arguments: Value| json!({"name": name, "description": "A prompt of the suite", "arguments": arguments});
    json!([
        prompt("test_simple_prompt", json!([])),
        prompt(
            "test_prompt_with_arguments",
            json!([argument("arg1"), argument("arg2")])
        ),
        prompt(
            "test_prompt_with_embedded_resource",
            json!([argument("resourceUri")])
        ),
        prompt("test_prompt_with_image", json!([])),
        prompt("test_input_required_result_prompt", json!([])),
    ])
}

pub(super) fn prompt(request: &Request<'_>) -> Answer {
    let argument = |name: &str| {
        let value = request.params["arguments"][name].as_str();
        value.unwrap_or_default().to_owned()
    };
    let message = |content: Value| json!({"role": "user", "content": content});
    let text = |text: &str| message(json!({"type": "text", "text": text}));
    let messages = match request.params["name"].as_str().unwrap_or_default() {
        "test_simple_prompt" => vec![text("This is a simple prompt for testing.")],
        "test_prompt_with_arguments" => vec![text(&format!(
            "Prompt with arguments: arg1='{}', arg2='{}'",
            argument("arg1"),
            argument("arg2")
        ))],
        "test_prompt_with_embedded_resource" => vec![
            message(json!({"type": "resource", "resource": {
                "uri": argument("resourceUri"),
                "mimeType": "text/plain",
                "text": "Embedded resource content for testing.",
            }})),
            text("Please process the embedded resource above."),
        ],
        "test_prompt_with_image" => vec![
            message(json!({"type": "image", "data": PNG, "mimeType": "image/png"})),
            text("Please analyze the image above."),
        ],
        "test_input_required_result_prompt" => {
            let Some(answer) = request.response("user_context") else {
                let question = questions::form("What context should the prompt use?", "context");
                return Ok(questions::required(&[("user_context", question)], None));
            };
            vec![text(&format!("Context: {}", answer["content"]["context"]))]
        }
        other => return Err(error(-32602, &format!("there is no prompt {other}"))),
    };
    Ok(json!({"messages": messages}))
}

pub(super) fn complete(params: &Value) -> Value {
    let start = params["argument"]["value"].as_str().unwrap_or_default();
    let known = ["paris", "park", "party", "hello", "world"];
    let values: Vec<&str> = known
        .into_iter()
        .filter(|value| value.starts_with(start))
        .collect();
    json!({"completion": {"values": values, "total": values.len(), "hasMore": false}})
}
