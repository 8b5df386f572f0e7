//! Answers that ask for input, and the tools that give them.

use serde_json::{Value, json};

use super::{Answer, META, Request};

const STATE: &str = "fixture-state";

/// An answer that asks for input.
pub(super) fn required(questions: &[(&str, Value)], state: Option<&str>) -> Value {
    let requests: serde_json::Map<String, Value> = questions
        .iter()
        .map(|(key, question)| ((*key).to_owned(), question.clone()))
        .collect();
    let mut result = json!({"resultType": "input_required", "inputRequests": requests});
    if let Some(state) = state {
        result["requestState"] = json!(state);
    }
    result
}

/// Asks a person for one text.
pub(super) fn form(message: &str, field: &str) -> Value {
    elicit(
        message,
        &json!({field: {"type": "string"}}),
        &json!([field]),
    )
}

fn elicit(message: &str, properties: &Value, required: &Value) -> Value {
    let schema = json!({"type": "object", "properties": properties, "required": required});
    let params = json!({"mode": "form", "message": message, "requestedSchema": schema});
    json!({"method": "elicitation/create", "params": params})
}

fn sample(prompt: &str) -> Value {
    let content = json!({"type": "text", "text": prompt});
    let params = json!({"messages": [{"role": "user", "content": content}], "maxTokens": 100});
    json!({"method": "sampling/createMessage", "params": params})
}

fn roots() -> Value {
    json!({"method": "roots/list", "params": {}})
}

/// A tool that asks; `None` when there is none of the name.
pub(super) fn call(name: &str, request: &Request<'_>) -> Option<Answer> {
    let argument = |name: &str| {
        request.params["arguments"][name]
            .as_str()
            .unwrap_or_default()
    };
    Some(Ok(match name {
        "test_sampling" => once(request, "sample", sample(argument("prompt")), |answer| {
            let text = answer["content"]["text"].as_str().unwrap_or_default();
            format!("LLM response: {text}")
        }),
        "test_elicitation" => {
            let properties = json!({
                "username": {"type": "string", "description": "User's response"},
                "email": {"type": "string", "description": "User's email address"},
            });
            let question = elicit(
                argument("message"),
                &properties,
                &json!(["username", "email"]),
            );
            once(request, "user", question, |answer| {
                let (action, content) = (&answer["action"], &answer["content"]);
                format!("User response: action: {action}, content: {content}")
            })
        }
        "test_elicitation_sep1034_defaults" => {
            let question = elicit("Values with defaults", &defaults(), &json!([]));
            once(request, "defaults", question, completed)
        }
        "test_elicitation_sep1330_enums" => {
            let question = elicit("Choices of every kind", &choices(), &json!([]));
            once(request, "choices", question, completed)
        }
        "test_streaming_elicitation" => {
            let question = form("Provide a value", "value");
            once(request, "streaming_elicitation", question, completed)
        }
        "test_input_required_result_elicitation" => {
            let question = form("What is your name?", "name");
            once(request, "user_name", question, |answer| {
                let name = answer["content"]["name"].as_str().unwrap_or("friend");
                format!("Hello, {name}!")
            })
        }
        "test_input_required_result_sampling" => {
            let question = sample("What is the capital of France?");
            once(request, "capital_question", question, |answer| {
                format!("Sampling response: {}", answer["content"]["text"])
            })
        }
        "test_input_required_result_list_roots" => {
            once(request, "client_roots", roots(), |answer| {
                format!("Client roots: {}", answer["roots"])
            })
        }
        "test_input_required_result_request_state"
        | "test_input_required_result_tampered_state" => confirm(request),
        "test_input_required_result_multiple_inputs" => several(request),
        "test_input_required_result_multi_round" => rounds(request),
        "test_input_required_result_capabilities" => capable(request),
        _ => return None,
    }))
}

/// Asks until the answer is there.
fn once(
    request: &Request<'_>,
    key: &str,
    question: Value,
    finish: impl Fn(&Value) -> String,
) -> Value {
    match request.response(key) {
        Some(answer) => text(&finish(answer)),
        None => required(&[(key, question)], None),
    }
}

fn confirm(request: &Request<'_>) -> Value {
    if request.state() == Some(STATE) && request.response("confirm").is_some() {
        return text("Confirmed: state-ok");
    }
    let question = elicit(
        "Please confirm",
        &json!({"ok": {"type": "boolean"}}),
        &json!(["ok"]),
    );
    required(&[("confirm", question)], Some(STATE))
}

fn several(request: &Request<'_>) -> Value {
    let questions = [
        ("user_name", form("What is your name?", "name")),
        ("greeting", sample("Generate a greeting")),
        ("client_roots", roots()),
    ];
    let has_all = questions
        .iter()
        .all(|(key, _)| request.response(key).is_some());
    if has_all && request.state() == Some(STATE) {
        text("All inputs received")
    } else {
        required(&questions, Some(STATE))
    }
}

fn rounds(request: &Request<'_>) -> Value {
    match request.state() {
        None => {
            let question = form("Step 1: What is your name?", "name");
            required(&[("step1", question)], Some("round-1"))
        }
        Some("round-1") => {
            let question = form("Step 2: What is your favorite color?", "color");
            required(&[("step2", question)], Some("round-2"))
        }
        Some(_) => text("Multi-round flow complete"),
    }
}

/// Asks only for what the client can answer.
fn capable(request: &Request<'_>) -> Value {
    if request.params.get("inputResponses").is_some() {
        return text("Capability-aware flow complete");
    }
    let capabilities = &request.params["_meta"][format!("{META}clientCapabilities")];
    let mut questions = vec![
        (
            "elicitation",
            ("user_name", form("What is your name?", "name")),
        ),
        ("sampling", ("greeting", sample("Generate a greeting"))),
        ("roots", ("client_roots", roots())),
    ];
    questions.retain(|(capability, _)| capabilities.get(capability).is_some());
    let questions: Vec<(&str, Value)> = questions.into_iter().map(|(_, one)| one).collect();
    if questions.is_empty() {
        return text("The client can answer nothing");
    }
    required(&questions, None)
}

fn completed(answer: &Value) -> String {
    let (action, content) = (&answer["action"], &answer["content"]);
    format!("Elicitation completed: action={action}, content={content}")
}

fn defaults() -> Value {
    json!({
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "default": true},
    })
}

fn choices() -> Value {
    let plain = json!(["option1", "option2", "option3"]);
    let titled = json!([
        {"const": "value1", "title": "First Option"},
        {"const": "value2", "title": "Second Option"},
        {"const": "value3", "title": "Third Option"},
    ]);
    json!({
        "untitledSingle": {"type": "string", "enum": plain},
        "titledSingle": {"type": "string", "oneOf": titled},
        "legacyEnum": {
            "type": "string",
            "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": plain}},
        "titledMulti": {"type": "array", "items": {"anyOf": titled}},
    })
}

fn text(text: &str) -> Value {
    json!({"content": [{"type": "text", "text": text}]})
}
