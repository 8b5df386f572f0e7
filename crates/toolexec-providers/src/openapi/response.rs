//! What an answer says.

use std::fmt::Write as _;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Map, Value, json};
use toolexec_core::backend::{RawContent, ToolFailure};
use toolexec_core::{Content, Error, ErrorKind, RawOutput};

use super::http::Reply;
use super::media::{essence, is_json};

/// Headers of a success that say something about its value.
const SUCCESS_HEADERS: [&str; 13] = [
    "link",
    "location",
    "content-location",
    "content-range",
    "x-total-count",
    "x-total",
    "x-total-pages",
    "x-page",
    "x-next-page",
    "x-per-page",
    "retry-after",
    "deprecation",
    "sunset",
];
/// Headers of a failure that say what to do.
const FAILURE_HEADERS: [&str; 12] = [
    "retry-after",
    "location",
    "www-authenticate",
    "allow",
    "x-request-id",
    "request-id",
    "x-correlation-id",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "ratelimit",
    "ratelimit-reset",
];
/// The longest part of a text answer that goes into a failure's message, in characters.
const MAX_MESSAGE: usize = 500;

/// What of an answer is known before its body.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) refused_redirect: Option<&'static str>,
}

impl Head {
    pub(super) fn of(reply: &Reply) -> Self {
        Self {
            status: reply.response.status(),
            headers: reply.response.headers().clone(),
            refused_redirect: reply.refused,
        }
    }

    /// The media type; empty when the answer names none.
    pub(super) fn media_type(&self) -> &str {
        let value = self.headers.get(CONTENT_TYPE);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    fn is_success(&self) -> bool {
        self.status.is_success() || self.status == StatusCode::NOT_MODIFIED
    }

    fn listed(&self, names: &[&str]) -> Map<String, Value> {
        let found = names.iter().filter_map(|name| {
            let value = self.headers.get(*name)?;
            let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
            Some(((*name).to_owned(), Value::String(text)))
        });
        found.collect()
    }
}

/// Reads a body up to `max_bytes`, which count after decompression.
pub(super) async fn collect(
    api: &str,
    mut response: Response,
    max_bytes: usize,
) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| broken(api, error))? {
        if bytes.len() + chunk.len() > max_bytes {
            return Err(too_large(api, max_bytes));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

pub(super) fn too_large(api: &str, max_bytes: usize) -> Error {
    Error::new(
        ErrorKind::LimitExceeded,
        format!("the answer of API {api} is larger than {max_bytes} bytes (max_response)"),
    )
    .with_hint("ask for less, with filters or pages, or raise max_response")
}

pub(super) fn broken(api: &str, error: reqwest::Error) -> Error {
    let message = if error.is_decode() {
        format!("the answer of API {api} is not compressed as it says")
    } else {
        format!("the answer of API {api} broke off before its end")
    };
    Error::new(ErrorKind::Backend, message).with_source(error.without_url())
}

/// Turns a complete answer into the tool's output.
pub(super) fn output(
    api: &str,
    method: &Method,
    head: &Head,
    bytes: &[u8],
    missing_auth: Option<&str>,
) -> Result<RawOutput, Error> {
    if !head.is_success() {
        return Ok(RawOutput::Failure(failure(head, bytes, missing_auth)));
    }
    let media_type = head.media_type();
    let kind = essence(media_type);
    if !bytes.is_empty()
        && (kind.starts_with("image/") || kind.starts_with("audio/"))
        && kind != "image/svg+xml"
    {
        return Ok(RawOutput::Content(RawContent {
            content: vec![media_block(&kind, bytes)],
            ..RawContent::default()
        }));
    }
    let value = if *method == Method::HEAD {
        headers_of(head)
    } else {
        value(api, media_type, bytes)?
    };
    let headers = head.listed(&SUCCESS_HEADERS);
    if headers.is_empty() || *method == Method::HEAD {
        return Ok(RawOutput::Value(value));
    }
    let mut meta = Map::new();
    meta.insert(
        "http".into(),
        json!({"status": head.status.as_u16(), "headers": headers}),
    );
    Ok(RawOutput::Content(RawContent {
        structured: Some(value),
        meta,
        ..RawContent::default()
    }))
}

fn media_block(media_type: &str, bytes: &[u8]) -> Content {
    let (data, mime_type, extra) = (STANDARD.encode(bytes), media_type.to_owned(), Map::new());
    if media_type.starts_with("image/") {
        Content::Image {
            data,
            mime_type,
            extra,
        }
    } else {
        Content::Audio {
            data,
            mime_type,
            extra,
        }
    }
}

/// What `HEAD` is asked for.
fn headers_of(head: &Head) -> Value {
    const HIDDEN: [&str; 2] = ["set-cookie", "connection"];
    let headers: Map<String, Value> = head
        .headers
        .iter()
        .filter(|(name, _)| !HIDDEN.contains(&name.as_str()))
        .map(|(name, value)| {
            let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), Value::String(text))
        })
        .collect();
    json!({"status": head.status.as_u16(), "headers": headers})
}

/// The value of a body: JSON, text, or bytes in base64.
fn value(api: &str, media_type: &str, bytes: &[u8]) -> Result<Value, Error> {
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    if is_json(media_type) {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        return serde_json::from_slice(bytes).map_err(|error| {
            Error::new(
                ErrorKind::Protocol,
                format!("API {api} says that its answer is JSON, which it is not: {error}"),
            )
        });
    }
    if is_text(&essence(media_type)) {
        return Ok(Value::String(text(media_type, bytes)));
    }
    if media_type.is_empty() {
        if (bytes.starts_with(b"{") || bytes.starts_with(b"["))
            && let Ok(value) = serde_json::from_slice(bytes)
        {
            return Ok(value);
        }
        if let Ok(text) = std::str::from_utf8(bytes) {
            return Ok(Value::String(text.to_owned()));
        }
    }
    let content_type = if media_type.is_empty() {
        "application/octet-stream"
    } else {
        media_type
    };
    Ok(json!({
        "contentType": content_type,
        "size": bytes.len(),
        "data": STANDARD.encode(bytes),
    }))
}

fn is_text(essence: &str) -> bool {
    essence.starts_with("text/")
        || essence.ends_with("+xml")
        || essence.ends_with("+yaml")
        || matches!(
            essence,
            "application/xml"
                | "application/yaml"
                | "application/x-yaml"
                | "application/javascript"
                | "application/graphql"
                | "application/sql"
                | "application/toml"
                | "application/x-www-form-urlencoded"
        )
}

/// Text in UTF-8, or in Latin-1 when the answer says so.
fn text(media_type: &str, bytes: &[u8]) -> String {
    let charset = media_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let is_charset = name.trim().eq_ignore_ascii_case("charset");
        is_charset.then(|| value.trim().trim_matches('"').to_ascii_lowercase())
    });
    match charset.as_deref() {
        Some("iso-8859-1" | "latin1") => bytes.iter().copied().map(char::from).collect(),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// An answer that is no success, as the tool's own failure.
fn failure(head: &Head, bytes: &[u8], missing_auth: Option<&str>) -> ToolFailure {
    let status = head.status.as_u16();
    let media_type = head.media_type();
    // A body that is not what it says is still worth reading.
    let body =
        value("", media_type, bytes).unwrap_or_else(|_| Value::String(text(media_type, bytes)));
    let reason = head.status.canonical_reason().unwrap_or("");
    let mut message = format!("{status} {reason}").trim_end().to_owned();
    if let Some(said) = said(&body) {
        message.push_str(": ");
        message.extend(said.chars().take(MAX_MESSAGE));
    }
    if let Some(reason) = head.refused_redirect {
        let _ = write!(message, ": the redirect was not followed: {reason}");
    }
    if let Some(names) = missing_auth
        && matches!(status, 401 | 403)
    {
        let _ = write!(
            message,
            " (the operation needs {names}, for which no credential is configured)"
        );
    }
    let mut value = Map::new();
    value.insert("status".into(), json!(status));
    value.insert(
        "retryable".into(),
        json!(matches!(status, 408 | 425 | 429 | 502 | 503 | 504)),
    );
    if let Some(after) = retry_after(&head.headers) {
        value.insert("retryAfter".into(), json!(after.as_secs()));
    }
    let headers = head.listed(&FAILURE_HEADERS);
    if !headers.is_empty() {
        value.insert("headers".into(), Value::Object(headers));
    }
    let is_problem = essence(media_type) == "application/problem+json";
    value.insert(if is_problem { "problem" } else { "body" }.into(), body);
    ToolFailure {
        message,
        value: Some(Value::Object(value)),
    }
}

/// What the body of a failure says to a person, in one of the usual places.
fn said(body: &Value) -> Option<String> {
    let text = |value: &Value| {
        let text = value.as_str()?.trim();
        (!text.is_empty()).then(|| text.to_owned())
    };
    match body {
        // A page is for browsers.
        Value::String(page) if page.trim_start().starts_with('<') => None,
        Value::String(_) => text(body),
        Value::Object(fields) => {
            if let (Some(title), Some(detail)) = (
                fields.get("title").and_then(text),
                fields.get("detail").and_then(text),
            ) {
                return Some(format!("{title}: {detail}"));
            }
            let places = [
                "detail",
                "message",
                "error_description",
                "error",
                "title",
                "errors",
            ];
            places.iter().find_map(|place| match fields.get(*place)? {
                Value::Array(list) => list.first().and_then(said),
                Value::Object(inner) => said(&Value::Object(inner.clone())),
                other => text(other),
            })
        }
        _ => None,
    }
}

/// How long to wait, in seconds or until a date (RFC 9110, section 10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(
        date.duration_since(std::time::SystemTime::now())
            .unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(status: u16, headers: &[(&'static str, &'static str)]) -> Head {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        Head {
            status: StatusCode::from_u16(status).unwrap(),
            headers: map,
            refused_redirect: None,
        }
    }

    fn read(media_type: &'static str, bytes: &[u8]) -> Result<RawOutput, ErrorKind> {
        let head = head(200, &[("content-type", media_type)]);
        output("x", &Method::GET, &head, bytes, None).map_err(|error| error.kind())
    }

    #[test]
    fn values_by_media_type() {
        let cases: [(&'static str, &[u8], Value); 9] = [
            ("application/json", b"{\"a\": 1}", json!({"a": 1})),
            (
                "application/vnd.x+json; v=1",
                b"\xef\xbb\xbf[1]",
                json!([1]),
            ),
            ("application/json", b"", Value::Null),
            ("text/plain", b"{\"a\": 1}", json!("{\"a\": 1}")),
            (
                "text/plain; charset=\"ISO-8859-1\"",
                b"caf\xe9",
                json!("caf\u{e9}"),
            ),
            ("application/atom+xml", b"<a/>", json!("<a/>")),
            ("", b"[1, 2]", json!([1, 2])),
            ("", b"plain", json!("plain")),
            (
                "application/pdf",
                b"\x00\x01",
                json!({"contentType": "application/pdf", "size": 2, "data": "AAE="}),
            ),
        ];
        for (media_type, bytes, expected) in cases {
            assert_eq!(
                read(media_type, bytes),
                Ok(RawOutput::Value(expected)),
                "{media_type}"
            );
        }
        assert_eq!(
            read("application/json", b"<html>"),
            Err(ErrorKind::Protocol)
        );
        let image = Content::Image {
            data: "AAE=".into(),
            mime_type: "image/png".into(),
            extra: Map::new(),
        };
        let expected = RawContent {
            content: vec![image],
            ..RawContent::default()
        };
        assert_eq!(read("image/png", &[0, 1]), Ok(RawOutput::Content(expected)));
    }

    #[test]
    fn paging_headers_are_kept() {
        let head = head(
            200,
            &[
                ("content-type", "application/json"),
                ("link", "<x>; rel=\"next\""),
            ],
        );
        let output = output("x", &Method::GET, &head, b"[]", None).unwrap();
        let expected = RawContent {
            structured: Some(json!([])),
            meta: json!({"http": {"status": 200, "headers": {"link": "<x>; rel=\"next\""}}})
                .as_object()
                .unwrap()
                .clone(),
            ..RawContent::default()
        };
        assert_eq!(output, RawOutput::Content(expected));
    }

    #[test]
    fn failures_say_what_the_api_said() {
        let bodies = [
            (
                "application/json",
                "{\"message\": \"no such repo\"}",
                "404 Not Found: no such repo",
            ),
            (
                "application/problem+json",
                "{\"title\": \"Gone\", \"detail\": \"since May\"}",
                "404 Not Found: Gone: since May",
            ),
            (
                "application/json",
                "{\"error\": {\"message\": \"deep\"}}",
                "404 Not Found: deep",
            ),
            (
                "application/json",
                "{\"errors\": [{\"detail\": \"first\"}]}",
                "404 Not Found: first",
            ),
            ("application/json", "not json", "404 Not Found: not json"),
            ("text/html", "<html>nothing here</html>", "404 Not Found"),
            ("application/json", "", "404 Not Found"),
        ];
        for (media_type, body, message) in bodies {
            let failure = failure(
                &head(404, &[("content-type", media_type)]),
                body.as_bytes(),
                None,
            );
            assert_eq!(failure.message, message);
        }
    }

    #[test]
    fn failures_keep_what_helps() {
        let head = head(
            429,
            &[
                ("content-type", "application/problem+json"),
                ("retry-after", "7"),
                ("x-request-id", "r1"),
            ],
        );
        let expected = ToolFailure {
            message: "429 Too Many Requests: slow down".into(),
            value: Some(json!({
                "status": 429,
                "retryable": true,
                "retryAfter": 7,
                "headers": {"retry-after": "7", "x-request-id": "r1"},
                "problem": {"title": "slow down"},
            })),
        };
        assert_eq!(
            failure(&head, b"{\"title\": \"slow down\"}", None),
            expected
        );
        let refused = self::head(401, &[]);
        assert_eq!(
            failure(&refused, b"", Some("api_key")).message,
            "401 Unauthorized (the operation needs api_key, for which no credential is configured)"
        );
    }

    #[test]
    fn dates_are_waits_too() {
        let mut headers = HeaderMap::new();
        headers.insert(
            RETRY_AFTER,
            "Wed, 21 Oct 2015 07:28:00 GMT".parse().unwrap(),
        );
        assert_eq!(retry_after(&headers), Some(Duration::ZERO));
        headers.insert(RETRY_AFTER, "soon".parse().unwrap());
        assert_eq!(retry_after(&headers), None);
    }
}
