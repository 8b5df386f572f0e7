//! What these tools say about themselves. Every word is read by a model at the start of every
//! conversation: each says what to do next, and no more.

use std::sync::Arc;

use rmcp::model::{Tool as McpTool, ToolAnnotations};
use serde_json::{Map, Value, json};

use super::MetaTool;

pub(super) fn tool(tool: MetaTool, languages: &[&str], has_jq: bool) -> McpTool {
    let (description, input, output, annotations) = match tool {
        MetaTool::SearchTools => (
            "Find tools by what they do. Next: describe_tool, then run_tool or execute_code.",
            object(
                json!({
                    "query": {"type": "string"},
                    "namespace": {"type": "string"},
                    "limit": {"type": "integer", "minimum": 1},
                    "cursor": {"type": "string"},
                }),
                &["query"],
            ),
            answer(json!({"tools": {"type": "array"}, "next": {"type": "string"}})),
            read_only(),
        ),
        MetaTool::DescribeTool => (
            "Show how to call a tool: its signature, or its schemas and examples.",
            object(
                json!({
                    "tool": {"type": "string"},
                    "detail": {"enum": ["signature", "schema", "full"]},
                }),
                &["tool"],
            ),
            answer(json!({"tool": {"type": "object"}})),
            read_only(),
        ),
        MetaTool::ListNamespaces => (
            "List the groups of tools.",
            object(json!({}), &[]),
            answer(json!({"namespaces": {"type": "array"}})),
            read_only(),
        ),
        MetaTool::ListTools => (
            "List tools by id; prefer search_tools.",
            object(
                json!({
                    "namespace": {"type": "string"},
                    "limit": {"type": "integer", "minimum": 1},
                    "cursor": {"type": "string"},
                }),
                &[],
            ),
            answer(json!({"tools": {"type": "array"}, "next": {"type": "string"}})),
            read_only(),
        ),
        MetaTool::ListToolExamples => (
            "Show example calls of a tool.",
            object(json!({"tool": {"type": "string"}}), &["tool"]),
            answer(json!({"examples": {"type": "array"}})),
            read_only(),
        ),
        MetaTool::RunTool => (
            "Run one tool by id.",
            object(
                json!({
                    "tool": {"type": "string", "description": "namespace:name"},
                    "args": {"type": "object"},
                }),
                &["tool"],
            ),
            answer(json!({"value": {}})),
            ToolAnnotations::default(),
        ),
        MetaTool::RunChain => (
            "Run tools in order. Args may hold {{prev.key}}, {{steps[0].key}}.",
            object(
                json!({
                    "steps": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "properties": {
                                "tool": {"type": "string"},
                                "args": {"type": "object"},
                                "name": {"type": "string"},
                            },
                        },
                    },
                    "on_error": {"enum": ["stop", "continue"]},
                }),
                &["steps"],
            ),
            answer(json!({"value": {}, "steps": {"type": "array"}})),
            ToolAnnotations::default(),
        ),
        MetaTool::ExecuteCode => (
            "Run a sandboxed program that calls tools: `await tools.ns.name({arg: 1})`, in Python \
             `tools.ns.name(arg=1)`; `return` or the last expression is its value. Best for loops, \
             filters and several calls.",
            object(
                json!({
                    "language": {"enum": languages},
                    "code": {"type": "string"},
                    "inputs": {"type": "object", "description": "global variables"},
                    "timeout_ms": {"type": "integer", "minimum": 1},
                }),
                &["language", "code"],
            ),
            answer(json!({"value": {}, "stdout": {}})),
            ToolAnnotations::default(),
        ),
        MetaTool::ReadResult => (
            "Read part of a large result, by the `$result` of its handle.",
            object(read_result(has_jq), &["result"]),
            answer(json!({"value": {}, "values": {"type": "array"}})),
            read_only(),
        ),
    };
    let mut listed = McpTool::new(tool.as_str(), description, input);
    listed.output_schema = Some(output);
    listed.annotations = (annotations != ToolAnnotations::default()).then_some(annotations);
    listed
}

fn read_result(has_jq: bool) -> Value {
    let mut properties = json!({
        "result": {"type": "string"},
        "at": {"type": "string", "description": "JSON Pointer"},
        "offset": {"type": "integer", "minimum": 0},
        "limit": {"type": "integer", "minimum": 1},
    });
    if has_jq {
        properties["jq"] = json!({"type": "string", "description": "filter"});
    }
    properties
}

fn read_only() -> ToolAnnotations {
    ToolAnnotations::new().read_only(true)
}

fn object(properties: Value, required: &[&str]) -> Arc<Map<String, Value>> {
    let mut schema = Map::new();
    schema.insert("type".to_owned(), json!("object"));
    schema.insert("properties".to_owned(), properties);
    if !required.is_empty() {
        schema.insert("required".to_owned(), json!(required));
    }
    schema.insert("additionalProperties".to_owned(), json!(false));
    Arc::new(schema)
}

/// The schema of an answer, which may be an error instead.
fn answer(mut properties: Value) -> Arc<Map<String, Value>> {
    properties["error"] = json!({"type": "object"});
    let mut schema = Map::new();
    schema.insert("type".to_owned(), json!("object"));
    schema.insert("properties".to_owned(), properties);
    Arc::new(schema)
}
