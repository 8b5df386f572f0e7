//! Requests under the rules.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Response};
use serde_json::{Map, Value, json};
use toolexec_core::{Args, Error, ErrorKind, Result};
use url::Url;

use super::rules::{Rule, Rules};
use crate::clients::Clients;
use crate::egress::{PrivateAddress, check_literal};
use crate::exchange::{
    becomes_get, essence, find, is_json, is_text, only_content, place, reason, target, text,
};
use crate::hidden::Hidden;

/// Headers that belong to the connection, or say where a request goes.
const OWN_HEADERS: [&str; 9] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// Sends requests under rules.
pub(super) struct Fetcher {
    rules: Rules,
    clients: Clients,
}

/// A request as its caller wrote it.
struct Request {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Option<Vec<u8>>,
    /// Whether JSON in the answer is read.
    reads_json: bool,
}

impl Fetcher {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            rules,
            clients: Clients::system(),
        }
    }

    /// Fetches what the arguments of a call ask for.
    pub(super) async fn fetch(&self, args: &Args) -> Result<Value> {
        let request = Request::read(args)?;
        let limit = self.rule(&request, 0)?.limits.timeout;
        tokio::time::timeout(limit, self.send(request))
            .await
            .unwrap_or_else(|_| {
                let message = format!("the address did not answer within {limit:?}");
                Err(Error::new(ErrorKind::Timeout, message))
            })
    }

    async fn send(&self, mut request: Request) -> Result<Value> {
        // Every credential that was sent, to whichever host.
        let mut secrets = Hidden::default();
        let most = self.rule(&request, 0)?.limits.max_redirects;
        for hop in 0..=most {
            let rule = self.rule(&request, hop)?;
            let response = self.send_one(&request, rule, &mut secrets).await?;
            let Some(next) = target(&response) else {
                let limit = rule.limits.max_response;
                return read(response, &request, limit, &secrets).await;
            };
            if becomes_get(response.status(), &request.method) {
                request.method = Method::GET;
                request.body = None;
                request.headers.remove(CONTENT_TYPE);
            }
            if next.origin() != request.url.origin() {
                request.headers = only_content(&request.headers);
            }
            request.url = next;
        }
        let message = format!("the address redirected more than {most} times");
        Err(Error::new(ErrorKind::Backend, message))
    }

    fn rule(&self, request: &Request, hop: usize) -> Result<&Rule> {
        self.rules
            .find(&request.method, &request.url)
            .ok_or_else(|| {
                let place = place(&request.url);
                let asked = format!("{} {place}", request.method);
                let message = if hop == 0 {
                    format!("{asked} is not allowed here")
                } else {
                    format!("the address redirected to {asked}, which is not allowed here")
                };
                let hint = format!("allowed: {}", self.rules.summary());
                Error::new(ErrorKind::Denied, message).with_hint(hint)
            })
    }

    async fn send_one(
        &self,
        request: &Request,
        rule: &Rule,
        secrets: &mut Hidden,
    ) -> Result<Response> {
        let private = || {
            let message = "the host is at a private address, which is not allowed here";
            Error::new(ErrorKind::Denied, message)
                .with_hint("a rule with allow_private = true allows it")
        };
        if !rule.allow_private && check_literal(&request.url).is_err() {
            return Err(private());
        }
        let mut headers = request.headers.clone();
        for name in rule.headers.keys() {
            headers.remove(name);
        }
        for (name, value) in &rule.headers {
            headers.append(name, value.clone());
            secrets.remember(value);
        }
        let client = self.clients.get(rule.allow_private)?;
        let mut sent = client.request(request.method.clone(), request.url.clone());
        sent = sent.headers(headers);
        if let Some(body) = &request.body {
            sent = sent.body(body.clone());
        }
        sent.send().await.map_err(|error| {
            if find::<PrivateAddress>(&error).is_some() {
                return private();
            }
            let (kind, message) = if error.is_connect() {
                let host = place(&request.url);
                let why = format!("{host} cannot be reached: {}", reason(&error));
                (ErrorKind::Unavailable, why)
            } else {
                let why = "the host closed the connection before it answered".to_owned();
                (ErrorKind::Backend, why)
            };
            // The address may hold a key.
            Error::new(kind, message).with_source(error.without_url())
        })
    }
}

impl Request {
    fn read(args: &Args) -> Result<Self> {
        let text = |name: &str| args.get(name).and_then(Value::as_str);
        let wrong = |message: String| Error::new(ErrorKind::InvalidInput, message);
        let url = text("url").unwrap_or_default();
        let url = Url::parse(url).map_err(|error| {
            wrong(format!("{url:?} is no address: {error}"))
                .with_hint("write it with scheme and host: https://example.com/path")
        })?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("an address may hold no user or password".to_owned()));
        }
        let method = text("method").unwrap_or("GET");
        let method = Method::from_bytes(method.as_bytes())
            .map_err(|_| wrong(format!("{method:?} is no method")))?;
        let mut headers = headers(args.get("headers"))?;
        let body = match (args.get("json"), text("body")) {
            (Some(_), Some(_)) => {
                return Err(wrong("a request has either json or body".to_owned()));
            }
            (Some(value), None) => {
                headers
                    .entry(CONTENT_TYPE)
                    .or_insert(HeaderValue::from_static("application/json"));
                Some(value.to_string().into_bytes())
            }
            (None, body) => body.map(|body| body.as_bytes().to_vec()),
        };
        Ok(Self {
            method,
            url,
            headers,
            body,
            reads_json: text("as") != Some("text"),
        })
    }
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetcher")
            .field("rules", &self.rules.summary())
            .finish_non_exhaustive()
    }
}

/// Reads an answer of at most `most` bytes.
async fn read(
    mut response: Response,
    request: &Request,
    most: usize,
    secrets: &Hidden,
) -> Result<Value> {
    let mut bytes = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|error| {
        let message = "the answer broke off before its end";
        Error::new(ErrorKind::Backend, message).with_source(error.without_url())
    })? {
        if bytes.len() + piece.len() > most {
            let message = format!("the answer is larger than {most} bytes");
            return Err(Error::new(ErrorKind::LimitExceeded, message)
                .with_hint("ask for less, or raise max_response"));
        }
        bytes.extend_from_slice(&piece);
    }
    let media_type = response
        .headers()
        .get(CONTENT_TYPE)
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        .unwrap_or_default();
    let bytes = secrets.bytes(&bytes);
    let headers = response.headers().iter().map(|(name, value)| {
        let text = String::from_utf8_lossy(value.as_bytes());
        (name.as_str().to_owned(), secrets.text(&text).into())
    });
    Ok(json!({
        "status": response.status().as_u16(),
        "url": secrets.text(request.url.as_str()),
        "headers": headers.collect::<Map<String, Value>>(),
        "body": body(&media_type, &bytes, request.reads_json),
    }))
}

fn headers(given: Option<&Value>) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in given.and_then(Value::as_object).into_iter().flatten() {
        let wrong = |why: &str| {
            let message = format!("the header {name:?} {why}");
            Error::new(ErrorKind::InvalidInput, message)
        };
        let key = HeaderName::try_from(name.as_str()).map_err(|_| wrong("has no valid name"))?;
        if OWN_HEADERS.contains(&key.as_str()) {
            return Err(wrong("is set by the connection itself"));
        }
        let value = HeaderValue::try_from(value.as_str().unwrap_or_default())
            .map_err(|_| wrong("has no valid value"))?;
        headers.append(key, value);
    }
    Ok(headers)
}

fn body(media_type: &str, bytes: &[u8], reads_json: bool) -> Value {
    if bytes.is_empty() {
        return Value::Null;
    }
    if reads_json
        && is_json(media_type)
        && let Ok(value) = serde_json::from_slice(bytes)
    {
        return value;
    }
    let is_utf8 = std::str::from_utf8(bytes).is_ok();
    if is_utf8 || is_text(&essence(media_type)) {
        return Value::String(text(media_type, bytes));
    }
    json!({"contentType": media_type, "size": bytes.len(), "data": STANDARD.encode(bytes)})
}
