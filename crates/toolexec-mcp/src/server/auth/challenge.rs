//! What a refused client is told (RFC 6750, RFC 9728).

use std::fmt::Write;

use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use serde_json::json;

use super::metadata::Resource;

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    /// The error code of RFC 6750; none when no credential was given.
    pub(super) code: Option<&'static str>,
    pub(super) message: &'static str,
}

/// A refusal by this server.
#[derive(Debug)]
pub(super) struct Challenge<'a> {
    pub(super) refusal: Refusal,
    pub(super) scopes: &'a [String],
    pub(super) resource: Option<&'a Resource>,
}

impl Refusal {
    pub(super) const MISSING: Self = Self {
        status: StatusCode::UNAUTHORIZED,
        code: None,
        message: "this server needs a credential: a header `Authorization: Bearer TOKEN` or `X-API-Key: KEY`",
    };
    pub(super) const IN_QUERY: Self =
        Self::request("a credential in the query is refused; send it in a header");
    pub(super) const SEVERAL: Self = Self::request("the request has more than one credential");
    pub(super) const MALFORMED: Self = Self::request("the credential is not text");
    pub(super) const SCHEME: Self = Self::request("the scheme of `Authorization` is not `Bearer`");
    pub(super) const TOO_LONG: Self = Self::request("the credential is too long");
    pub(super) const EMPTY: Self = Self::token("the credential is empty");
    pub(super) const UNKNOWN_KEY: Self = Self::token("the credential is not known");
    pub(super) const NO_JWT: Self = Self::token("the token is malformed");
    pub(super) const ALGORITHM: Self =
        Self::token("the token is signed with an algorithm that is not accepted");
    pub(super) const KEY: Self = Self::token("the token is signed with a key that is not known");
    pub(super) const SIGNATURE: Self = Self::token("the signature of the token is wrong");
    pub(super) const EXPIRED: Self = Self::token("the token has expired");
    pub(super) const EARLY: Self = Self::token("the token is not valid yet");
    pub(super) const ISSUER: Self = Self::token("the token is by an issuer that is not trusted");
    pub(super) const AUDIENCE: Self = Self::token("the token is for another audience");
    pub(super) const SUBJECT: Self = Self::token("the token does not say who its subject is");
    pub(super) const SCOPE: Self = Self {
        status: StatusCode::FORBIDDEN,
        code: Some("insufficient_scope"),
        message: "the token lacks a scope",
    };
    /// The keys of the issuer cannot be had: nobody can say whether the token is good.
    pub(super) const UNAVAILABLE: Self = Self {
        status: StatusCode::SERVICE_UNAVAILABLE,
        code: Some("temporarily_unavailable"),
        message: "the keys of the issuer cannot be fetched; try again later",
    };

    const fn request(message: &'static str) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            code: Some("invalid_request"),
            message,
        }
    }

    const fn token(message: &'static str) -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            code: Some("invalid_token"),
            message,
        }
    }
}

impl Challenge<'_> {
    /// The answer to the request.
    pub(super) fn response(&self) -> Response<String> {
        let Refusal {
            status,
            code,
            message,
        } = self.refusal;
        let body = json!({
            "error": code.unwrap_or("unauthorized"),
            "error_description": message,
        });
        let mut response = Response::new(body.to_string());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("10"));
        } else if let Ok(value) = HeaderValue::from_str(&self.header()) {
            headers.insert(WWW_AUTHENTICATE, value);
        }
        response
    }

    fn header(&self) -> String {
        let mut parts = Vec::new();
        if let Some(code) = self.refusal.code {
            parts.push(format!("error=\"{code}\""));
            let message = self.refusal.message.replace('"', "'");
            parts.push(format!("error_description=\"{message}\""));
        }
        if !self.scopes.is_empty() {
            parts.push(format!("scope=\"{}\"", self.scopes.join(" ")));
        }
        if let Some(resource) = self.resource {
            parts.push(format!("resource_metadata=\"{}\"", resource.metadata_url()));
        }
        let mut header = String::from("Bearer");
        for (place, part) in parts.iter().enumerate() {
            let separator = if place == 0 { " " } else { ", " };
            let _ = write!(header, "{separator}{part}");
        }
        header
    }
}
