//! The credential of a request.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};

use super::challenge::Refusal;

/// The header of API keys.
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// What carries tokens in a query elsewhere.
const IN_QUERY: [&str; 5] = ["access_token", "token", "api_key", "apikey", "key"];
/// The longest credential, in bytes.
const MAX: usize = 16 << 10;

/// What a request brings to say who sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Credential<'a> {
    /// `Authorization: Bearer`.
    Bearer(&'a str),
    /// `X-API-Key`.
    Key(&'a str),
}

/// Reads the one credential of a request.
pub(super) fn of(head: &http::request::Parts) -> Result<Credential<'_>, Refusal> {
    if is_in_query(head.uri.query().unwrap_or_default()) {
        return Err(Refusal::IN_QUERY);
    }
    let bearer = only(&head.headers, &AUTHORIZATION)?;
    let key = only(&head.headers, &API_KEY)?;
    let credential = match (bearer, key) {
        (None, None) => return Err(Refusal::MISSING),
        (Some(_), Some(_)) => return Err(Refusal::SEVERAL),
        (Some(value), None) => Credential::Bearer(bearer_token(value)?),
        (None, Some(key)) => Credential::Key(key),
    };
    let (Credential::Bearer(text) | Credential::Key(text)) = credential;
    match text.len() {
        0 => Err(Refusal::EMPTY),
        1..=MAX => Ok(credential),
        _ => Err(Refusal::TOO_LONG),
    }
}

/// The value of a header that may be there once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Refusal> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(Refusal::SEVERAL);
    }
    let text = first.map(|value| value.to_str().map_err(|_| Refusal::MALFORMED));
    Ok(text.transpose()?.map(str::trim))
}

fn bearer_token(value: &str) -> Result<&str, Refusal> {
    let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Refusal::SCHEME);
    }
    let token = rest.trim();
    // A list of credentials, or more than one token.
    if token.contains([' ', ',']) {
        return Err(Refusal::SEVERAL);
    }
    Ok(token)
}

fn is_in_query(query: &str) -> bool {
    let mut names = query
        .split('&')
        .map(|pair| pair.split('=').next().unwrap_or_default());
    names.any(|name| {
        IN_QUERY
            .iter()
            .any(|other| other.eq_ignore_ascii_case(name))
    })
}
