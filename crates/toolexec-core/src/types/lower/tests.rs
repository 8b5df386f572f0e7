//! What schemas read as, in TypeScript.

use serde_json::json;

use super::*;
use crate::types::typescript::Types;

/// A schema in TypeScript, without comments, and the types it names.
fn text(schema: &Value) -> String {
    let lowered = lower(schema);
    let types = Types::without_docs(&lowered.named);
    let named = lowered
        .named
        .iter()
        .map(|named| format!("; {} = {}", named.hint, types.text(&named.ty, 0)));
    let all = std::iter::once(types.text(&lowered.ty, 0))
        .chain(named)
        .collect::<String>();
    all.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn assert_texts(cases: &[(Value, &str)]) {
    for (schema, expected) in cases {
        assert_eq!(text(schema), *expected, "{schema}");
    }
}

#[test]
fn plain_types() {
    assert_texts(&[
        (json!(true), "unknown"),
        (json!({}), "unknown"),
        (json!(false), "never"),
        (json!({"not": {}}), "never"),
        (json!(7), "unknown /* not a schema */"),
        (json!({"type": "integer"}), "number"),
        (json!({"type": ["string", "null"]}), "string | null"),
        (json!({"type": "string", "nullable": true}), "string | null"),
        (
            json!({"type": "strnig"}),
            "unknown /* a type that JSON Schema does not have */",
        ),
        (json!({"type": "array"}), "unknown[]"),
        (
            json!({"items": {"type": ["string", "null"]}}),
            "(string | null)[]",
        ),
    ]);
}

#[test]
fn constants() {
    assert_texts(&[
        (json!({"const": "a\"b"}), r#""a\"b""#),
        (
            json!({"enum": ["a", 1, null, true]}),
            r#""a" | 1 | null | true"#,
        ),
        (json!({"type": "string", "enum": ["a", 3, null]}), r#""a""#),
        (json!({"type": "integer", "enum": ["a"]}), "number"),
        (json!({"enum": ["a"], "nullable": true}), r#""a" | null"#),
        (json!({"const": {"a": [1]}}), "{ a: [1] }"),
        (json!({"enum": (0..100).collect::<Vec<_>>()}), "number"),
        (json!({"const": 9_007_199_254_740_993_u64}), "number"),
    ]);
}

#[test]
fn lists_and_tuples() {
    assert_texts(&[
        (
            json!({"prefixItems": [{"type": "string"}, {"type": "number"}], "items": false, "minItems": 1}),
            "[string, number?]",
        ),
        (
            json!({"items": [{"type": "string"}], "additionalItems": {"type": "boolean"}}),
            "[string?, ...boolean[]]",
        ),
        (
            json!({"items": [{"type": "string"}], "minItems": 1, "maxItems": 1}),
            "[string]",
        ),
        (json!({"type": "array", "items": false}), "never[]"),
    ]);
}

#[test]
fn objects() {
    assert_texts(&[
        (json!({"type": "object"}), "{ [key: string]: unknown }"),
        (
            json!({"additionalProperties": {"type": "integer"}}),
            "{ [key: string]: number }",
        ),
        (
            json!({"properties": {"a": {}, "b-c": {"type": "null"}}, "required": ["a"]}),
            r#"{ a: unknown; "b-c"?: null }"#,
        ),
        (
            json!({"properties": {"a": {}}, "additionalProperties": true}),
            "{ a?: unknown; [key: string]: unknown }",
        ),
        (
            json!({"properties": {"a": {}}, "additionalProperties": {"type": "null"}}),
            "{ a?: unknown; [key: string]: unknown /* other fields: null */ }",
        ),
        (
            json!({"patternProperties": {"^x": {"type": "string"}}, "additionalProperties": false}),
            "{ [key: string]: string }",
        ),
        (
            json!({"type": "object", "additionalProperties": false}),
            "{ [key: string]: never }",
        ),
        (json!({"required": ["a"]}), "{ a: unknown }"),
        (json!({"properties": {"a": false}}), "{ a?: never }"),
    ]);
}

#[test]
fn combinations() {
    let a = json!({"properties": {"a": {"type": "string"}}, "required": ["a"]});
    assert_texts(&[
        (
            json!({"allOf": [a, {"properties": {"a": {"enum": ["x", 1]}, "b": {}}}]}),
            r#"{ a: "x"; b?: unknown }"#,
        ),
        (
            json!({"anyOf": [{"type": "integer"}, {"type": "number"}, {"const": 3}]}),
            "number",
        ),
        (
            json!({
                "properties": {"kind": {"type": "string"}},
                "oneOf": [
                    {"properties": {"kind": {"const": "x"}}, "required": ["kind"]},
                    {"type": "null"},
                    {"properties": {"y": {"type": "null"}}},
                ],
            }),
            r#"{ kind: "x" } | { kind?: string; y?: null }"#,
        ),
        (
            json!({"properties": {"a": {}, "b": {}}, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]}),
            "{ a?: unknown; b?: unknown }",
        ),
        (
            json!({"allOf": [{"type": "string"}, {"type": "integer"}]}),
            "never",
        ),
    ]);
}

#[test]
fn references() {
    let node = json!({"properties": {"next": {"$ref": "#/$defs/Node"}}});
    assert_texts(&[
        (
            json!({"$ref": "#/$defs/Node", "$defs": {"Node": node}}),
            "Node; Node = { next?: Node }",
        ),
        (
            json!({"properties": {"id": {"$ref": "#/definitions/Id"}}, "definitions": {"Id": {"type": "string"}}}),
            "{ id?: string }",
        ),
        (json!({"type": "array", "items": {"$ref": "#"}}), "; = []"),
        (
            json!({"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}}),
            "unknown /* a type that is only itself */",
        ),
        (
            json!({"$ref": "https://example.com/x"}),
            "unknown /* a reference that leads outside the schema */",
        ),
    ]);
}
