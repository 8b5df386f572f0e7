//! What these tools say about themselves. Every word is read by a model at the start of every
//! conversation: each says what to do next, and no more.

use std::sync::Arc;

use rmcp::model::{Tool as McpTool, ToolAnnotations};
use serde_json::{Map, Value, json};

use super::{MetaTool, Programs};

pub(super) fn tool(tool: MetaTool, programs: Programs<'_>, has_jq: bool) -> McpTool {
    let input = input(tool, programs, has_jq);
    let mut listed = McpTool::new(tool.as_str(), description(tool), input);
    listed.output_schema = Some(output(tool));
    listed.annotations = is_read_only(tool).then(|| ToolAnnotations::new().read_only(true));
    listed
}

fn description(tool: MetaTool) -> &'static str {
    match tool {
        MetaTool::SearchTools => {
            "Find tools by what they do. Next: describe_tool, then run_tool or execute_code."
        }
        MetaTool::DescribeTool => {
            "Show how to call a tool: its signature, or its schemas and examples."
        }
        MetaTool::ListNamespaces => "List the groups of tools.",
        MetaTool::ListTools => "List tools by id; prefer search_tools.",
        MetaTool::ListToolExamples => "Show example calls of a tool.",
        MetaTool::RunTool => "Run one tool by id.",
        MetaTool::RunChain => "Run tools in order. Args may hold {{prev.key}}, {{steps[0].key}}.",
        MetaTool::ExecuteCode => {
            "Run a sandboxed program that calls tools: `await tools.ns.name({arg: 1})`, in Python \
             `tools.ns.name(arg=1)`; `return` or the last expression is its value. Best for loops, \
             filters and several calls."
        }
        MetaTool::ReadResult => "Read part of a large result, by the `$result` of its handle.",
    }
}

/// Whether running the tool changes nothing.
fn is_read_only(tool: MetaTool) -> bool {
    !matches!(
        tool,
        MetaTool::RunTool | MetaTool::RunChain | MetaTool::ExecuteCode
    )
}

fn input(tool: MetaTool, programs: Programs<'_>, has_jq: bool) -> Arc<Map<String, Value>> {
    let text = || json!({"type": "string"});
    let count = || json!({"type": "integer", "minimum": 1});
    match tool {
        MetaTool::SearchTools => object(
            json!({"query": text(), "namespace": text(), "limit": count(), "cursor": text()}),
            &["query"],
        ),
        MetaTool::DescribeTool => object(
            json!({"tool": text(), "detail": {"enum": ["signature", "schema", "full"]}}),
            &["tool"],
        ),
        MetaTool::ListNamespaces => object(json!({}), &[]),
        MetaTool::ListTools => object(
            json!({"namespace": text(), "limit": count(), "cursor": text()}),
            &[],
        ),
        MetaTool::ListToolExamples => object(json!({"tool": text()}), &["tool"]),
        MetaTool::RunTool => object(
            json!({
                "tool": {"type": "string", "description": "namespace:name"},
                "args": {"type": "object"},
            }),
            &["tool"],
        ),
        MetaTool::RunChain => object(
            json!({
                "steps": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {"tool": text(), "args": {"type": "object"}, "name": text()},
                    },
                },
                "on_error": {"enum": ["stop", "continue"]},
            }),
            &["steps"],
        ),
        MetaTool::ExecuteCode => execute_code(programs),
        MetaTool::ReadResult => object(read_result(has_jq), &["result"]),
    }
}

fn execute_code(programs: Programs<'_>) -> Arc<Map<String, Value>> {
    let mut properties = json!({
        "language": {"enum": programs.languages},
        "code": {"type": "string", "description": "of wasm: the module in base64"},
        "inputs": {"type": "object", "description": "global variables"},
        "files": {
            "type": "object",
            "description": "name: text or {base64}; tools files:read, files:write",
        },
        "timeout_ms": {"type": "integer", "minimum": 1},
        "session": {
            "type": "string",
            "description": "keeps variables: new, an id, or fork ID",
        },
    });
    if !programs.images.is_empty() {
        let allowed = format!("container image: {}", programs.images.join(", "));
        properties["image"] = json!({"type": "string", "description": allowed});
    }
    let engines: Vec<&str> = ["cpython", "node"]
        .into_iter()
        .filter(|engine| programs.languages.contains(engine))
        .collect();
    if !engines.is_empty() {
        properties["engine"] = json!({
            "enum": engines,
            "description": "python on cpython, javascript on node",
        });
    }
    object(properties, &["language", "code"])
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
fn output(tool: MetaTool) -> Arc<Map<String, Value>> {
    let list = || json!({"type": "array"});
    let mut properties = match tool {
        MetaTool::SearchTools | MetaTool::ListTools => {
            json!({"tools": list(), "next": {"type": "string"}})
        }
        MetaTool::DescribeTool => json!({"tool": {"type": "object"}}),
        MetaTool::ListNamespaces => json!({"namespaces": list()}),
        MetaTool::ListToolExamples => json!({"examples": list()}),
        MetaTool::RunTool => json!({"value": {}}),
        MetaTool::RunChain => json!({"value": {}, "steps": list()}),
        MetaTool::ExecuteCode => json!({"value": {}, "stdout": {}}),
        MetaTool::ReadResult => json!({"value": {}, "values": list()}),
    };
    properties["error"] = json!({"type": "object"});
    let mut schema = Map::new();
    schema.insert("type".to_owned(), json!("object"));
    schema.insert("properties".to_owned(), properties);
    Arc::new(schema)
}
