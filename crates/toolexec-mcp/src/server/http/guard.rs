//! What is checked of a request before the protocol sees it.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::{Value, json};
use toolexec_core::Caller;

use super::sessions::Sessions;
use crate::server::metrics::Metrics;

/// The header that names a session.
const SESSION: &str = "mcp-session-id";

/// What the guard knows.
#[derive(Clone)]
pub(super) struct Guard {
    pub(super) max_body: usize,
    pub(super) body_timeout: Duration,
    pub(super) sessions: Arc<Sessions>,
    pub(super) metrics: Arc<Metrics>,
}

/// Reads the whole body within its size and time, keeps a session to its caller, and says in the
/// protocol's form what is wrong.
pub(super) async fn check(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let response = guard.pass(request, next).await;
    guard.metrics.answered(response.status());
    response
}

impl Guard {
    async fn pass(&self, request: Request, next: Next) -> Response {
        let (head, body) = request.into_parts();
        let caller = head.extensions.get::<Arc<Caller>>();
        let caller = caller.map(|caller| caller.name.clone());
        if let Some(session) = session(&head.headers)
            && !self.sessions.is_of(session, caller.as_deref())
        {
            return plain(StatusCode::NOT_FOUND, "no such session");
        }
        if head.method != Method::POST {
            return next.run(Request::from_parts(head, body)).await;
        }
        let body = match self.body(&head.headers, body).await {
            Ok(body) => body,
            Err(response) => return *response,
        };
        let is_json = head.headers.get(CONTENT_TYPE).is_some_and(is_json);
        let request = Request::from_parts(head, Body::from(body.clone()));
        let response = next.run(request).await;
        if let Some(session) = session(response.headers()) {
            self.sessions.opened(session, caller);
        }
        if is_json && response.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE {
            return unreadable(&body);
        }
        response
    }

    async fn body(&self, headers: &HeaderMap, body: Body) -> Result<Bytes, Box<Response>> {
        let too_large = || {
            let text = format!("a request may have {} bytes", self.max_body);
            refused(StatusCode::PAYLOAD_TOO_LARGE, -32600, &text)
        };
        let length = headers.get(CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if length.is_some_and(|length| length > self.max_body as u64) {
            return Err(Box::new(too_large()));
        }
        match tokio::time::timeout(self.body_timeout, to_bytes(body, self.max_body)).await {
            Ok(Ok(body)) => Ok(body),
            // The client hung up in the middle, or sent more than it may.
            Ok(Err(_)) => Err(Box::new(too_large())),
            Err(_) => {
                let text = format!("the request did not come within {:?}", self.body_timeout);
                let refused = refused(StatusCode::REQUEST_TIMEOUT, -32600, &text);
                Err(Box::new(refused))
            }
        }
    }
}

fn session(headers: &HeaderMap) -> Option<&str> {
    headers.get(SESSION)?.to_str().ok()
}

fn is_json(value: &HeaderValue) -> bool {
    value
        .to_str()
        .is_ok_and(|value| value.starts_with("application/json"))
}

/// A body that is no message of the protocol: not JSON, or not of a known form.
fn unreadable(body: &[u8]) -> Response {
    let (code, text, id) = match serde_json::from_slice::<Value>(body) {
        Err(error) => (-32700, format!("the body is no JSON: {error}"), Value::Null),
        Ok(Value::Array(_)) => (-32600, "batches are not supported".to_owned(), Value::Null),
        Ok(message) => {
            let text = "the body is no JSON-RPC request, notification or response: `jsonrpc` must \
                        be \"2.0\", `method` a string, `id` a string or an integer, and `params` \
                        as the method has them";
            let id = message.get("id").filter(|id| id.is_string() || id.is_i64());
            (-32600, text.to_owned(), id.cloned().unwrap_or_default())
        }
    };
    let mut response = plain(StatusCode::BAD_REQUEST, "");
    let body = json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": text}});
    *response.body_mut() = Body::from(body.to_string());
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

/// An error after which the rest of the body is not read.
fn refused(status: StatusCode, code: i32, text: &str) -> Response {
    let mut response = plain(status, "");
    let body = json!({"jsonrpc": "2.0", "id": null, "error": {"code": code, "message": text}});
    *response.body_mut() = Body::from(body.to_string());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

fn plain(status: StatusCode, text: &'static str) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response
}
