//! What an answer says.

use std::io::ErrorKind as Io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Map, Value, json};
use toolexec_core::backend::RawContent;
use toolexec_core::{Content, Error, ErrorKind, RawOutput};

use super::failure::failure;
use super::http::Reply;
use crate::exchange::{essence, find, is_json, is_text, text};

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

    pub(super) fn listed(&self, names: &[&str]) -> Map<String, Value> {
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
    let cause = find::<std::io::Error>(&error).map(std::io::Error::kind);
    let message = if matches!(cause, Some(Io::InvalidData | Io::InvalidInput)) {
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
    if !head.status.is_success() {
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
pub(super) fn value(api: &str, media_type: &str, bytes: &[u8]) -> Result<Value, Error> {
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    if is_json(media_type) {
        return json_value(bytes).map_err(|error| {
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

/// One value, or a list of several values one after the other, as some APIs send their streams.
fn json_value(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    serde_json::from_slice(bytes).or_else(|error| {
        let values = serde_json::Deserializer::from_slice(bytes).into_iter::<Value>();
        let values: Result<Vec<Value>, _> = values.collect();
        values
            .ok()
            .filter(|values| values.len() > 1)
            .map(Value::Array)
            .ok_or(error)
    })
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
        let cases: [(&'static str, &[u8], Value); 10] = [
            ("application/json", b"{\"a\": 1}", json!({"a": 1})),
            (
                "application/vnd.x+json; v=1",
                b"\xef\xbb\xbf[1]",
                json!([1]),
            ),
            ("application/json", b"", Value::Null),
            ("application/json", b"{}\n[1]\n", json!([{}, [1]])),
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
}
