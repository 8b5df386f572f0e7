//! An operation of a document as a tool.

use reqwest::Method;
use serde_json::{Map, Value, json};
use toolexec_core::{Annotations, Tool};
use url::Url;

use super::document::{Document, reference};
use super::media;
use super::model::{Body, Format, Location, Operation, Parameter, Requirement};
use super::naming::Names;
use super::schema::{Direction, Schemas};
use crate::exchange::is_json;

/// Headers that the document describes elsewhere; the specification says to ignore them.
const RESERVED_HEADERS: [&str; 3] = ["accept", "content-type", "authorization"];

/// Where an operation stands in its document.
pub(super) struct Place<'d> {
    pub(super) method: &'d str,
    pub(super) path: &'d str,
    pub(super) item: &'d Value,
    pub(super) operation: &'d Value,
}

/// What all operations of a document share.
pub(super) struct Builder<'d> {
    pub(super) document: &'d Document,
    pub(super) schemas: Schemas<'d>,
    /// The output schemas' size, or none when they are not wanted.
    pub(super) max_output_schema: Option<usize>,
    pub(super) max_input_schema: usize,
    pub(super) notices: Vec<String>,
}

/// The schema of the arguments, growing.
struct Input {
    names: Names,
    properties: Map<String, Value>,
    required: Vec<Value>,
}

impl Place<'_> {
    /// `GET /pets/{id}`.
    pub(super) fn label(&self) -> String {
        format!("{} {}", self.method.to_uppercase(), self.path)
    }

    fn text(&self, key: &str) -> Option<&str> {
        let text = self.operation.get(key)?.as_str()?.trim();
        (!text.is_empty()).then_some(text)
    }
}

impl Builder<'_> {
    /// Makes the operation and its tool, or says why it cannot be offered.
    pub(super) fn build(
        &mut self,
        place: &Place<'_>,
        base: Url,
        namespace: &str,
        name: &str,
    ) -> Result<(Operation, Tool), String> {
        let method = Method::from_bytes(place.method.to_uppercase().as_bytes())
            .map_err(|_| "its method is no HTTP method".to_owned())?;
        let mut input = Input {
            names: Names::of_arguments(),
            properties: Map::new(),
            required: Vec::new(),
        };
        let parameters = self.parameters(place, &mut input)?;
        let body = self.body(place, &mut input)?;
        let successes = self.successes(place);
        let media_types = successes.into_iter().flatten().flat_map(Map::keys);
        let accept = media::accept(media_types.map(String::as_str));
        let operation = Operation {
            method,
            path: place.path.to_owned(),
            base,
            parameters,
            body,
            security: security(self.document.root(), place.operation)?,
            accept,
        };
        let mut tool = Tool::builder(format!("{namespace}:{name}"))
            .description(description(place))
            .annotations(annotations(place.method))
            .tags(tags(place.operation))
            .meta(meta(place))
            .input_schema(self.close(place, input));
        if let Some(title) = place.text("summary") {
            tool = tool.title(title);
        }
        if let Some(schema) = self.output_schema(place) {
            tool = tool.output_schema(schema);
        }
        let tool = tool.build().map_err(|error| error.to_string())?;
        Ok((operation, tool))
    }

    fn close(&mut self, place: &Place<'_>, input: Input) -> Value {
        let mut schema = json!({"type": "object", "properties": input.properties});
        if !input.required.is_empty() {
            schema["required"] = Value::Array(input.required);
        }
        schema["additionalProperties"] = json!(false);
        let max = self.max_input_schema;
        if self.schemas.close(&mut schema, Direction::Request, max) {
            self.notices.push(format!(
                "{}: its input schema is larger than {max} bytes; what is farthest from its top \
                 is not checked (max_input_schema)",
                place.label()
            ));
        }
        schema
    }

    /// The parameters of the operation and of its path, in the order in which they claim names:
    /// path, query, header, cookie.
    fn parameters(
        &mut self,
        place: &Place<'_>,
        input: &mut Input,
    ) -> Result<Vec<Parameter>, String> {
        let mut found: Vec<(Location, String, &Value)> = Vec::new();
        for owner in [place.operation, place.item] {
            let Some(list) = owner.get("parameters").filter(|list| !list.is_null()) else {
                continue;
            };
            let list = list.as_array().ok_or("its parameters are no list")?;
            for parameter in list {
                let parameter = self
                    .document
                    .resolve(parameter)
                    .map_err(|error| format!("a parameter's $ref {error}"))?;
                let text = |key: &str| parameter.get(key).and_then(Value::as_str);
                let name = text("name").ok_or("a parameter has no name")?;
                let location = text("in").ok_or_else(|| format!("parameter {name:?} has no in"))?;
                let location = Location::parse(location)
                    .ok_or_else(|| format!("parameter {name:?} is in {location:?}"))?;
                // The operation's own come first and win.
                if !found.iter().any(|(l, n, _)| *l == location && n == name) {
                    found.push((location, name.to_owned(), parameter));
                }
            }
        }
        found.retain(|(location, name, _)| self.is_used(place, *location, name));
        let in_path: Vec<&str> = found
            .iter()
            .filter(|(location, ..)| *location == Location::Path)
            .map(|(_, name, _)| name.as_str())
            .collect();
        let undeclared = json!({"required": true, "schema": {"type": "string"}});
        let missing: Vec<String> = placeholders(place.path)
            .filter(|name| !in_path.contains(name))
            .map(str::to_owned)
            .collect();
        for name in missing {
            self.notices.push(format!(
                "{}: path parameter {name:?} is not described; a text is taken",
                place.label()
            ));
            found.push((Location::Path, name, &undeclared));
        }
        found.sort_by_key(|(location, ..)| *location);
        found
            .into_iter()
            .map(|(location, name, parameter)| self.parameter(location, name, parameter, input))
            .collect()
    }

    /// Whether a parameter is sent; says so when it cannot be.
    fn is_used(&mut self, place: &Place<'_>, location: Location, name: &str) -> bool {
        match location {
            Location::Header => !RESERVED_HEADERS.contains(&name.to_ascii_lowercase().as_str()),
            Location::Path if !placeholders(place.path).any(|used| used == name) => {
                self.notices.push(format!(
                    "{}: path parameter {name:?} is not in the path and is left out",
                    place.label()
                ));
                false
            }
            _ => true,
        }
    }

    fn parameter(
        &mut self,
        location: Location,
        name: String,
        fields: &Value,
        input: &mut Input,
    ) -> Result<Parameter, String> {
        let content = fields.get("content").and_then(Value::as_object);
        let content = content.and_then(|content| content.iter().next());
        let (format, schema) = match content {
            Some((media_type, media)) if is_json(media_type) => (Format::Json, media.get("schema")),
            Some((_, media)) => (Format::read(&json!({}), location)?, media.get("schema")),
            None => {
                let format = Format::read(fields, location)
                    .map_err(|reason| format!("parameter {name:?}: {reason}"))?;
                (format, fields.get("schema"))
            }
        };
        let fallback = format!("{name}_{}", location.as_str());
        let argument = input.names.claim(&[&name, &fallback]);
        let schema = schema.unwrap_or(&Value::Bool(true));
        let mut schema = self.schemas.rewrite(schema, Direction::Request);
        annotate(&mut schema, fields, (argument != name).then_some(&name));
        input.properties.insert(argument.clone(), schema);
        if location == Location::Path || fields.get("required") == Some(&json!(true)) {
            input.required.push(json!(argument));
        }
        Ok(Parameter {
            argument,
            name,
            location,
            format,
            keep_slashes: fields.get("x-multi-segment") == Some(&json!(true)),
        })
    }

    fn body(&self, place: &Place<'_>, input: &mut Input) -> Result<Option<Body>, String> {
        let Some(body) = place.operation.get("requestBody") else {
            return Ok(None);
        };
        let body = self
            .document
            .resolve(body)
            .map_err(|error| format!("its body's $ref {error}"))?;
        let content = body.get("content").and_then(Value::as_object);
        let content = content.ok_or("its body has no content")?;
        let Some((content_type, media)) = media::preferred(content) else {
            return Ok(None);
        };
        let argument = input.names.claim(&["body", "request_body"]);
        let schema = media.get("schema").unwrap_or(&Value::Bool(true));
        let kind = media::body_kind(&self.schemas, content_type, media)?;
        let mut schema = media::body_schema(&self.schemas, &kind, schema);
        annotate(&mut schema, body, None);
        input.properties.insert(argument.clone(), schema);
        if body.get("required") == Some(&json!(true)) {
            input.required.push(json!(argument));
        }
        Ok(Some(Body {
            argument,
            content_type: content_type.to_owned(),
            kind,
        }))
    }

    /// The contents of the successful answers that the document describes, by status.
    fn successes<'p>(&'p self, place: &'p Place<'_>) -> Vec<Option<&'p Map<String, Value>>> {
        let responses = place.operation.get("responses").and_then(Value::as_object);
        let mut found: Vec<(&String, &Value)> = responses
            .into_iter()
            .flatten()
            .filter(|(status, _)| status.starts_with('2'))
            .collect();
        found.sort_by_key(|(status, _)| *status);
        let contents = found.into_iter().map(|(_, response)| {
            let response = self.document.resolve(response).ok()?;
            let content = response.get("content")?.as_object()?;
            (!content.is_empty()).then_some(content)
        });
        contents.collect()
    }

    /// What the value of a success fits: the schema of its JSON, null where it has no content.
    /// None when an answer may be something that no schema describes.
    fn output_schema(&mut self, place: &Place<'_>) -> Option<Value> {
        let limit = self.max_output_schema?;
        let mut schemas: Vec<Value> = Vec::new();
        for content in self.successes(place) {
            let schema = match content {
                None => json!({"type": "null"}),
                // A stream's value is a list of its events, which the schema does not describe.
                Some(content) if content.keys().any(|media| media::is_stream(media)) => {
                    return None;
                }
                Some(content) => {
                    let (_, media) = content.iter().find(|(media, _)| is_json(media))?;
                    self.schemas
                        .rewrite(media.get("schema")?, Direction::Response)
                }
            };
            if !schemas.contains(&schema) {
                schemas.push(schema);
            }
        }
        let mut schema = match schemas.len() {
            0 => return None,
            1 => schemas.remove(0),
            _ => json!({ "anyOf": schemas }),
        };
        if schema == json!({"type": "null"}) {
            return None;
        }
        if self.schemas.close(&mut schema, Direction::Response, limit) {
            self.notices.push(format!(
                "{}: its output schema is left out; it is larger than {limit} bytes \
                 (max_output_schema)",
                place.label()
            ));
            return None;
        }
        Some(schema)
    }
}

/// The names in braces in a path.
fn placeholders(path: &str) -> impl Iterator<Item = &str> {
    path.split('{')
        .skip(1)
        .filter_map(|part| part.split_once('}').map(|(name, _)| name))
}

/// Adds what stands around a schema: description, deprecation, example, the API's own name.
fn annotate(schema: &mut Value, fields: &Value, sent_as: Option<&String>) {
    if schema.as_bool() == Some(true) {
        *schema = json!({});
    }
    let Some(schema) = schema.as_object_mut() else {
        return;
    };
    if let Some(text) = fields.get("description").and_then(Value::as_str) {
        schema.insert("description".into(), json!(text));
    }
    if let Some(name) = sent_as {
        let text = schema.get("description").and_then(Value::as_str);
        let text = text.map_or(String::new(), |text| format!("{} ", text.trim_end()));
        schema.insert(
            "description".into(),
            json!(format!("{text}(sent as `{name}`)")),
        );
    }
    if fields.get("deprecated") == Some(&json!(true)) {
        schema.insert("deprecated".into(), json!(true));
    }
    if let Some(example) = fields.get("example")
        && !schema.contains_key("examples")
    {
        schema.insert("examples".into(), json!([example]));
    }
}

fn security(root: &Value, operation: &Value) -> Result<Option<Vec<Requirement>>, String> {
    let Some(list) = operation.get("security").or_else(|| root.get("security")) else {
        return Ok(None);
    };
    let list = list.as_array().ok_or("its security is no list")?;
    let scopes = |scopes: &Value| -> Vec<String> {
        let scopes = scopes.as_array().into_iter().flatten();
        scopes
            .filter_map(|scope| scope.as_str().map(str::to_owned))
            .collect()
    };
    let requirements = list.iter().filter_map(Value::as_object).map(|requirement| {
        let schemes = requirement.iter();
        schemes
            .map(|(name, list)| (name.clone(), scopes(list)))
            .collect()
    });
    Ok(Some(requirements.collect()))
}

fn description(place: &Place<'_>) -> String {
    let summary = place.text("summary");
    let mut text = match (summary, place.text("description")) {
        (Some(summary), Some(long)) if long.starts_with(summary) => long.to_owned(),
        (Some(summary), Some(long)) => format!("{summary}\n\n{long}"),
        (Some(text), None) | (None, Some(text)) => text.to_owned(),
        (None, None) => place.label(),
    };
    if place.operation.get("deprecated") == Some(&json!(true)) {
        text.push_str("\n\nDeprecated.");
    }
    text
}

fn annotations(method: &str) -> Annotations {
    let is_read = matches!(method, "get" | "head" | "options" | "query" | "trace");
    Annotations {
        read_only: Some(is_read),
        destructive: match method {
            "delete" => Some(true),
            _ if is_read => Some(false),
            _ => None,
        },
        idempotent: Some(is_read || matches!(method, "put" | "delete")),
        ..Annotations::default()
    }
}

fn tags(operation: &Value) -> Vec<String> {
    let tags = operation.get("tags").and_then(Value::as_array);
    let tags = tags.into_iter().flatten();
    tags.filter_map(|tag| tag.as_str().map(str::to_owned))
        .collect()
}

fn meta(place: &Place<'_>) -> Map<String, Value> {
    let mut meta = Map::new();
    meta.insert(
        "http".into(),
        json!({"method": place.method.to_uppercase(), "path": place.path}),
    );
    if place.operation.get("deprecated") == Some(&json!(true)) {
        meta.insert("deprecated".into(), json!(true));
    }
    meta
}

const METHODS: [&str; 9] = [
    "get", "put", "post", "delete", "options", "head", "patch", "trace", "query",
];

/// The operations of a path item, by method.
pub(super) fn operations(item: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let fields = item.as_object().into_iter().flatten();
    fields
        .filter(|(key, _)| METHODS.contains(&key.as_str()))
        .map(|(key, operation)| (key.as_str(), operation))
}

/// Keys of a path item that mean nothing, such as `GET` (methods are written in small letters).
pub(super) fn unknown_keys(item: &Value) -> impl Iterator<Item = &String> {
    const KNOWN: [&str; 5] = ["$ref", "summary", "description", "servers", "parameters"];
    let keys = item.as_object().into_iter().flatten().map(|(key, _)| key);
    keys.filter(|key| {
        let key = key.as_str();
        !KNOWN.contains(&key) && !METHODS.contains(&key) && !key.starts_with("x-")
    })
}

/// A path item with what its own reference adds.
pub(super) fn path_item<'d>(document: &'d Document, item: &'d Value) -> Result<&'d Value, String> {
    if reference(item).is_none() {
        return Ok(item);
    }
    document
        .resolve(item)
        .map_err(|error| format!("its $ref {error}"))
}
