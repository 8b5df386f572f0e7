//! Answers that are no success, as the tool's own failure.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde_json::{Map, Value, json};
use toolexec_core::backend::ToolFailure;

use super::response::{Head, value};
use crate::exchange::{essence, text};

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

/// An answer that is no success, as the tool's own failure.
pub(super) fn failure(head: &Head, bytes: &[u8], missing_auth: Option<&str>) -> ToolFailure {
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
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;

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
