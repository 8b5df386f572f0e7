//! The parts of a signed token (RFC 7515, compact).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::Refusal;

/// A token that was taken apart; nothing in it is known to be true.
#[derive(Debug)]
pub(in super::super) struct Token<'a> {
    header: Header,
    claims: Map<String, Value>,
    signed: &'a str,
    signature: Vec<u8>,
}

#[derive(Debug, Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    /// Extensions that must be understood; none is here.
    crit: Option<Value>,
}

impl<'a> Token<'a> {
    pub(in super::super) fn parse(text: &'a str) -> Result<Self, Refusal> {
        let (signed, signature) = text.rsplit_once('.').ok_or(Refusal::NO_JWT)?;
        let (header, claims) = signed.split_once('.').ok_or(Refusal::NO_JWT)?;
        let header: Header = json(header)?;
        // An access token, not another thing that the same issuer signs.
        let is_token = header.typ.as_deref().is_none_or(|typ| {
            let typ = typ.strip_prefix("application/").unwrap_or(typ);
            ["jwt", "at+jwt"]
                .iter()
                .any(|known| known.eq_ignore_ascii_case(typ))
        });
        if !is_token || header.crit.is_some() {
            return Err(Refusal::NO_JWT);
        }
        Ok(Self {
            header,
            claims: json(claims)?,
            signed,
            signature: bytes(signature)?,
        })
    }

    /// Who signed it, by its own word.
    pub(in super::super) fn issuer(&self) -> Option<&str> {
        self.claims.get("iss")?.as_str()
    }

    pub(super) fn algorithm(&self) -> &str {
        &self.header.alg
    }

    pub(super) fn key_id(&self) -> Option<&str> {
        self.header.kid.as_deref()
    }

    pub(super) fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    pub(super) fn signed(&self) -> &[u8] {
        self.signed.as_bytes()
    }

    pub(super) fn signature(&self) -> &[u8] {
        &self.signature
    }
}

fn bytes(text: &str) -> Result<Vec<u8>, Refusal> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| Refusal::NO_JWT)
}

fn json<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, Refusal> {
    serde_json::from_slice(&bytes(text)?).map_err(|_| Refusal::NO_JWT)
}
