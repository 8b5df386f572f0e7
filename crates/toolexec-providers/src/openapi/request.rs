//! The request of a call, before credentials.

use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE, COOKIE, HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use toolexec_core::{Args, Error, ErrorKind};
use url::Url;

use super::body::{self, Encoded};
use super::model::{Location, Operation, Parameter};
use super::style;

/// A request that can be sent more than once.
#[derive(Debug, Clone)]
pub(super) struct Prepared {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) cookies: Vec<style::Pair>,
    pub(super) body: Option<Encoded>,
}

/// Builds the request of a call.
pub(super) fn prepare(
    operation: &Operation,
    args: &Args,
    max_bytes: usize,
) -> Result<Prepared, Error> {
    let mut path = operation.path.clone();
    let (mut query, mut cookies, mut headers) = (Vec::new(), Vec::new(), HeaderMap::new());
    for parameter in &operation.parameters {
        let value = args.get(&parameter.argument).unwrap_or(&Value::Null);
        match parameter.location {
            Location::Path => fill(&mut path, parameter, value)?,
            Location::Query => query.extend(pairs(parameter, value)),
            Location::Cookie => cookies.extend(pairs(parameter, value)),
            Location::Header if value.is_null() => {}
            Location::Header => {
                let text = style::header(value, parameter.format);
                let (name, value) = header(&parameter.name, &text)
                    .map_err(|reason| invalid(&parameter.argument, &reason))?;
                headers.append(name, value);
            }
        }
    }
    let body = match &operation.body {
        Some(body) => match args.get(&body.argument) {
            Some(value) => {
                Some(body::encode(body, value).map_err(|reason| invalid(&body.argument, &reason))?)
            }
            None => None,
        },
        None => None,
    };
    if let Some(body) = &body {
        if body.bytes.len() > max_bytes {
            return Err(Error::new(
                ErrorKind::LimitExceeded,
                format!(
                    "the request body has {} bytes; at most {max_bytes} are allowed \
                     (max_request)",
                    body.bytes.len()
                ),
            ));
        }
        let value = HeaderValue::from_str(&body.content_type)
            .map_err(|_| invalid("contentType", "it has characters that no header may have"))?;
        headers.insert(CONTENT_TYPE, value);
    }
    if let Ok(accept) = HeaderValue::from_str(&operation.accept) {
        headers.insert(ACCEPT, accept);
    }
    Ok(Prepared {
        method: operation.method.clone(),
        url: address(&operation.base, &path, &query)?,
        headers,
        cookies,
        body,
    })
}

impl Prepared {
    /// Adds a pair to the query.
    pub(super) fn add_query(&mut self, name: &str, value: &str) {
        let pair = format!(
            "{}={}",
            style::encode(name, false),
            style::encode(value, false)
        );
        let query = match self.url.query() {
            Some(query) if !query.is_empty() => format!("{query}&{pair}"),
            _ => pair,
        };
        self.url.set_query(Some(&query));
    }

    /// All headers, cookies among them.
    pub(super) fn all_headers(&self) -> HeaderMap {
        let mut headers = self.headers.clone();
        if !self.cookies.is_empty() {
            let cookies = self.cookies.iter().map(|(k, v)| format!("{k}={v}"));
            // Names and values are percent-encoded.
            if let Ok(value) = HeaderValue::from_str(&cookies.collect::<Vec<_>>().join("; ")) {
                headers.insert(COOKIE, value);
            }
        }
        headers
    }
}

fn pairs(parameter: &Parameter, value: &Value) -> Vec<style::Pair> {
    if value.is_null() {
        return Vec::new();
    }
    style::pairs(&parameter.name, value, parameter.format)
}

/// Puts a path parameter into its place.
fn fill(path: &mut String, parameter: &Parameter, value: &Value) -> Result<(), Error> {
    let is_empty = match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    };
    if is_empty {
        return Err(invalid(
            &parameter.argument,
            "it is part of the path and must not be empty",
        ));
    }
    let text = style::path(
        &parameter.name,
        value,
        parameter.format,
        parameter.keep_slashes,
    );
    // The address would lose such a segment, and the one before it, and mean another resource.
    if text.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err(invalid(
            &parameter.argument,
            "\".\" and \"..\" would change the path and are not sent",
        ));
    }
    *path = path.replace(&format!("{{{}}}", parameter.name), &text);
    Ok(())
}

fn address(base: &Url, path: &str, query: &[style::Pair]) -> Result<Url, Error> {
    // Some documents tell operations on one path apart by a fragment, which is not sent.
    let path = path.split('#').next().unwrap_or_default();
    let has_dots = |path: &str| path.split('/').any(|part| matches!(part, "." | ".."));
    if has_dots(path.split('?').next().unwrap_or_default()) {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            "the arguments make a path with \".\" or \"..\" in it",
        ));
    }
    let text = format!("{}{path}", base.as_str().trim_end_matches('/'));
    let mut url = Url::parse(&text).map_err(|error| {
        Error::new(
            ErrorKind::Config,
            "the address of the operation is not valid",
        )
        .with_source(error)
    })?;
    if url.origin() != base.origin() {
        return Err(Error::new(
            ErrorKind::Config,
            "the path of the operation leads to another host",
        ));
    }
    if !query.is_empty() {
        let pairs = query.iter().map(|(name, value)| format!("{name}={value}"));
        let first = url
            .query()
            .filter(|query| !query.is_empty())
            .map(str::to_owned);
        let all: Vec<String> = first.into_iter().chain(pairs).collect();
        url.set_query(Some(&all.join("&")));
    }
    Ok(url)
}

/// A header of text that a caller or a configuration gave.
pub(super) fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), String> {
    let name = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| format!("{name:?} is no name of a header"))?;
    let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| {
        "it has characters that no header may have, such as a line break".to_owned()
    })?;
    Ok((name, value))
}

fn invalid(argument: &str, reason: &str) -> Error {
    Error::new(
        ErrorKind::InvalidInput,
        format!("argument {argument:?}: {reason}"),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::model::{Body, BodyKind, Format, Style};
    use super::*;

    fn parameter(name: &str, location: Location, style: Style, explode: bool) -> Parameter {
        Parameter {
            argument: name.to_owned(),
            name: name.to_owned(),
            location,
            format: Format::Style {
                style,
                explode,
                allow_reserved: false,
            },
            keep_slashes: name == "file",
        }
    }

    fn operation(path: &str) -> Operation {
        Operation {
            method: Method::POST,
            path: path.to_owned(),
            base: Url::parse("https://api.example.com/v1/").unwrap(),
            parameters: vec![
                parameter("id", Location::Path, Style::Simple, false),
                parameter("file", Location::Path, Style::Simple, false),
                parameter("tags", Location::Query, Style::Form, true),
                parameter("X-Trace", Location::Header, Style::Simple, false),
                parameter("session", Location::Cookie, Style::Form, true),
            ],
            body: Some(Body {
                argument: "body".into(),
                content_type: "application/json".into(),
                kind: BodyKind::Json,
            }),
            security: None,
            accept: "application/json".into(),
        }
    }

    fn args(value: &Value) -> Args {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn every_part_goes_to_its_place() {
        let args = args(&json!({
            "id": "a/b?c", "file": "x/y z", "tags": ["p", "q"], "X-Trace": "t", "session": "s=1",
            "body": {"a": 1},
        }));
        let request = prepare(&operation("/pets/{id}/{file}?v=2#frag"), &args, 100).unwrap();
        assert_eq!(
            request.url.as_str(),
            "https://api.example.com/v1/pets/a%2Fb%3Fc/x/y%20z?v=2&tags=p&tags=q"
        );
        let headers = request.all_headers();
        let headers: Vec<_> = headers
            .iter()
            .map(|(k, v)| (k.as_str(), v.to_str().unwrap()))
            .collect();
        assert_eq!(
            headers,
            [
                ("x-trace", "t"),
                ("content-type", "application/json"),
                ("accept", "application/json"),
                ("cookie", "session=s%3D1"),
            ]
        );
        assert_eq!(&request.body.unwrap().bytes[..], b"{\"a\":1}");
    }

    #[test]
    fn what_would_change_the_request_is_refused() {
        let cases = [
            (
                json!({"id": "..", "file": "x"}),
                "argument \"id\": \".\" and \"..\" would change the path and are not sent",
            ),
            (
                json!({"id": "a", "file": "x/../../y"}),
                "argument \"file\": \".\" and \"..\" would change the path and are not sent",
            ),
            (
                json!({"id": "", "file": "x"}),
                "argument \"id\": it is part of the path and must not be empty",
            ),
            (
                json!({"file": "x"}),
                "argument \"id\": it is part of the path and must not be empty",
            ),
            (
                json!({"id": "a", "file": "x", "X-Trace": "a\r\nEvil: 1"}),
                "argument \"X-Trace\": it has characters that no header may have, such as a line break",
            ),
        ];
        for (value, message) in cases {
            let error = prepare(&operation("/{id}/{file}"), &args(&value), 100).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert_eq!(error.to_string(), message);
        }
        let big = args(&json!({"id": "a", "file": "b", "body": "x".repeat(100)}));
        let error = prepare(&operation("/{id}/{file}"), &big, 100).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LimitExceeded);
        let error = prepare(
            &operation(".evil.com/{id}/{file}"),
            &args(&json!({"id": "a", "file": "b"})),
            9,
        );
        assert_eq!(
            error.unwrap().url.as_str(),
            "https://api.example.com/v1.evil.com/a/b"
        );
    }
}
