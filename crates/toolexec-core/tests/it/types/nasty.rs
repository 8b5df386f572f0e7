//! Tools that are hard to declare: odd names, hostile texts, every corner of JSON Schema.

use serde_json::{Value, json};
use toolexec_core::Tool;

/// Every nasty tool.
pub(super) fn tools() -> Vec<Tool> {
    [
        names(),
        texts(),
        shapes(),
        references(),
        combinations(),
        broken(),
    ]
    .concat()
}

fn tool(id: &str, input: Value) -> Tool {
    Tool::builder(id).input_schema(input).build().unwrap()
}

fn with_output(id: &str, input: Value, output: Value) -> Tool {
    Tool::builder(id)
        .input_schema(input)
        .output_schema(output)
        .build()
        .unwrap()
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "a schema reads best in place"
)]
fn object(properties: Value) -> Value {
    json!({"type": "object", "properties": properties})
}

/// Names that are keywords, hide types, cannot be written or mean something else.
fn names() -> Vec<Tool> {
    let properties = json!({
        "class": {"type": "string"}, "self": {"type": "string"}, "others": {"type": "integer"},
        "from": {"type": "string"}, "x-y": {"type": "string"}, "": {"type": "string"},
        "a\"b": {"type": "string"}, "a\\b": {"type": "string"}, "a\nb": {"type": "string"},
        "str": {"type": "string"}, "list": {"type": "array", "items": {"type": "string"}},
        "__proto__": {"type": "string"}, "constructor": {"type": "string"}, "1st": {},
        "имя": {"type": "string"}, "*/": {"type": "string"}, "\u{2028}": {"type": "string"},
        "Any": {"type": "array", "items": {"type": "object", "properties": {
            "int": {"type": "integer"}, "dict": {"type": "object"}, "Literal": {"enum": ["a"]},
        }}},
    });
    let mut tools = vec![
        with_output(
            "names:every",
            object(properties.clone()),
            object(properties.clone()),
        ),
        with_output(
            "names:nested",
            object(json!({"inner": object(properties.clone())})),
            json!({
                "type": "object",
                "required": ["inner"],
                "properties": {"inner": object(properties)},
            }),
        ),
    ];
    let one = || object(json!({"a": {"type": "array", "items": {"type": "string"}}}));
    for name in [
        "list",
        "str",
        "dict",
        "int",
        "Any",
        "Literal",
        "Sequence",
        "Mapping",
        "class",
        "import",
        "constructor",
        "then",
        "__init__",
        "self",
        "do.it",
        "do-it",
        "do_it",
        "1",
        "_",
        "run",
        "Tools",
        "NamesTools",
        "toString",
        "prototype",
        "Promise",
        "default",
        "None",
        "await",
    ] {
        tools.push(with_output(&format!("names:{name}"), one(), one()));
    }
    for namespace in [
        "run",
        "my-ns",
        "my.ns",
        "my_ns",
        "MyNs",
        "class",
        "1st",
        "Tools",
        "tools",
        "constructor",
        "__proto__",
        "prototype",
        "list",
        "str",
        "None",
        "Any",
        "self",
    ] {
        tools.push(with_output(&format!("{namespace}:go"), one(), one()));
        tools.push(tool(&format!("{namespace}:stop-it"), one()));
    }
    tools.push(tool("bare", one()));
    tools.push(tool("bare-name", one()));
    tools.push(tool("versions:a:1.0.0", json!({"type": "string"})));
    tools.push(tool("versions:a:2.0.0", one()));
    tools
}

/// Descriptions and constants that try to leave their comment or string.
fn texts() -> Vec<Tool> {
    let hostile = "*/ }; declare const x: any; /* \"\"\" '''\\ \\N{x} \u{0} \r\n# a\n\"\"\"\nimport os\u{2028}y\u{202e}";
    let field = json!({
        "description": hostile, "enum": [hostile, "\"", "\\", "\u{7f}", "😀", "a\u{0}b"],
        "default": hostile, "pattern": hostile, "format": "*/",
    });
    let schema = json!({
        "type": "object",
        "description": hostile,
        "title": hostile,
        "properties": {"a": field.clone(), "b": {"description": "ends with a quote\""}},
        "$defs": {"*/ x": field, "*/": {"type": "object", "properties": {"y": {"const": "*/"}}}},
        "additionalProperties": {"$ref": "#/$defs/*~1"},
    });
    let long = "word ".repeat(20_000);
    let built = |id: &str, text: &str| {
        let builder = Tool::builder(id)
            .description(text)
            .input_schema(schema.clone());
        builder.output_schema(schema.clone()).build().unwrap()
    };
    vec![
        built("texts:hostile", hostile),
        built("texts:quote", "\""),
        built("texts:backslash", "\\"),
        built("texts:triple", "\"\"\""),
        built("texts:long", &long),
        built("texts:blank", " \n\n "),
        built("texts:lines", "\n\nOne\n\n\n\ttwo\n  three\n"),
    ]
}

/// Lists, tuples, maps, constants.
fn shapes() -> Vec<Tool> {
    let string = || json!({"type": "string"});
    let schemas = json!({
        "tuple2020": {"type": "array", "prefixItems": [string(), {"type": "integer"}], "items": false, "minItems": 2},
        "tuple7": {"type": "array", "items": [string(), {"type": ["number", "null"]}], "additionalItems": {"type": "boolean"}},
        "open_tuple": {"prefixItems": [string()], "minItems": 1},
        "empty_tuple": {"type": "array", "prefixItems": [], "items": false},
        "matrix": {"type": "array", "items": {"type": "array", "items": {"type": "number"}}},
        "list_of_unions": {"type": "array", "items": {"type": ["string", "null"]}},
        "list": {"type": "array"},
        "never_list": {"type": "array", "items": false},
        "map": {"type": "object", "additionalProperties": {"type": "integer"}},
        "patterns": {"type": "object", "patternProperties": {"^a": string(), "^b": {"type": "integer"}}, "additionalProperties": false},
        "map_and_field": {"type": "object", "properties": {"a": string(), "b": {"type": "integer"}}, "required": ["a"], "additionalProperties": {"type": "boolean"}},
        "open": {"type": "object", "properties": {"a": string()}, "additionalProperties": true},
        "closed": {"type": "object", "properties": {}, "additionalProperties": false},
        "required_only": {"type": "object", "required": ["a", "b"]},
        "required_in_map": {"type": "object", "required": ["a"], "additionalProperties": string()},
        "constants": {"enum": [1, -2, 1.5, 1e300, true, false, null, "x", [1, "a"], {"k": [null]}]},
        "large_numbers": {"enum": [9_007_199_254_740_993_u64, u64::MAX, i64::MIN]},
        "constant": {"const": {"a": [1, {"b": false}]}},
        "many": {"enum": (0..600).map(|n| format!("v{n}")).collect::<Vec<_>>()},
        "typed_enum": {"type": "string", "enum": ["a", null, 3]},
        "contradiction": {"type": "integer", "enum": ["a"]},
        "nullable": {"type": "string", "nullable": true},
        "nullable_enum": {"type": "string", "enum": ["a"], "nullable": true},
        "forbidden": false,
        "anything": true,
        "not": {"not": {"type": "string"}},
        "nothing": {"not": {}},
        "deep_list": deep(40),
    });
    let names: Vec<String> = schemas.as_object().unwrap().keys().cloned().collect();
    let mut tools: Vec<Tool> = names
        .iter()
        .map(|name| {
            with_output(
                &format!("shapes:{name}"),
                object(json!({"x": schemas[name]})),
                schemas[name].clone(),
            )
        })
        .collect();
    let every = json!({"type": "object", "properties": schemas, "required": names});
    tools.push(with_output("shapes:every", every.clone(), every.clone()));
    tools.push(with_output(
        "shapes:in_lists",
        object(json!({"all": {"type": "array", "items": every}})),
        json!({"type": "array", "items": every}),
    ));
    tools
}

fn deep(levels: usize) -> Value {
    (0..levels).fold(json!({"type": "string"}), |inner, level| {
        if level % 2 == 0 {
            json!({"type": "array", "items": inner})
        } else {
            json!({"type": "object", "properties": {"inner": inner}})
        }
    })
}

/// References: recursive, shared, colliding, broken.
fn references() -> Vec<Tool> {
    let node = json!({
        "type": "object",
        "properties": {"value": {}, "next": {"$ref": "#/$defs/Node"}, "all": {"type": "array", "items": {"$ref": "#/$defs/Node"}}},
        "required": ["value"],
    });
    let value = json!({"anyOf": [
        {"type": "string"}, {"type": "array", "items": {"$ref": "#/$defs/Json"}},
        {"type": "object", "additionalProperties": {"$ref": "#/$defs/Json"}},
    ]});
    let mut many = serde_json::Map::new();
    for n in 0..400 {
        let next = format!("#/$defs/D{}", n + 1);
        many.insert(
            format!("D{n}"),
            object(json!({"next": {"$ref": next}, "n": {"const": n}})),
        );
    }
    let tree = json!({"type": "object", "properties": {"children": {"type": "array", "items": {"$ref": "#"}}}});
    let with_defs = |schema: Value, defs: Value| {
        let mut schema = schema;
        schema["$defs"] = defs;
        schema
    };
    let use_node = || object(json!({"node": {"$ref": "#/$defs/Node"}}));
    let use_json = || object(json!({"json": {"$ref": "#/$defs/Json"}}));
    vec![
        with_output("refs:list", with_defs(use_node(), json!({"Node": node})), with_defs(json!({"$ref": "#/$defs/Node"}), json!({"Node": node}))),
        with_output("refs:json", with_defs(use_json(), json!({"Json": value})), with_defs(json!({"$ref": "#/$defs/Json"}), json!({"Json": value}))),
        with_output("refs:other_node", with_defs(use_node(), json!({"Node": object(json!({"other": {}}))})), with_defs(use_node(), json!({"Node": {"enum": ["x", "y"]}}))),
        with_output("refs:tree", tree.clone(), tree),
        with_output("refs:chain", with_defs(object(json!({"d": {"$ref": "#/$defs/D0"}})), Value::Object(many.clone())), with_defs(json!({"$ref": "#/$defs/D0"}), Value::Object(many))),
        with_output("refs:circle", json!({"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/B"}, "B": {"$ref": "#/$defs/A"}}}), json!({"anyOf": [{"$ref": "#"}, {"type": "string"}]})),
        with_output("refs:mutual", with_defs(object(json!({"a": {"$ref": "#/$defs/A"}})), json!({
            "A": {"anyOf": [{"$ref": "#/$defs/B"}, {"type": "null"}]},
            "B": {"anyOf": [{"type": "array", "items": {"$ref": "#/$defs/A"}}, {"type": "integer"}]},
        })), json!({"type": "array", "items": {"$ref": "#"}})),
        tool("refs:anchors", object(json!({"a": {"$ref": "#here"}, "b": {"$dynamicRef": "#here"}, "c": {"$recursiveRef": "#"}})).as_object().map(|fields| {
            let mut fields = fields.clone();
            fields.insert("$defs".into(), json!({"Here": {"$anchor": "here", "type": "object", "properties": {"z": {"type": "integer"}}}}));
            Value::Object(fields)
        }).unwrap()),
        tool("refs:outside", object(json!({"a": {"$ref": "https://example.com/schema.json"}, "b": {"$ref": "#/nowhere"}, "c": {"$ref": "other.json#/x"}, "d": {"$ref": 5}}))),
        tool("refs:by_id", json!({"$id": "https://example.com/s", "type": "object", "properties": {"a": {"$ref": "https://example.com/s#/$defs/X"}}, "$defs": {"X": object(json!({"x": {"type": "integer"}}))}})),
        tool("refs:into_properties", object(json!({"a": object(json!({"b": {"type": "integer"}})), "c": {"$ref": "#/properties/a"}}))),
        tool("refs:names", json!({"type": "object", "properties": {
            "a": {"$ref": "#/definitions/Promise"}, "b": {"$ref": "#/definitions/List<Item>"}, "c": {"$ref": "#/definitions/a~1b"},
            "d": {"$ref": "#/definitions/a%20b"}, "e": {"$ref": "#/definitions/1"}, "f": {"$ref": "#/definitions/查询"},
        }, "definitions": {
            "Promise": object(json!({"p": {}})), "List<Item>": object(json!({"l": {}})), "a/b": object(json!({"s": {}})),
            "a b": object(json!({"w": {}})), "1": object(json!({"n": {}})), "查询": object(json!({"q": {}})),
        }})),
        tool("Refs:Record", with_defs(use_node(), json!({"Node": {"type": "object", "properties": {"Array": {"$ref": "#/$defs/Array"}}}, "Array": object(json!({"Record": {"type": "integer"}}))}))),
    ]
}

/// allOf, anyOf, oneOf and their mixtures.
fn combinations() -> Vec<Tool> {
    let a =
        || json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]});
    let b = || json!({"type": "object", "properties": {"b": {"type": "integer"}}});
    let wide = json!({"oneOf": (0..40).map(|n| object(json!({format!("k{n}"): {"const": n}}))).collect::<Vec<_>>()});
    let cases = json!({
        "all": {"allOf": [a(), b()]},
        "all_refs": {"allOf": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/B"}], "$defs": {"A": a(), "B": b()}},
        "ref_and_more": {"$ref": "#/$defs/A", "properties": {"c": {"type": "boolean"}}, "required": ["c"], "$defs": {"A": a()}},
        "recursive_all": {"allOf": [{"$ref": "#/$defs/A"}], "$defs": {"A": {"allOf": [b(), object(json!({"child": {"$ref": "#/$defs/A"}}))]}}},
        "own_all": {"$ref": "#/$defs/A", "$defs": {"A": {"allOf": [{"$ref": "#/$defs/A"}, a()]}}},
        "either": {"type": "object", "properties": {"a": {}, "b": {}, "c": {"type": "string"}}, "anyOf": [{"required": ["a"]}, {"required": ["b", "c"]}]},
        "base_and_one": {"type": "object", "properties": {"kind": {"type": "string"}}, "required": ["kind"], "oneOf": [
            {"properties": {"kind": {"const": "x"}, "x": {"type": "integer"}}, "required": ["x"]},
            {"properties": {"kind": {"const": "y"}, "y": {"type": "string"}}},
        ]},
        "impossible": {"allOf": [{"type": "string"}, {"type": "integer"}]},
        "scalars": {"anyOf": [{"type": "string", "format": "uri"}, {"type": "string"}, {"type": "integer"}, {"type": "number"}]},
        "any_of_any": {"anyOf": [{}, {"type": "string"}]},
        "nullable_object": {"anyOf": [a(), {"type": "null"}]},
        "types": {"type": ["object", "array", "string"], "properties": {"a": {}}, "items": {"type": "integer"}},
        "conditional": {"type": "object", "properties": {"a": {"type": "string"}}, "if": {"properties": {"a": {"const": "x"}}}, "then": {"required": ["b"]}, "dependentRequired": {"a": ["b"]}, "propertyNames": {"pattern": "^."}},
        "wide": wide,
        "product": {"allOf": [wide, wide, wide]},
        "empty_union": {"anyOf": []},
        "false_union": {"anyOf": [false, false]},
    });
    let cases = cases.as_object().unwrap().clone();
    cases
        .into_iter()
        .map(|(name, schema)| with_output(&format!("mix:{name}"), schema.clone(), schema))
        .collect()
}

/// What is no schema at all.
fn broken() -> Vec<Tool> {
    let cases = [
        ("null", json!(null)),
        ("number", json!(5)),
        ("list", json!([{"type": "string"}])),
        ("true", json!(true)),
        ("false", json!(false)),
        ("string_type", json!({"type": "strnig"})),
        ("number_type", json!({"type": 5})),
        (
            "wrong_keywords",
            json!({"type": "object", "properties": [], "required": "a", "additionalProperties": 7, "enum": {}, "anyOf": {}, "allOf": "x", "items": 3, "description": 4, "minItems": "x"}),
        ),
        (
            "wrong_property",
            json!({"type": "object", "properties": {"a": 5, "b": null, "c": []}, "required": [1, null, "z"]}),
        ),
        (
            "odd_array",
            json!({"type": "array", "items": 5, "prefixItems": 5, "minItems": -1, "maxItems": 1.5}),
        ),
        ("scalar_input", json!({"type": "integer"})),
        (
            "tuple_input",
            json!({"type": "array", "prefixItems": [{"type": "integer"}]}),
        ),
        ("deep", deep(120)),
        (
            "wide",
            object(
                (0..5000)
                    .map(|n| (format!("p{n}"), object(json!({"q": {"type": "string"}}))))
                    .collect::<serde_json::Map<_, _>>()
                    .into(),
            ),
        ),
    ];
    cases
        .into_iter()
        .map(|(name, schema)| with_output(&format!("broken:{name}"), schema.clone(), schema))
        .collect()
}
