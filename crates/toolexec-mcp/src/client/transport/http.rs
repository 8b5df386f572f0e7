//! Messages over streamable HTTP, with a cap on what is read.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use rmcp::model::{
    ClientJsonRpcMessage, ClientRequest, ErrorCode, ErrorData, RequestId, ServerJsonRpcMessage,
};
use rmcp::transport::streamable_http_client::{
    AuthRequiredError, HttpStatusError, InsufficientScopeError, SseError, StreamableHttpClient,
    StreamableHttpError, StreamableHttpPostResponse,
};
use sse_stream::{Sse, SseStream};

use crate::client::error::CODE_TOO_LARGE;
use crate::client::transport::adapt::Care;

pub(crate) use crate::tls::install as install_tls;

type HttpError = StreamableHttpError<reqwest::Error>;
type Headers = HashMap<HeaderName, HeaderValue>;

const SESSION: &str = "mcp-session-id";
const EVENTS: &str = "text/event-stream";
const JSON: &str = "application/json";
/// The most of a refusal's body that is read.
const MAX_REFUSAL: usize = 64 * 1024;

/// An HTTP client for MCP that reads at most `limit` bytes of a message.
#[derive(Debug, Clone)]
pub(crate) struct CappedHttp {
    client: reqwest::Client,
    limit: usize,
}

/// More came than is read of one message.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("a message of more than {limit} bytes")]
pub(crate) struct TooLarge {
    /// The most that is read.
    pub(crate) limit: usize,
}

impl CappedHttp {
    pub(crate) fn new(client: reqwest::Client, limit: usize) -> Self {
        Self { client, limit }
    }

    /// Sends a message; returns the answer once its head came.
    async fn send(
        &self,
        uri: &str,
        message: &ClientJsonRpcMessage,
        session: Option<&Arc<str>>,
        token: Option<String>,
        headers: Headers,
    ) -> Result<reqwest::Response, HttpError> {
        let mut request = self
            .client
            .post(uri)
            .header(header::ACCEPT, format!("{EVENTS}, {JSON}"));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        // A header of the configuration named Authorization counts more than a token.
        request = request.headers(headers.into_iter().collect());
        if let Some(session) = session {
            request = request.header(SESSION, session.as_ref());
        }
        Ok(request.json(message).send().await?)
    }

    /// Reads a whole body, if it is no longer than `limit`.
    async fn read(response: reqwest::Response, limit: usize) -> Result<Vec<u8>, HttpError> {
        let mut body = Vec::new();
        let mut chunks = response.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk?;
            if body.len() + chunk.len() > limit {
                return Err(too_large(limit));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// What an answer with a status outside 2xx means.
    async fn refused(
        message: &ClientJsonRpcMessage,
        has_session: bool,
        response: reqwest::Response,
    ) -> Result<StreamableHttpPostResponse, HttpError> {
        let status = response.status();
        if status == StatusCode::NOT_FOUND && has_session {
            return Err(StreamableHttpError::SessionExpired);
        }
        let retry_after = text_header(response.headers(), &header::RETRY_AFTER);
        let is_auth = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        // A refusal's body may be cut: it is shown to a person or holds a short error.
        let body = Self::read(response, MAX_REFUSAL).await.unwrap_or_default();
        let error = match serde_json::from_slice::<ServerJsonRpcMessage>(&body) {
            Ok(ServerJsonRpcMessage::Error(error)) if !is_auth => Some(error),
            _ => None,
        };
        if let ClientJsonRpcMessage::Request(request) = message {
            // Servers and proxies of before 2026-07-28 refuse what they do not know without
            // naming the request: it is named here, so that the fallback is tried.
            let is_probe = matches!(request.request, ClientRequest::DiscoverRequest(_));
            if is_probe && !has_session && status.is_client_error() && !is_auth {
                let data = error.map_or_else(
                    || ErrorData::invalid_request(format!("HTTP {status}"), None),
                    |error| error.error,
                );
                let answer = ServerJsonRpcMessage::error(data, Some(request.id.clone()));
                return Ok(StreamableHttpPostResponse::Json(answer, None));
            }
        }
        if let Some(error) = error {
            let answer = ServerJsonRpcMessage::Error(error);
            return Ok(StreamableHttpPostResponse::Json(answer, None));
        }
        if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
            return Err(HttpStatusError::new(status.as_u16(), retry_after).into());
        }
        let body = String::from_utf8_lossy(&body[..body.len().min(256)]);
        Err(StreamableHttpError::UnexpectedServerResponse(
            format!("HTTP {status}: {body}").into(),
        ))
    }
}

impl StreamableHttpClient for CappedHttp {
    type Error = reqwest::Error;

    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session: Option<Arc<str>>,
        token: Option<String>,
        headers: Headers,
    ) -> Result<StreamableHttpPostResponse, HttpError> {
        let is_request = matches!(message, ClientJsonRpcMessage::Request(_));
        let care = Care::of(&message);
        let id = match &message {
            ClientJsonRpcMessage::Request(request) => Some(request.id.clone()),
            _ => None,
        };
        let response = self
            .send(&uri, &message, session.as_ref(), token, headers)
            .await?;
        if let Some(challenge) = challenge(&response) {
            return Err(challenge);
        }
        if !response.status().is_success() {
            return Self::refused(&message, session.is_some(), response).await;
        }
        if matches!(
            response.status(),
            StatusCode::ACCEPTED | StatusCode::NO_CONTENT
        ) {
            return Ok(StreamableHttpPostResponse::Accepted);
        }
        let new_session = text_header(response.headers(), &HeaderName::from_static(SESSION));
        let content_type = text_header(response.headers(), &header::CONTENT_TYPE);
        match content_type.as_deref() {
            Some(kind) if kind.starts_with(EVENTS) => {
                let events = events(response, self.limit, care, id);
                Ok(StreamableHttpPostResponse::Sse(events, new_session))
            }
            Some(kind) if kind.starts_with(JSON) => {
                let body = Self::read(response, self.limit).await?;
                let answer = serde_json::from_slice(&body)
                    .and_then(|answer| serde_json::from_value(care.adapt(answer)));
                match answer {
                    Ok(answer) => Ok(StreamableHttpPostResponse::Json(answer, new_session)),
                    Err(error) if is_request => Err(error.into()),
                    // Nothing is waited for; some servers answer a notification with `{}`.
                    Err(_) => Ok(StreamableHttpPostResponse::Accepted),
                }
            }
            // Nothing is waited for, whatever it says.
            _ if !is_request => Ok(StreamableHttpPostResponse::Accepted),
            _ => Err(StreamableHttpError::UnexpectedContentType(content_type)),
        }
    }

    async fn delete_session(
        &self,
        uri: Arc<str>,
        session: Arc<str>,
        token: Option<String>,
        headers: Headers,
    ) -> Result<(), HttpError> {
        self.client
            .delete_session(uri, session, token, headers)
            .await
    }

    async fn get_stream(
        &self,
        uri: Arc<str>,
        session: Option<Arc<str>>,
        last_event: Option<String>,
        token: Option<String>,
        headers: Headers,
    ) -> Result<BoxStream<'static, Result<Sse, SseError>>, HttpError> {
        self.client
            .get_stream_with_max_sse_event_size(
                uri, session, last_event, token, headers, self.limit,
            )
            .await
    }
}

/// The events of an answer, until one is larger than `limit`.
fn events(
    response: reqwest::Response,
    limit: usize,
    care: Care,
    id: Option<RequestId>,
) -> BoxStream<'static, Result<Sse, SseError>> {
    let mut meter = Meter {
        limit,
        event: 0,
        line: 0,
    };
    let chunks = response.bytes_stream().map(move |chunk| match chunk {
        Ok(chunk) if meter.admits(&chunk) => Ok(chunk),
        Ok(_) => Err(std::io::Error::other(TooLarge { limit })),
        Err(error) => Err(std::io::Error::other(error)),
    });
    SseStream::from_bytes_stream(chunks)
        .map(move |event| match (event, &id) {
            (Ok(mut event), _) => {
                event.data = event.data.map(|data| care.adapt_text(data));
                Ok(event)
            }
            // As an answer: rmcp would take a broken stream for a reason to ask for it again.
            (Err(error), Some(id)) if is_too_large(&error) => Ok(refusal(id, limit)),
            (Err(error), _) => Err(error),
        })
        .boxed()
}

fn is_too_large(error: &SseError) -> bool {
    let SseError::Body(error) = error else {
        return false;
    };
    let io = error.downcast_ref::<std::io::Error>();
    let inner = io.and_then(std::io::Error::get_ref);
    inner
        .and_then(|error| error.downcast_ref::<TooLarge>())
        .is_some()
}

/// The event that answers a request whose answer is too large.
fn refusal(id: &RequestId, limit: usize) -> Sse {
    let text = format!("the answer is larger than {limit} bytes");
    let error = ErrorData::new(ErrorCode(CODE_TOO_LARGE), text, None);
    let message = ServerJsonRpcMessage::error(error, Some(id.clone()));
    Sse {
        data: serde_json::to_string(&message).ok(),
        ..Sse::default()
    }
}

/// Counts the bytes of the event under way.
struct Meter {
    limit: usize,
    event: usize,
    line: usize,
}

impl Meter {
    /// Whether no event is over the limit once `chunk` was read.
    fn admits(&mut self, chunk: &[u8]) -> bool {
        for byte in chunk {
            match byte {
                // An empty line ends an event.
                b'\n' if self.line == 0 => self.event = 0,
                b'\n' => self.line = 0,
                b'\r' => {}
                _ => {
                    self.line += 1;
                    self.event += 1;
                    if self.event > self.limit {
                        return false;
                    }
                }
            }
        }
        true
    }
}

/// The demand for authorization in an answer, if it is one.
fn challenge(response: &reqwest::Response) -> Option<HttpError> {
    let challenge = text_header(response.headers(), &header::WWW_AUTHENTICATE)?;
    match response.status() {
        StatusCode::UNAUTHORIZED => Some(StreamableHttpError::AuthRequired(
            AuthRequiredError::new(challenge),
        )),
        StatusCode::FORBIDDEN => {
            let scope = challenge
                .split_once("scope=\"")
                .and_then(|(_, rest)| rest.split('"').next())
                .map(str::to_owned);
            Some(StreamableHttpError::InsufficientScope(
                InsufficientScopeError::new(challenge, scope),
            ))
        }
        _ => None,
    }
}

fn text_header(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

fn too_large(limit: usize) -> HttpError {
    StreamableHttpError::Io(std::io::Error::other(TooLarge { limit }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_meter_counts_events_not_streams() {
        let mut meter = Meter {
            limit: 10,
            event: 0,
            line: 0,
        };
        for _ in 0..100 {
            assert!(meter.admits(b"data: 1234\n\n"[..12].as_ref()));
        }
        assert!(meter.admits(b"data: "));
        assert!(!meter.admits(b"12345"));
        let mut meter = Meter {
            limit: 10,
            event: 0,
            line: 0,
        };
        assert!(meter.admits(b"data: 1\r\n\r\ndata: 2\r\n\r\n"));
    }
}
