//! A request that a rule allows, and its answer.

use std::error::Error as StdError;
use std::sync::Arc;

use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, RANGE, UPGRADE,
};
use hyper::{Request, Response, StatusCode};
use tokio::time::Instant;
use url::Url;

use super::Proxy;
use super::meter::{Cut, Metered, Scrubbed};
use super::refusal::Refusal;
use crate::egress::{PrivateAddress, check_literal};
use crate::exchange::{find, place, reason};
use crate::hidden::Hidden;
use crate::web::rules::Rule;

/// The body of an answer.
pub(super) type AnswerBody = UnsyncBoxBody<Bytes, Box<dyn StdError + Send + Sync>>;

/// Headers that belong to a connection, not to what it carries.
const HOP_HEADERS: [&str; 10] = [
    "connection",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
];

/// Sends a request that a rule allows, and passes on what comes back.
pub(super) async fn forward(
    proxy: &Arc<Proxy>,
    url: Url,
    request: Request<Incoming>,
) -> Result<Response<AnswerBody>, Refusal> {
    if request.headers().contains_key(UPGRADE) {
        return Err(Refusal::upgrade(&url));
    }
    if proxy.meter.is_spent() {
        return Err(Refusal::spent());
    }
    let Some(rule) = proxy.rules.find(request.method(), &url) else {
        return Err(Refusal::no_rule(&proxy.rules, request.method(), &url));
    };
    let largest = proxy.limits.max_request;
    if request.body().size_hint().lower() > largest {
        return Err(too_large(largest));
    }
    let limit = rule.limits.timeout;
    let deadline = Instant::now() + limit;
    let mut hidden = Hidden::default();
    let sent = send(proxy, rule, &url, request, deadline, &mut hidden);
    let response = tokio::time::timeout_at(deadline, sent)
        .await
        .unwrap_or_else(|_| Err(too_late(&url, limit)))?;
    answer(proxy, rule, &url, response, deadline, &hidden)
}

async fn send(
    proxy: &Arc<Proxy>,
    rule: &Rule,
    url: &Url,
    request: Request<Incoming>,
    deadline: Instant,
    hidden: &mut Hidden,
) -> Result<reqwest::Response, Refusal> {
    if !rule.allow_private && check_literal(url).is_err() {
        return Err(Refusal::private(url));
    }
    let client = proxy.clients.get(rule.allow_private).map_err(|error| {
        tracing::error!(target: "toolexec::proxy", %error, "no client");
        unreachable(url, "the proxy has no client")
    })?;
    let (parts, body) = request.into_parts();
    let mut headers = without_hops(&parts.headers);
    // The body says it itself.
    headers.remove(CONTENT_LENGTH);
    // What comes back must be readable here. A part of an encoded answer is not.
    headers.remove(ACCEPT_ENCODING);
    if headers.contains_key(RANGE) {
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    }
    for name in rule.headers.keys() {
        headers.remove(name);
    }
    for (name, value) in &rule.headers {
        headers.append(name, value.clone());
        hidden.remember(value);
    }
    let mut sent = client.request(parts.method, url.clone()).headers(headers);
    if !body.is_end_stream() {
        let meter = proxy.meter.clone();
        let body = Metered::new(body, proxy.limits.max_request, meter, deadline);
        sent = sent.body(reqwest::Body::wrap(body));
    }
    sent.send()
        .await
        .map_err(|error| failed(proxy, rule, url, error))
}

/// Why there is no answer.
fn failed(proxy: &Proxy, rule: &Rule, url: &Url, error: reqwest::Error) -> Refusal {
    if find::<PrivateAddress>(&error).is_some() {
        return Refusal::private(url);
    }
    match find::<Cut>(&error) {
        Some(Cut::TooLarge) => return too_large(proxy.limits.max_request),
        Some(Cut::TooLate) => return too_late(url, rule.limits.timeout),
        Some(Cut::Spent) => return Refusal::spent(),
        None => {}
    }
    let why = if error.is_connect() {
        reason(&error)
    } else {
        "it closed the connection before it answered"
    };
    tracing::debug!(target: "toolexec::proxy", error = %error.without_url(), "no answer");
    unreachable(url, why)
}

fn answer(
    proxy: &Arc<Proxy>,
    rule: &Rule,
    url: &Url,
    response: reqwest::Response,
    deadline: Instant,
    hidden: &Hidden,
) -> Result<Response<AnswerBody>, Refusal> {
    let most = rule.limits.max_response as u64;
    if response
        .content_length()
        .is_some_and(|length| length > most)
    {
        let line = format!("the answer of {} is larger than {most} bytes", place(url));
        let advice = "ask for less, or raise max_response of its rule";
        return Err(Refusal::new(StatusCode::BAD_GATEWAY, line).advise(advice));
    }
    let (parts, body) = hyper::Response::<reqwest::Body>::from(response).into_parts();
    let mut headers = without_hops(&parts.headers);
    headers.remove(UPGRADE);
    let asked = place(url);
    let teller = Arc::downgrade(proxy);
    let told = Box::new(move |error: &(dyn StdError + 'static)| {
        let Some(proxy) = teller.upgrade() else {
            return;
        };
        let why = find::<Cut>(error).map_or_else(
            || "the host closed the connection".to_owned(),
            ToString::to_string,
        );
        let line = format!("the answer of {asked} was cut off: {why}");
        proxy.note(&Refusal::new(StatusCode::BAD_GATEWAY, line));
    });
    let body = Metered::new(body, most, proxy.meter.clone(), deadline).on_cut(told);
    let body = if hidden.is_empty() {
        AnswerBody::new(body)
    } else {
        headers.remove(CONTENT_LENGTH);
        scrub(&mut headers, hidden);
        AnswerBody::new(Scrubbed::new(body, hidden.scrubber()))
    };
    let mut answer = Response::new(body);
    *answer.status_mut() = parts.status;
    *answer.headers_mut() = headers;
    Ok(answer)
}

fn scrub(headers: &mut HeaderMap, hidden: &Hidden) {
    for value in headers.values_mut() {
        // What was a header's value is one without parts of it.
        if let Ok(clean) = HeaderValue::from_bytes(&hidden.bytes(value.as_bytes())) {
            *value = clean;
        }
    }
}

/// The headers that go on to the other side.
fn without_hops(headers: &HeaderMap) -> HeaderMap {
    let mut kept = headers.clone();
    for value in headers.get_all(CONNECTION) {
        let named = value.to_str().unwrap_or_default().split(',');
        for name in named.filter_map(|name| HeaderName::try_from(name.trim()).ok()) {
            kept.remove(name);
        }
    }
    for name in HOP_HEADERS {
        kept.remove(name);
    }
    kept
}

fn too_large(most: u64) -> Refusal {
    let line = format!("the request is larger than {most} bytes");
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, line)
}

fn too_late(url: &Url, limit: std::time::Duration) -> Refusal {
    let line = format!("{} did not answer within {limit:?}", place(url));
    Refusal::new(StatusCode::GATEWAY_TIMEOUT, line)
}

fn unreachable(url: &Url, why: &str) -> Refusal {
    let line = format!("{} cannot be reached: {why}", place(url));
    Refusal::new(StatusCode::BAD_GATEWAY, line)
}
