//! What exchanges over HTTP have in common: redirects, media types, and what goes wrong on the way.

use std::error::Error as StdError;

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, LOCATION};
use reqwest::{Method, Response, StatusCode};
use url::Url;

/// Where a redirect points.
pub(crate) fn target(response: &Response) -> Option<Url> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = response.headers().get(LOCATION)?.to_str().ok()?;
    response.url().join(location).ok()
}

pub(crate) fn becomes_get(status: StatusCode, method: &Method) -> bool {
    match status.as_u16() {
        303 => *method != Method::HEAD,
        301 | 302 => *method == Method::POST,
        _ => false,
    }
}

pub(crate) fn only_content(headers: &HeaderMap) -> HeaderMap {
    let kept = [ACCEPT, CONTENT_TYPE].into_iter();
    kept.filter_map(|name| headers.get(&name).map(|value| (name, value.clone())))
        .collect()
}

/// Scheme, host and path: a query may hold a key.
pub(crate) fn place(url: &Url) -> String {
    let mut bare = url.clone();
    bare.set_query(None);
    bare.set_fragment(None);
    bare.into()
}

/// Why there is no connection, in words without an address.
pub(crate) fn reason(error: &reqwest::Error) -> &'static str {
    use std::io::ErrorKind as Io;
    if error.is_timeout() {
        return "connecting took too long";
    }
    if error.is_dns() {
        return "its host name is not known";
    }
    if find::<rustls::Error>(error).is_some() {
        return "no secure connection could be made";
    }
    match find::<std::io::Error>(error).map(std::io::Error::kind) {
        Some(Io::ConnectionRefused) => "the connection was refused",
        Some(Io::HostUnreachable | Io::NetworkUnreachable) => "there is no way to its network",
        _ => "no connection could be made",
    }
}

/// The first cause of a type.
pub(crate) fn find<'e, E: StdError + 'static>(
    error: &'e (dyn StdError + 'static),
) -> Option<&'e E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        // The source of an I/O error is that of what it wraps; the wrapped one would be skipped.
        let wrapped = error
            .downcast_ref::<std::io::Error>()
            .and_then(|error| error.get_ref());
        next = match wrapped {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    None
}

/// The type and subtype, lower case, without parameters.
pub(crate) fn essence(media_type: &str) -> String {
    let essence = media_type.split(';').next().unwrap_or_default();
    essence.trim().to_ascii_lowercase()
}

/// Whether a media type is JSON.
pub(crate) fn is_json(media_type: &str) -> bool {
    let essence = essence(media_type);
    matches!(essence.as_str(), "application/json" | "text/json") || essence.ends_with("+json")
}

pub(crate) fn is_text(essence: &str) -> bool {
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
pub(crate) fn text(media_type: &str, bytes: &[u8]) -> String {
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
