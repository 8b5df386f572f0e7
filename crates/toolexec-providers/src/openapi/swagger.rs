//! Swagger 2.0 documents, rewritten into the shape of `OpenAPI` 3.0.

use serde_json::{Map, Value, json};

/// What a parameter says about itself; the rest of its keys belong to its schema.
const PARAMETER_KEYS: [&str; 7] = [
    "name",
    "in",
    "description",
    "required",
    "collectionFormat",
    "allowEmptyValue",
    "schema",
];
const METHODS: [&str; 7] = ["get", "put", "post", "delete", "options", "head", "patch"];

/// Rewrites a document. Parts that are not understood are carried over as they are, so that the
/// operation they belong to is judged later, alone.
pub(super) fn upgrade(root: &Value) -> Value {
    let mut new = Map::new();
    new.insert("openapi".into(), json!("3.0.3"));
    for key in ["info", "tags", "security"] {
        if let Some(value) = root.get(key) {
            new.insert(key.into(), value.clone());
        }
    }
    new.insert("servers".into(), servers(root));
    let schemes = root.get("securityDefinitions").and_then(Value::as_object);
    let schemes: Map<String, Value> = schemes
        .into_iter()
        .flatten()
        .map(|(name, scheme)| (name.clone(), security_scheme(scheme)))
        .collect();
    new.insert(
        "components".into(),
        json!({
            "schemas": root.get("definitions").cloned().unwrap_or(json!({})),
            "securitySchemes": schemes,
        }),
    );
    let paths = root.get("paths").map(|paths| match paths.as_object() {
        Some(paths) => paths
            .iter()
            .map(|(path, item)| (path.clone(), path_item(root, item)))
            .collect(),
        None => paths.clone(),
    });
    new.insert("paths".into(), paths.unwrap_or_default());
    let mut new = Value::Object(new);
    move_references(&mut new);
    new
}

fn servers(root: &Value) -> Value {
    let text = |key: &str| root.get(key).and_then(Value::as_str);
    let base = text("basePath").unwrap_or("");
    let schemes: Vec<&str> = root
        .get("schemes")
        .and_then(Value::as_array)
        .map(|schemes| schemes.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    match text("host") {
        Some(host) if !host.is_empty() => {
            let scheme = if schemes.is_empty() || schemes.contains(&"https") {
                "https"
            } else {
                schemes[0]
            };
            json!([{ "url": format!("{scheme}://{host}{base}") }])
        }
        _ => json!([{ "url": if base.is_empty() { "/" } else { base } }]),
    }
}

fn security_scheme(scheme: &Value) -> Value {
    match scheme.get("type").and_then(Value::as_str) {
        Some("basic") => json!({"type": "http", "scheme": "basic"}),
        Some("oauth2") => {
            let flow = match scheme.get("flow").and_then(Value::as_str) {
                Some("application") => "clientCredentials",
                Some("accessCode") => "authorizationCode",
                Some(other) => other,
                None => "implicit",
            };
            let mut settings = Map::new();
            for key in ["authorizationUrl", "tokenUrl", "scopes"] {
                if let Some(value) = scheme.get(key) {
                    settings.insert(key.into(), value.clone());
                }
            }
            json!({"type": "oauth2", "flows": {flow: settings}})
        }
        _ => scheme.clone(),
    }
}

fn path_item(root: &Value, item: &Value) -> Value {
    let Some(item) = item.as_object() else {
        return item.clone();
    };
    let shared = item.get("parameters").and_then(Value::as_array);
    let shared: &[Value] = shared.map_or(&[], Vec::as_slice);
    item.iter()
        .filter(|(key, _)| *key != "parameters")
        .map(|(key, operation)| match operation.as_object() {
            Some(fields) if METHODS.contains(&key.as_str()) => {
                (key.clone(), self::operation(root, fields, shared))
            }
            _ => (key.clone(), operation.clone()),
        })
        .collect()
}

fn operation(root: &Value, old: &Map<String, Value>, shared: &[Value]) -> Value {
    let mut new = old.clone();
    let types = |key: &str| -> Vec<String> {
        let list = old.get(key).or_else(|| root.get(key));
        let list = list.and_then(Value::as_array).into_iter().flatten();
        list.filter_map(|value| value.as_str().map(str::to_owned))
            .collect()
    };
    let own = old.get("parameters").and_then(Value::as_array);
    let own: Vec<&Value> = own.into_iter().flatten().map(|p| follow(root, p)).collect();
    let inherited = shared
        .iter()
        .map(|p| follow(root, p))
        .filter(|p| !own.iter().any(|o| same_parameter(o, p)));
    let (mut parameters, mut form) = (Vec::new(), Vec::new());
    for parameter in inherited.chain(own.iter().copied()) {
        match parameter.get("in").and_then(Value::as_str) {
            Some("body") => {
                new.insert("requestBody".into(), body(parameter, &types("consumes")));
            }
            Some("formData") => form.push(parameter),
            _ => parameters.push(self::parameter(parameter)),
        }
    }
    if !form.is_empty() {
        new.insert("requestBody".into(), form_body(&form, &types("consumes")));
    }
    new.insert("parameters".into(), Value::Array(parameters));
    if let Some(responses) = old.get("responses").and_then(Value::as_object) {
        let produces = types("produces");
        let responses: Map<String, Value> = responses
            .iter()
            .map(|(status, answer)| (status.clone(), response(follow(root, answer), &produces)))
            .collect();
        new.insert("responses".into(), Value::Object(responses));
    }
    Value::Object(new)
}

/// What a reference to a shared parameter or response stands for.
fn follow<'a>(root: &'a Value, value: &'a Value) -> &'a Value {
    super::document::reference(value)
        .and_then(|reference| root.pointer(reference.strip_prefix('#')?))
        .unwrap_or(value)
}

fn same_parameter(a: &Value, b: &Value) -> bool {
    a.get("name") == b.get("name") && a.get("in") == b.get("in")
}

fn parameter(old: &Value) -> Value {
    let Some(fields) = old.as_object() else {
        return old.clone();
    };
    if fields.contains_key("$ref") {
        return old.clone();
    }
    let mut new = Map::new();
    for key in ["name", "in", "description", "required", "deprecated"] {
        if let Some(value) = fields.get(key) {
            new.insert(key.into(), value.clone());
        }
    }
    if let Some((style, explode)) = style(fields) {
        new.insert("style".into(), json!(style));
        new.insert("explode".into(), json!(explode));
    }
    new.insert("schema".into(), inline_schema(fields));
    Value::Object(new)
}

/// The style that a `collectionFormat` stands for.
fn style(fields: &Map<String, Value>) -> Option<(&'static str, bool)> {
    let is_query = matches!(
        fields.get("in").and_then(Value::as_str),
        Some("query" | "formData")
    );
    let format = fields.get("collectionFormat").and_then(Value::as_str);
    match format {
        Some("multi") => Some(("form", true)),
        Some("ssv") => Some(("spaceDelimited", false)),
        Some("pipes") => Some(("pipeDelimited", false)),
        Some("tsv") => Some(("tabDelimited", false)),
        // Commas are the default of Swagger 2, and not of OpenAPI 3.
        _ if is_query => Some(("form", false)),
        _ => None,
    }
}

/// The schema of a parameter, which Swagger 2 writes into the parameter itself.
fn inline_schema(fields: &Map<String, Value>) -> Value {
    let mut schema: Map<String, Value> = fields
        .iter()
        .filter(|(key, _)| !PARAMETER_KEYS.contains(&key.as_str()) && !key.starts_with("x-"))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    if let Some(nullable) = fields.get("x-nullable") {
        schema.insert("nullable".into(), nullable.clone());
    }
    if schema.get("type") == Some(&json!("file")) {
        return json!({"type": "string", "format": "binary"});
    }
    Value::Object(schema)
}

fn body(parameter: &Value, consumes: &[String]) -> Value {
    let schema = parameter.get("schema").cloned().unwrap_or(json!({}));
    let default = ["application/json".to_owned()];
    let consumes = if consumes.is_empty() {
        &default[..]
    } else {
        consumes
    };
    let content: Map<String, Value> = consumes
        .iter()
        .map(|media| (media.clone(), json!({"schema": schema})))
        .collect();
    let mut new =
        json!({"content": content, "required": parameter.get("required") == Some(&json!(true))});
    if let Some(description) = parameter.get("description") {
        new["description"] = description.clone();
    }
    new
}

fn form_body(fields: &[&Value], consumes: &[String]) -> Value {
    let (mut properties, mut required, mut encoding) = (Map::new(), Vec::new(), Map::new());
    let mut has_file = false;
    for field in fields {
        let (Some(object), Some(name)) =
            (field.as_object(), field.get("name").and_then(Value::as_str))
        else {
            continue;
        };
        has_file |= object.get("type") == Some(&json!("file"));
        let mut schema = inline_schema(object);
        if let Some(description) = object.get("description") {
            schema["description"] = description.clone();
        }
        properties.insert(name.to_owned(), schema);
        if object.get("required") == Some(&json!(true)) {
            required.push(json!(name));
        }
        if object.get("type") == Some(&json!("array"))
            && let Some((style, explode)) = style(object)
        {
            encoding.insert(name.to_owned(), json!({"style": style, "explode": explode}));
        }
    }
    let multipart = "multipart/form-data";
    let media = if has_file || consumes.iter().any(|media| media == multipart) {
        multipart
    } else {
        "application/x-www-form-urlencoded"
    };
    let any_required = !required.is_empty();
    let schema = json!({"type": "object", "properties": properties, "required": required});
    json!({
        "required": any_required,
        "content": {media: {"schema": schema, "encoding": encoding}},
    })
}

fn response(old: &Value, produces: &[String]) -> Value {
    let Some(schema) = old.get("schema") else {
        return old.clone();
    };
    let default = ["application/json".to_owned()];
    let produces = if produces.is_empty() {
        &default[..]
    } else {
        produces
    };
    let schema = if schema.get("type") == Some(&json!("file")) {
        json!({"type": "string", "format": "binary"})
    } else {
        schema.clone()
    };
    let content: Map<String, Value> = produces
        .iter()
        .map(|media| (media.clone(), json!({"schema": schema})))
        .collect();
    json!({
        "description": old.get("description").cloned().unwrap_or_default(),
        "content": content,
    })
}

/// Points references to definitions at their new place.
fn move_references(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields.iter_mut() {
                match value {
                    Value::String(target) if key == "$ref" => {
                        if let Some(name) = target.strip_prefix("#/definitions/") {
                            *target = format!("#/components/schemas/{name}");
                        }
                    }
                    _ => move_references(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(move_references),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_rewritten() {
        let old = json!({
            "swagger": "2.0",
            "host": "api.example.com",
            "basePath": "/v1",
            "schemes": ["http", "https"],
            "consumes": ["application/json"],
            "securityDefinitions": {
                "login": {"type": "basic"},
                "app": {"type": "oauth2", "flow": "application", "tokenUrl": "https://t", "scopes": {"r": "read"}},
            },
            "parameters": {"page": {"name": "page", "in": "query", "type": "integer", "minimum": 1}},
            "definitions": {"Pet": {"type": "object", "properties": {"next": {"$ref": "#/definitions/Pet"}}}},
            "paths": {"/pets": {
                "parameters": [{"$ref": "#/parameters/page"}],
                "get": {
                    "parameters": [{"name": "ids", "in": "query", "type": "array", "items": {"type": "string"}, "collectionFormat": "pipes"}],
                    "responses": {"200": {"description": "ok", "schema": {"$ref": "#/definitions/Pet"}}},
                },
                "post": {
                    "parameters": [{"name": "pet", "in": "body", "required": true, "schema": {"$ref": "#/definitions/Pet"}}],
                },
                "put": {
                    "parameters": [
                        {"name": "photo", "in": "formData", "type": "file", "required": true},
                        {"name": "tags", "in": "formData", "type": "array", "items": {"type": "string"}, "collectionFormat": "multi"},
                    ],
                },
            }},
        });
        let page = json!({"name": "page", "in": "query", "style": "form", "explode": false,
            "schema": {"type": "integer", "minimum": 1}});
        let pet = json!({"$ref": "#/components/schemas/Pet"});
        assert_eq!(
            upgrade(&old),
            json!({
                "openapi": "3.0.3",
                "servers": [{"url": "https://api.example.com/v1"}],
                "components": {
                    "schemas": {"Pet": {"type": "object", "properties": {"next": pet}}},
                    "securitySchemes": {
                        "login": {"type": "http", "scheme": "basic"},
                        "app": {"type": "oauth2", "flows": {"clientCredentials": {
                            "tokenUrl": "https://t", "scopes": {"r": "read"}}}},
                    },
                },
                "paths": {"/pets": {
                    "get": {
                        "parameters": [page, {"name": "ids", "in": "query",
                            "style": "pipeDelimited", "explode": false,
                            "schema": {"type": "array", "items": {"type": "string"}}}],
                        "responses": {"200": {"description": "ok",
                            "content": {"application/json": {"schema": pet}}}},
                    },
                    "post": {
                        "parameters": [page],
                        "requestBody": {"required": true,
                            "content": {"application/json": {"schema": pet}}},
                    },
                    "put": {
                        "parameters": [page],
                        "requestBody": {"required": true, "content": {"multipart/form-data": {
                            "schema": {
                                "type": "object",
                                "properties": {
                                    "photo": {"type": "string", "format": "binary"},
                                    "tags": {"type": "array", "items": {"type": "string"}},
                                },
                                "required": ["photo"],
                            },
                            "encoding": {"tags": {"style": "form", "explode": true}},
                        }}},
                    },
                }},
            })
        );
    }
}
