//! Documents that are broken, odd or of other people.

use std::sync::Arc;

use serde_json::{Value, json};
use toolexec_core::schema::Schema;
use toolexec_core::{ErrorKind, Tool};
use toolexec_providers::openapi::OperationFilter;
use toolexec_providers::{ApiConfig, OpenApi};

fn config() -> ApiConfig {
    ApiConfig {
        base_url: Some("https://api.example.com".into()),
        ..ApiConfig::default()
    }
}

fn load(document: Value) -> Arc<OpenApi> {
    OpenApi::load("x", &config(), document).unwrap()
}

fn names(api: &OpenApi) -> Vec<&str> {
    api.tools().map(|tool| tool.id.name()).collect()
}

fn get(fields: &Value) -> Value {
    let mut operation = json!({"responses": {}});
    operation
        .as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    json!({"get": operation})
}

#[test]
fn a_broken_operation_costs_itself_only() {
    let api = load(json!({
        "openapi": "3.0.0",
        "paths": {
            "/good": get(&json!({})),
            "/no-object": "text",
            "/capital": {"GET": {}, "summary": "s", "x-own": 1},
            "/bad-operation": {"get": 5},
            "/no-name": get(&json!({"parameters": [{"in": "query"}]})),
            "/no-in": get(&json!({"parameters": [{"name": "a"}]})),
            "/bad-in": get(&json!({"parameters": [{"name": "a", "in": "somewhere"}]})),
            "/bad-style": get(&json!({"parameters": [{"name": "a", "in": "query", "style": "simple"}]})),
            "/gone": get(&json!({"parameters": [{"$ref": "#/components/parameters/gone"}]})),
            "/remote": get(&json!({"parameters": [{"$ref": "https://example.com/p.yaml"}]})),
            "/loop": get(&json!({"parameters": [{"$ref": "#/components/parameters/loop"}]})),
            "/parameters": get(&json!({"parameters": {"a": 1}})),
            "/body": get(&json!({"requestBody": {"description": "nothing in it"}})),
            "/security": get(&json!({"security": {"a": []}})),
            "/server": get(&json!({"servers": 7})),
            "/other.yaml": {"$ref": "other.yaml"},
            "x-extension": {"get": {}},
        },
        "components": {"parameters": {"loop": {"$ref": "#/components/parameters/loop"}}},
    }));
    assert_eq!(names(&api), ["get_good", "get_server"]);
    assert_eq!(
        api.notices(),
        [
            "left out /no-object: it is no object",
            "left out \"GET\" of /capital: it is no method",
            "left out GET /bad-operation: it is no object",
            "left out GET /no-name: a parameter has no name",
            "left out GET /no-in: parameter \"a\" has no in",
            "left out GET /bad-in: parameter \"a\" is in \"somewhere\"",
            "left out GET /bad-style: parameter \"a\": style simple is not for query",
            "left out GET /gone: a parameter's $ref \"#/components/parameters/gone\" points to nothing",
            "left out GET /remote: a parameter's $ref \"https://example.com/p.yaml\" is in another document; only references inside the document are followed",
            "left out GET /loop: a parameter's $ref \"#/components/parameters/loop\" points to itself",
            "left out GET /parameters: its parameters are no list",
            "left out GET /body: its body has no content",
            "left out GET /security: its security is no list",
            "left out /other.yaml: its $ref \"other.yaml\" is in another document; only references inside the document are followed",
        ]
    );
}

#[test]
fn a_document_without_operations_is_refused() {
    for document in [
        json!({"openapi": "3.0.0"}),
        json!({"openapi": "3.1.0", "paths": {}, "webhooks": {"a": get(&json!({}))}}),
        json!({"swagger": "2.0", "paths": []}),
    ] {
        let error = OpenApi::load("x", &config(), document).unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (
                ErrorKind::Config,
                "the document describes no operation: its \"paths\" are missing or empty"
            )
        );
    }
}

#[test]
fn a_document_without_a_host_needs_an_address() {
    let document =
        json!({"openapi": "3.0.0", "servers": [{"url": "/v1"}], "paths": {"/a": get(&json!({}))}});
    let error = OpenApi::load("x", &ApiConfig::default(), document).unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str(), error.hints()),
        (
            ErrorKind::Config,
            "the document's server \"/v1\" is not a whole address: it names no host",
            &["set base_url to the address of the API".to_owned()][..]
        )
    );
    let odd = ApiConfig {
        namespace: Some("a b".into()),
        ..config()
    };
    let document = json!({"openapi": "3.0.0", "paths": {"/a": get(&json!({}))}});
    assert_eq!(
        OpenApi::load("x", &odd, document).unwrap_err().kind(),
        ErrorKind::Config
    );
}

#[test]
fn names_are_unique_and_valid() {
    let long = "very-".repeat(40);
    let api = load(json!({
        "openapi": "3.0.0",
        "paths": {
            "/a": get(&json!({"operationId": "same"})),
            "/b": get(&json!({"operationId": "same"})),
            "/c": get(&json!({"operationId": "issues/list for me"})),
            "/d/{x}": get(&json!({})),
            "/e": get(&json!({"operationId": "日本語"})),
            "/f": get(&json!({"operationId": long})),
        },
    }));
    let found = names(&api);
    assert_eq!(
        found[..5],
        ["same", "get_b", "issues_list_for_me", "get_d_x", "get_e"]
    );
    assert_eq!(found[5].len(), 128);
    assert_eq!(
        api.notices()[0],
        "GET /b: its tool is named \"get_b\", for \"same\" is taken or too long"
    );
}

#[test]
fn a_tool_says_all_that_the_document_does() {
    let api = load(json!({
        "openapi": "3.0.3",
        "components": {"schemas": {"Pet": {
            "type": "object",
            "required": ["id", "name"],
            "properties": {
                "id": {"type": "integer", "readOnly": true},
                "name": {"type": "string", "nullable": true},
                "children": {"type": "array", "items": {"$ref": "#/components/schemas/Pet"}},
            },
        }}},
        "paths": {"/pets/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "integer"}}],
            "put": {
                "operationId": "savePet",
                "summary": "Saves a pet",
                "description": "Replaces what was there.",
                "tags": ["Pets", "Write Access"],
                "deprecated": true,
                "parameters": [
                    {"name": "id", "in": "query", "description": "Of the owner", "schema": {"type": "string"}},
                    {"name": "body", "in": "query", "deprecated": true, "schema": {"type": "string"}},
                    {"name": "filter[a b]", "in": "query", "example": "x"},
                ],
                "requestBody": {"required": true, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}},
                "responses": {
                    "default": {"content": {"application/json": {"schema": {"type": "string"}}}},
                    "201": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}},
                },
            },
        }},
    }));
    let tool = api.tools().next().unwrap();
    let pet = |fields: &Value| {
        let mut pet = json!({"type": "object", "properties": {
            "name": {"type": ["string", "null"]},
            "children": {"type": "array", "items": {"$ref": "#/$defs/Pet"}},
        }});
        for (key, value) in fields.as_object().unwrap() {
            pet[key] = value.clone();
        }
        pet
    };
    let mut output = pet(&json!({"required": ["id", "name"]}));
    output["properties"]["id"] = json!({"type": "integer"});
    let expected = Tool::builder("x:savePet")
        .title("Saves a pet")
        .description("Saves a pet\n\nReplaces what was there.\n\nDeprecated.")
        .tags(["Pets", "Write Access"])
        .annotations(toolexec_core::Annotations {
            read_only: Some(false),
            idempotent: Some(true),
            ..toolexec_core::Annotations::default()
        })
        .meta(
            json!({"http": {"method": "PUT", "path": "/pets/{id}"}, "deprecated": true})
                .as_object()
                .unwrap()
                .clone(),
        )
        .input_schema(json!({
            "type": "object",
            "properties": {
                "id": {"type": "integer"},
                "id_query": {"type": "string", "description": "Of the owner (sent as `id`)"},
                "body": {"type": "string", "deprecated": true},
                "filter_a_b": {"description": "(sent as `filter[a b]`)", "examples": ["x"]},
                "request_body": {"$ref": "#/$defs/Pet"},
            },
            "required": ["id", "request_body"],
            "additionalProperties": false,
            "$defs": {"Pet": pet(&json!({"required": ["name"]}))},
        }))
        .output_schema(json!({"$ref": "#/$defs/Pet", "$defs": {"Pet": output}}))
        .build()
        .unwrap();
    assert_eq!(*tool, expected);
    for schema in [&tool.input_schema, tool.output_schema.as_ref().unwrap()] {
        Schema::compile(schema.clone()).unwrap();
    }
    assert_eq!(api.notices(), Vec::<String>::new());
}

/// As in some large APIs, where nearly every schema reaches nearly every other.
#[test]
fn schemas_that_all_reach_each_other_stay_small() {
    const COUNT: usize = 400;
    let name = |n: usize| format!("#/components/schemas/s{}", n % COUNT);
    let schemas: serde_json::Map<String, Value> = (0..COUNT)
        .map(|n| {
            let text = "x".repeat(10_000);
            let schema = json!({"type": "object", "description": text, "properties": {
                "a": {"$ref": name(n + 1)}, "b": {"$ref": name(n * 7 + 3)},
            }});
            (format!("s{n}"), schema)
        })
        .collect();
    let paths: serde_json::Map<String, Value> = (0..COUNT)
        .map(|n| {
            let content = json!({"application/json": {"schema": {"$ref": name(n)}}});
            let operation = json!({
                "requestBody": {"content": content},
                "responses": {"200": {"content": content}},
            });
            (format!("/p{n}"), json!({"post": operation}))
        })
        .collect();
    let mut config = config();
    config.limits.max_input_schema = 100_000;
    let document = json!({"openapi": "3.1.0", "paths": paths, "components": {"schemas": schemas}});
    let start = std::time::Instant::now();
    let api = OpenApi::load("x", &config, document).unwrap();
    assert!(
        start.elapsed() < std::time::Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
    let tools: Vec<&Tool> = api.tools().collect();
    assert_eq!((tools.len(), api.notices().len()), (COUNT, 2 * COUNT));
    for tool in tools {
        assert!(tool.input_schema.to_string().len() < 110_000);
        assert_eq!(tool.output_schema, None);
        Schema::compile(tool.input_schema.clone()).unwrap();
    }
}

#[test]
fn an_output_schema_covers_every_success() {
    let json = |schema: Value| json!({"content": {"application/json": {"schema": schema}}});
    let (text, number) = (json!({"type": "string"}), json!({"type": "number"}));
    let cases = [
        (
            json!({"200": json(text.clone()), "404": json(number.clone())}),
            Some(text.clone()),
        ),
        (
            json!({"200": json(text.clone()), "202": json(number.clone()), "204": {}, "203": json(text.clone())}),
            Some(json!({"anyOf": [text, number, {"type": "null"}]})),
        ),
        (json!({"204": {}}), None),
        (json!({"default": json(text.clone())}), None),
        (
            json!({"200": json(text.clone()), "206": {"content": {"image/png": {}}}}),
            None,
        ),
        (
            json!({"200": {"content": {"application/json": {"schema": text}, "text/event-stream": {}}}}),
            None,
        ),
        (
            json!({"200": {"content": {"application/json": {"schema": text}, "application/xml": {}}}}),
            Some(text),
        ),
    ];
    for (responses, expected) in cases {
        let document =
            json!({"openapi": "3.1.0", "paths": {"/a": get(&json!({"responses": responses}))}});
        let api = load(document);
        let found = api.tools().next().unwrap().output_schema.clone();
        assert_eq!(found.as_deref(), expected.as_ref(), "{responses}");
    }
}

#[test]
fn filters_choose_operations_and_say_what_they_did() {
    let document = json!({
        "openapi": "3.0.0",
        "paths": {
            "/pets": {"get": {"tags": ["pets"]}, "post": {"tags": ["pets"]}},
            "/pets/{id}": {"get": {"operationId": "getPet", "tags": ["pets"]}},
            "/store": {"get": {"tags": ["store"]}},
        },
    });
    let filter = |fields: Value| serde_json::from_value::<OperationFilter>(fields).unwrap();
    let config = ApiConfig {
        include: vec![
            filter(json!({"tag": "pets"})),
            filter(json!({"operation": "none*"})),
        ],
        exclude: vec![filter(json!({"method": "post"}))],
        ..config()
    };
    let api = OpenApi::load("x", &config, document).unwrap();
    assert_eq!(names(&api), ["get_pets", "getPet"]);
    assert_eq!(
        api.notices(),
        [
            "GET /pets/{id}: path parameter \"id\" is not described; a text is taken",
            "2 operations are left out by include and exclude",
            "include[1] fits no operation",
        ]
    );
}

#[test]
fn a_large_output_schema_is_left_out_and_said() {
    let mut config = config();
    let document = json!({"openapi": "3.0.0", "paths": {"/a": get(&json!({"responses": {"200": {
        "content": {"application/json": {"schema": {"type": "string", "description": "x".repeat(100)}}},
    }}}))}});
    let api = OpenApi::load("x", &config, document.clone()).unwrap();
    assert!(api.tools().next().unwrap().output_schema.is_some());
    config.limits.max_output_schema = 50;
    let api = OpenApi::load("x", &config, document.clone()).unwrap();
    assert_eq!(api.tools().next().unwrap().output_schema, None);
    assert_eq!(
        api.notices(),
        ["GET /a: its output schema is left out; it is larger than 50 bytes (max_output_schema)"]
    );
    config.output_schemas = false;
    let api = OpenApi::load("x", &config, document).unwrap();
    assert_eq!(
        (
            api.tools().next().unwrap().output_schema.is_none(),
            api.notices().len()
        ),
        (true, 0)
    );
}
