//! Describing tools.

use serde_json::{Value, json};
use toolexec_core::index::Index;
use toolexec_core::tooldoc::{Detail, DocEntry, DocStore, Example, describe};
use toolexec_core::{BackendKind, Tool};

use crate::fixture::{Answer, Scripted};

fn index() -> Index {
    let index = Index::new();
    let remote = Scripted::new(BackendKind::Mcp, "server", Answer::Value(json!(1)));
    let local = Scripted::new(BackendKind::Local, "here", Answer::Value(json!(1)));
    for version in ["1.0.0", "1.2.0"] {
        let tool = Tool::builder(format!("math:add:{version}"))
            .title("Add")
            .description("Adds two numbers. Overflow is an error.")
            .tags(["arithmetic"])
            .read_only()
            .input_schema(json!({
                "type": "object",
                "properties": {
                    "a": {"type": "integer"},
                    "b": {"type": "integer", "default": 1}
                },
                "required": ["a"]
            }))
            .output_schema(json!({"type": "integer"}))
            .build()
            .unwrap();
        remote.offer(&index, tool.clone());
        local.offer(&index, tool);
    }
    index
}

fn described(index: &Index, tool: &str, doc: Option<&DocEntry>, detail: Detail) -> Value {
    let entry = index.find(tool).unwrap();
    let versions = index.versions(entry.tool().id.key());
    serde_json::to_value(describe(&entry, &versions, doc, detail)).unwrap()
}

fn summary(detail: &str) -> Value {
    json!({
        "id": "math:add:1.2.0", "name": "add", "title": "Add", "summary": "Adds two numbers.",
        "namespace": "math", "tags": ["arithmetic"], "annotations": {"readOnlyHint": true},
        "detail": detail,
    })
}

fn with(mut doc: Value, more: Value) -> Value {
    let (Value::Object(map), Value::Object(more)) = (&mut doc, more) else {
        panic!("no objects")
    };
    map.extend(more);
    doc
}

fn schemas() -> Value {
    json!({
        "description": "Adds two numbers. Overflow is an error.",
        "inputSchema": {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer", "default": 1}},
            "required": ["a"],
        },
        "outputSchema": {"type": "integer"},
        "schemaInfo": {
            "required": ["a"],
            "types": {"a": "integer", "b": "integer"},
            "defaults": {"b": 1},
        },
    })
}

#[test]
fn each_level_says_more_than_the_one_before() {
    let index = index();
    let doc = |detail| described(&index, "math:add", None, detail);
    assert_eq!(doc(Detail::Summary), summary("summary"));
    assert_eq!(doc(Detail::Schema), with(summary("schema"), schemas()));
    let rest = json!({
        "examples": [{"title": "smallest call", "args": {"a": 1}, "generated": true}],
        "versions": ["1.0.0", "1.2.0"],
        "backends": [
            {"kind": "local", "name": "here"},
            {"kind": "mcp", "name": "server"},
        ],
    });
    assert_eq!(
        doc(Detail::Full),
        with(with(summary("full"), schemas()), rest)
    );
}

#[test]
fn what_was_registered_is_shown() {
    let (index, store) = (index(), DocStore::default());
    let entry = index.find("math:add").unwrap();
    let key = entry.tool().id.key();
    let doc: DocEntry = serde_json::from_value(json!({
        "summary": "The sum of two numbers.",
        "notes": "Not for money.",
        "externalRefs": ["https://example.com/add"],
        "examples": [{"title": "two", "args": {"a": 1, "b": 2}, "resultHint": "3"}],
    }))
    .unwrap();
    assert_eq!(store.register_doc(key, doc).unwrap(), Vec::<String>::new());
    let doc = store.get(key);
    let full = described(&index, "math:add", doc.as_deref(), Detail::Full);
    let parts = ["summary", "notes", "externalRefs", "examples"].map(|part| full[part].clone());
    assert_eq!(
        parts,
        [
            json!("The sum of two numbers."),
            json!("Not for money."),
            json!(["https://example.com/add"]),
            json!([{"title": "two", "args": {"a": 1, "b": 2}, "resultHint": "3"}]),
        ]
    );
    assert_eq!(
        described(&index, "math:add", doc.as_deref(), Detail::Schema)["notes"],
        Value::Null
    );
}

#[test]
fn a_tool_that_is_disabled_says_why() {
    let index = Index::new();
    let backend = Scripted::new(BackendKind::Mcp, "server", Answer::Value(json!(1)));
    let broken = json!({"type": "object", "properties": {"a": {"type": "nonsense"}}});
    backend.offer(
        &index,
        Tool::builder("a:b").input_schema(broken).build().unwrap(),
    );
    let doc = described(&index, "a:b", None, Detail::Full);
    let reason = doc["disabled"].as_str().unwrap();
    assert!(
        reason.starts_with("its input schema is broken: "),
        "{reason}"
    );
    assert_eq!(doc["examples"], Value::Null);
}

#[test]
fn a_registered_example_cannot_pass_for_a_generated_one() {
    let given = json!({"args": {}, "generated": true});
    let read: Result<Example, _> = serde_json::from_value(given);
    assert!(read.map_or(true, |example| !example.generated));
}

#[test]
fn unknown_tools_are_answered_with_near_ones() {
    let index = index();
    let hints = |tool: &str| index.find(tool).unwrap_err().hints().to_vec();
    assert_eq!(hints("maths:add"), ["did you mean math:add?"]);
    assert_eq!(hints("math:ad"), ["did you mean math:add?"]);
    assert_eq!(hints("weather:forecast"), ["search for it by what it does"]);
}
