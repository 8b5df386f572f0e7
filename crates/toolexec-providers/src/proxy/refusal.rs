//! What the proxy answers in place of the host.

use std::fmt::Write as _;

use http_body_util::{BodyExt, Full};
use hyper::ext::ReasonPhrase;
use hyper::header::{CONTENT_TYPE, HeaderValue, PROXY_AUTHENTICATE};
use hyper::{Method, Response, StatusCode};
use url::Url;

use super::forward::AnswerBody;
use crate::exchange::place;
use crate::web::rules::{Gap, Rules};

/// An answer of the proxy's own: a line that says what is wrong, and what to do about it.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    line: String,
    advice: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, line: impl Into<String>) -> Self {
        Self {
            status,
            line: line.into(),
            advice: String::new(),
        }
    }

    pub(super) fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = advice.into();
        self
    }

    /// No rule allows a request.
    pub(super) fn no_rule(rules: &Rules, method: &Method, url: &Url) -> Self {
        let asked = format!("{method} {}", place(url));
        let origin = url.origin().ascii_serialization();
        let (why, advice) = match rules.gap(method, url) {
            Gap::Origin => {
                let why = "no rule of [web] names this origin".to_owned();
                (why, new_rule(url, Some(method)))
            }
            Gap::Method => {
                let why = format!("no rule for {origin} allows {method}");
                let advice = format!("add {:?} to the methods of that rule", method.as_str());
                (why, advice)
            }
            Gap::Path => {
                let why = format!("no rule for {origin} allows {method} of this path");
                let advice = format!("add {:?} to the paths of that rule", url.path());
                (why, advice)
            }
        };
        Self::new(
            StatusCode::FORBIDDEN,
            format!("{asked} is not allowed: {why}"),
        )
        .advise(with_allowed(rules, &advice))
    }

    /// No rule names a host.
    pub(super) fn no_host(rules: &Rules, url: &Url) -> Self {
        let host = url.host_str().unwrap_or_default();
        let port = url.port_or_known_default().unwrap_or_default();
        let line = format!("no rule of [web] allows {host}:{port}");
        let advice = with_allowed(rules, &new_rule(url, None));
        Self::new(StatusCode::FORBIDDEN, line).advise(advice)
    }

    /// The host has only private addresses.
    pub(super) fn private(url: &Url) -> Self {
        let host = url.host_str().unwrap_or_default();
        let line = format!("{host} is at a private address, which no rule of [web] allows");
        let advice = "allow_private = true in its rule allows it";
        Self::new(StatusCode::FORBIDDEN, line).advise(advice)
    }

    /// A connection would become something else than HTTP.
    pub(super) fn upgrade(url: &Url) -> Self {
        let host = url.host_str().unwrap_or_default();
        let line = format!("a WebSocket to {host} is not allowed: it cannot be looked into");
        let advice = "a rule with tunnel = true, in place of the rule for this origin, allows it";
        Self::new(StatusCode::FORBIDDEN, line).advise(advice)
    }

    /// The client does not know the password.
    pub(super) fn unknown() -> Self {
        let line = "the proxy asks for its password";
        let status = StatusCode::PROXY_AUTHENTICATION_REQUIRED;
        Self::new(status, line).advise("use the address in HTTP_PROXY as it is")
    }

    /// The proxy passed as many bytes as it may.
    pub(super) fn spent() -> Self {
        let line = "the proxy passed as many bytes as it may (max_total)";
        Self::new(StatusCode::FORBIDDEN, line)
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// What is wrong.
    pub(super) fn line(&self) -> &str {
        &self.line
    }

    /// As an answer. Clients show the reason phrase where they do not show the body.
    pub(super) fn into_response(self) -> Response<AnswerBody> {
        let mut text = format!("toolexec proxy: {}\n", self.line);
        if !self.advice.is_empty() {
            // Writing to a text cannot fail.
            let _ = writeln!(text, "\n{}", self.advice);
        }
        let body = Full::from(text).map_err(|never| match never {});
        let mut response = Response::new(AnswerBody::new(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        if self.status == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
            let asked = HeaderValue::from_static("Basic realm=\"toolexec\"");
            headers.insert(PROXY_AUTHENTICATE, asked);
        }
        if let Ok(phrase) = ReasonPhrase::try_from(self.line.into_bytes()) {
            response.extensions_mut().insert(phrase);
        }
        response
    }
}

fn with_allowed(rules: &Rules, advice: &str) -> String {
    format!("Allowed: {}.\nTo allow it, {advice}", rules.summary())
}

/// The rule that a configuration would need.
fn new_rule(url: &Url, method: Option<&Method>) -> String {
    let host = url.host_str().unwrap_or_default();
    let named = |letter: char| letter.is_ascii_alphanumeric();
    let name: String = host
        .chars()
        .map(|letter| if named(letter) { letter } else { '-' })
        .collect();
    let name = name.trim_matches('-');
    let origin = url.origin().ascii_serialization();
    let mut rule = format!("add to the configuration:\n\n[web.{name}]\norigin = {origin:?}");
    if let Some(method) = method.filter(|&method| method != Method::GET && method != Method::HEAD) {
        let _ = write!(rule, "\nmethods = [{:?}]", method.as_str());
    }
    rule
}
