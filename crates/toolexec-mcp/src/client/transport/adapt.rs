//! Carrying answers through rmcp's types without loss.
//!
//! rmcp reads an answer as the first of its types that fits. One part that fits none, such as a
//! kind of content it does not know, makes it take the answer for something else, and the parts
//! are gone. Over stdio the answers pass as JSON; over HTTP rmcp's own transport reads them, so
//! they are packed before it does.

use rmcp::model::{ClientJsonRpcMessage, ClientRequest, Tool};
use serde_json::{Value, json};

/// Where the answer of a tool is put so that it passes rmcp's types unread: an answer that fits
/// none of them, or the wrong one, would lose parts.
pub(crate) const RAW: &str = "io.toolexec/raw";
/// Where entries of a list of tools are put that do not fit rmcp's type, in the list's `_meta`.
pub(crate) const ODD_TOOLS: &str = "io.toolexec/odd-tools";

/// Which care the answer to a request needs on its way through rmcp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Care {
    Call,
    List,
    None,
}

impl Care {
    pub(crate) fn of(message: &ClientJsonRpcMessage) -> Self {
        let ClientJsonRpcMessage::Request(request) = message else {
            return Self::None;
        };
        match request.request {
            ClientRequest::CallToolRequest(_) => Self::Call,
            ClientRequest::ListToolsRequest(_) => Self::List,
            _ => Self::None,
        }
    }

    pub(crate) fn adapt_text(self, text: String) -> String {
        if self == Self::None {
            return text;
        }
        match serde_json::from_str(&text) {
            Ok(message) => self.adapt(message).to_string(),
            Err(_) => text,
        }
    }

    /// Packs an answer so that nothing of it is lost in rmcp's types.
    pub(crate) fn adapt(self, mut message: Value) -> Value {
        let Some(result) = message.get_mut("result") else {
            return message;
        };
        match self {
            Self::Call => *result = json!({ RAW: result.take() }),
            Self::List => set_odd_tools_aside(result),
            Self::None => {}
        }
        message
    }
}

/// Moves the tools that do not fit rmcp's type to the list's `_meta`; the rest keeps its type,
/// which rmcp needs to see (parameters that are sent as headers).
fn set_odd_tools_aside(list: &mut Value) {
    let Some(tools) = list.get_mut("tools").and_then(Value::as_array_mut) else {
        return;
    };
    let fits = |entry: &Value| serde_json::from_value::<Tool>(entry.clone()).is_ok();
    let (good, odd) = std::mem::take(tools).into_iter().partition(fits);
    *tools = good;
    let odd: Vec<Value> = odd;
    if odd.is_empty() {
        return;
    }
    if !list["_meta"].is_object() {
        list["_meta"] = json!({});
    }
    list["_meta"][ODD_TOOLS] = Value::Array(odd);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_tools_are_set_aside_and_good_ones_stay() {
        let good = json!({"name": "a", "inputSchema": {"type": "object"}});
        let odd = json!({"name": "b", "inputSchema": 7});
        let message = json!({"id": 1, "result": {"tools": [odd, good]}});
        assert_eq!(
            Care::List.adapt(message),
            json!({"id": 1, "result": {"tools": [good], "_meta": {ODD_TOOLS: [odd]}}})
        );
    }

    #[test]
    fn other_messages_stay_as_they_are() {
        let error = json!({"id": 1, "error": {"code": 1, "message": "no"}});
        assert_eq!(Care::Call.adapt(error.clone()), error);
        let text = "data that is { no JSON".to_owned();
        assert_eq!(Care::Call.adapt_text(text.clone()), text);
    }
}
