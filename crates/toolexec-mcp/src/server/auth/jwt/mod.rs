//! Tokens that an issuer signs (RFC 7519), with the keys that it publishes (RFC 7517).
//!
//! Only asymmetric signatures are known here, so that `none`, and a public key taken for the
//! secret of an HMAC, cannot be said at all. The check of a signature is ring's.

mod claims;
mod fetch;
mod jwk;
mod jwks;
mod token;

use std::path::PathBuf;
use std::time::Duration;

use toolexec_core::Result;

use super::challenge::Refusal;
use super::config;
use claims::Claims;
use fetch::Fetcher;
use jwks::Jwks;

pub use jwk::Algorithm;
pub(super) use token::Token;

/// Who signs tokens, and which of them are for this server.
#[derive(Debug, Clone)]
pub struct Issuer {
    /// A name of ours for it; its callers are named `name:subject`.
    pub name: String,
    /// What `iss` must be.
    pub issuer: String,
    /// The audiences of this server; `aud` must have one of them.
    pub audiences: Vec<String>,
    /// The algorithms that are accepted.
    pub algorithms: Vec<Algorithm>,
    /// Where its keys are.
    pub keys: KeySource,
    /// The claim that names the caller.
    pub caller_claim: String,
    /// The JSON Pointer of the claim that lists the caller's roles. Each scope is a role too, as
    /// `scope:NAME`.
    pub roles_claim: String,
    /// How far the clocks may differ.
    pub leeway: Duration,
    /// How long keys are kept before they are fetched anew.
    pub keys_max_age: Duration,
    /// How long after an attempt to fetch keys there is no other, whatever tokens come.
    pub keys_min_interval: Duration,
}

/// Where the keys of an issuer are, as a JWK set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A file.
    File(PathBuf),
    /// An `https` address, or an `http` one of loopback.
    Url(String),
}

/// Checks the tokens of one issuer.
#[derive(Debug)]
pub(super) struct Verifier {
    issuer: Issuer,
    keys: Jwks,
}

impl Issuer {
    /// An issuer whose tokens are signed with RS256 or ES256 and name the caller as `sub` and the
    /// roles as `roles`.
    pub fn new(
        name: impl Into<String>,
        issuer: impl Into<String>,
        audiences: Vec<String>,
        keys: KeySource,
    ) -> Self {
        Self {
            name: name.into(),
            issuer: issuer.into(),
            audiences,
            algorithms: vec![Algorithm::Rs256, Algorithm::Es256],
            keys,
            caller_claim: "sub".to_owned(),
            roles_claim: "/roles".to_owned(),
            leeway: Duration::from_secs(30),
            keys_max_age: Duration::from_mins(10),
            keys_min_interval: Duration::from_secs(30),
        }
    }
}

impl Verifier {
    pub(super) fn new(issuer: Issuer) -> Result<Self> {
        let name = &issuer.name;
        let missing = |what: &str| config(format!("the issuer {name:?} has no {what}"));
        if issuer.issuer.is_empty() {
            return Err(missing("`issuer`"));
        }
        if issuer.audiences.is_empty() || issuer.audiences.iter().any(String::is_empty) {
            return Err(missing("audience")
                .with_hint("without one, a token for any other service would open this one"));
        }
        if issuer.algorithms.is_empty() {
            return Err(missing("algorithm"));
        }
        if !issuer.roles_claim.starts_with('/') {
            let pointer = &issuer.roles_claim;
            return Err(config(format!("{pointer:?} is no JSON Pointer"))
                .with_hint(format!("write it as \"/{pointer}\"")));
        }
        let fetcher = Fetcher::new(issuer.keys.clone())?;
        let keys = Jwks::new(fetcher, issuer.keys_max_age, issuer.keys_min_interval);
        Ok(Self { issuer, keys })
    }

    /// Who it is that signs.
    pub(super) fn issuer(&self) -> &str {
        &self.issuer.issuer
    }

    /// What a token says, once it is known to be good.
    ///
    /// # Cancel safety
    /// Safe; keys that were being fetched are fetched anew.
    pub(super) async fn verify(&self, token: &Token<'_>) -> Result<Claims, Refusal> {
        let algorithm = Algorithm::from_name(token.algorithm()).ok_or(Refusal::ALGORITHM)?;
        if !self.issuer.algorithms.contains(&algorithm) {
            return Err(Refusal::ALGORITHM);
        }
        let keys = self.keys.for_token(token.key_id(), algorithm).await?;
        let good = |key: &jwk::Key| key.verify(algorithm, token.signed(), token.signature());
        if !keys.iter().any(good) {
            return Err(Refusal::SIGNATURE);
        }
        Claims::read(token, &self.issuer)
    }
}
