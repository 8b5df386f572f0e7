//! Fetching a token with client credentials (RFC 6749, section 4.4).

use std::fmt::Write as _;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::Value;
use toolexec_core::{Error, ErrorKind};
use url::Url;

use super::body::Encoded;
use super::config::Credential;
use super::http::Http;
use super::request::Prepared;
use super::response;
use super::style::encode;
use crate::secret::Secret;

const FORM: &str = "application/x-www-form-urlencoded";
/// The largest answer of a token server.
const MAX_ANSWER: usize = 64 << 10;
/// How long a token is kept when its server does not say.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(300);

/// A token and how long it is good.
pub(super) struct Fetched {
    pub(super) text: Secret,
    pub(super) lifetime: Duration,
}

/// The request for a token.
pub(super) struct Request(Prepared);

impl Request {
    /// Makes the request of client credentials.
    pub(super) fn new(credential: &Credential, url: Url, scope: &str) -> Result<Self, Error> {
        let Credential::ClientCredentials {
            client_id,
            client_secret,
            in_body,
            ..
        } = credential
        else {
            return Err(Error::new(ErrorKind::Internal, "no client credentials"));
        };
        let mut form = "grant_type=client_credentials".to_owned();
        if !scope.is_empty() {
            let _ = write!(form, "&scope={}", encode(scope, false));
        }
        let (id, secret) = (
            encode(client_id, false),
            encode(client_secret.expose(), false),
        );
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(FORM));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if *in_body {
            let _ = write!(form, "&client_id={id}&client_secret={secret}");
        } else {
            // Both are form-encoded before they are joined (section 2.3.1).
            let pair = STANDARD.encode(format!("{id}:{secret}"));
            let mut value = HeaderValue::from_str(&format!("Basic {pair}")).map_err(|error| {
                Error::new(
                    ErrorKind::Internal,
                    "the client cannot be named in a header",
                )
                .with_source(error)
            })?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        Ok(Self(Prepared {
            method: Method::POST,
            url,
            headers,
            cookies: Vec::new(),
            body: Some(Encoded {
                content_type: FORM.to_owned(),
                bytes: form.into(),
            }),
        }))
    }
}

/// Fetches a token.
pub(super) async fn fetch(api: &str, http: &Http, request: &Request) -> Result<Fetched, Error> {
    let reply = http.send_once(&request.0).await.map_err(|error| {
        // The call itself was not sent.
        let kind = if error.kind() == ErrorKind::Denied {
            ErrorKind::Denied
        } else {
            ErrorKind::Unavailable
        };
        let message = format!("the token server of API {api} gave no token: {error}");
        let hints = error.hints().to_vec();
        let made = Error::new(kind, message).with_source(error);
        hints.into_iter().fold(made, Error::with_hint)
    })?;
    let status = reply.response.status();
    let bytes = response::collect(api, reply.response, MAX_ANSWER).await?;
    let answer: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let text = |key: &str| answer.get(key).and_then(Value::as_str);
    if let Some(token) = text("access_token").filter(|_| status.is_success()) {
        let seconds = match answer.get("expires_in") {
            Some(Value::String(text)) => text.parse().ok(),
            other => other.and_then(Value::as_u64),
        };
        return Ok(Fetched {
            text: Secret::new(token),
            // A year is as good as for ever.
            lifetime: seconds.map_or(DEFAULT_LIFETIME, |s: u64| {
                Duration::from_secs(s.min(31_536_000))
            }),
        });
    }
    let said = text("error_description").or_else(|| text("error"));
    let said = said.map_or(String::new(), |text| format!(": {text}"));
    let (kind, hint) = if status.is_server_error() {
        (ErrorKind::Unavailable, "try again later")
    } else {
        (
            ErrorKind::Config,
            "check client_id, client_secret, scopes and token_url",
        )
    };
    Err(Error::new(
        kind,
        format!(
            "the token server of API {api} answered {} without a token{said}",
            status.as_u16()
        ),
    )
    .with_hint(hint))
}
