//! Who may call over HTTP, and who it is.
//!
//! A request carries one credential, in a header: `Authorization: Bearer TOKEN`, or `X-API-Key:
//! KEY`. A token is either a secret that this server knows ([`ApiKey`]) or a JWT that a trusted
//! [`Issuer`] signed for this server. What stands in the query is refused: addresses end up in
//! logs.
//!
//! A server without authentication listens on loopback only, and only when it is told so
//! ([`Auth::None`]).

mod challenge;
mod credential;
mod jwt;
mod key;
mod layer;
mod metadata;

use std::net::SocketAddr;
use std::sync::Arc;

use toolexec_core::context::ANONYMOUS;
use toolexec_core::{Caller, Error, ErrorKind, Result};

use challenge::{Challenge, Refusal};
use credential::Credential;
use jwt::Verifier;

pub use jwt::{Algorithm, Issuer, KeySource};
pub use key::{ApiKey, MIN_SECRET};
pub(crate) use layer::protect;
pub use metadata::{METADATA_PATH, Resource};

/// Who may call over HTTP.
#[derive(Debug, Clone, Default)]
#[expect(clippy::large_enum_variant, reason = "a server has one")]
pub enum Auth {
    /// Nobody was asked yet what it shall be: no server starts with it.
    #[default]
    Unset,
    /// Everybody who reaches the address; on loopback only.
    None,
    /// Who has a credential.
    Required(AuthOptions),
}

/// Which credentials count.
#[derive(Debug, Clone, Default)]
pub struct AuthOptions {
    /// Secrets that this server knows.
    pub keys: Vec<ApiKey>,
    /// Who signs tokens for this server.
    pub issuers: Vec<Issuer>,
    /// Scopes that a signed token must have, all of them.
    pub scopes: Vec<String>,
    /// What clients read about this server before they get a token; needed with issuers.
    pub resource: Option<Resource>,
}

/// Finds out who calls. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Authenticator(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    keys: Vec<ApiKey>,
    verifiers: Vec<Verifier>,
    scopes: Vec<String>,
    resource: Option<Resource>,
}

impl Auth {
    /// What asks for credentials at this address; nothing when nobody is asked.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when nobody is asked for credentials and the address is not one of
    /// loopback, or when the options are wrong.
    pub(crate) fn authenticator(&self, address: SocketAddr) -> Result<Option<Authenticator>> {
        match self {
            Self::Unset => Err(config(
                "serving over HTTP needs authentication, and none is configured",
            )
            .with_hint("give API keys, or an issuer of tokens")
            .with_hint(
                "on a loopback address, `auth = \"none\"` lets everybody on this machine in",
            )),
            Self::None if address.ip().is_loopback() => Ok(None),
            Self::None => Err(config(
                "serving without authentication is for loopback addresses only",
            )
            .with_hint("listen on 127.0.0.1 or [::1], or configure authentication")),
            Self::Required(options) => Authenticator::new(options.clone()).map(Some),
        }
    }
}

impl Authenticator {
    pub(crate) fn new(options: AuthOptions) -> Result<Self> {
        let AuthOptions {
            keys,
            issuers,
            scopes,
            resource,
        } = options;
        if keys.is_empty() && issuers.is_empty() {
            return Err(config("authentication has neither keys nor issuers")
                .with_hint("give API keys, or an issuer of tokens"));
        }
        for (place, key) in keys.iter().enumerate() {
            check_name(&key.name)?;
            if keys[..place].iter().any(|other| other.has_same_secret(key)) {
                return Err(config(format!(
                    "the key {:?} is that of another caller",
                    key.name
                )));
            }
        }
        if !issuers.is_empty() && resource.is_none() {
            return Err(
                config("tokens need the address by which clients know this server")
                    .with_hint("give it as `resource`, such as https://tools.example.com/mcp"),
            );
        }
        for (place, issuer) in issuers.iter().enumerate() {
            check_name(&issuer.name)?;
            let same = |other: &Issuer| other.name == issuer.name || other.issuer == issuer.issuer;
            if issuers[..place].iter().any(same) {
                return Err(config(format!(
                    "the issuer {:?} is there twice",
                    issuer.name
                )));
            }
        }
        let verifiers = issuers.into_iter().map(Verifier::new);
        Ok(Self(Arc::new(Inner {
            keys,
            verifiers: verifiers.collect::<Result<_>>()?,
            scopes,
            resource,
        })))
    }

    /// Who sent the request with this head.
    ///
    /// # Cancel safety
    /// Safe: nothing is lost but the fetching of an issuer's keys.
    async fn authenticate(&self, head: &http::request::Parts) -> Result<Arc<Caller>, Refusal> {
        match credential::of(head)? {
            Credential::Key(secret) => self.by_key(secret).ok_or(Refusal::UNKNOWN_KEY),
            Credential::Bearer(token) => match self.by_key(token) {
                Some(caller) => Ok(caller),
                None => self.by_token(token).await,
            },
        }
    }

    /// What a refused client is told.
    fn challenge(&self, refusal: Refusal) -> Challenge<'_> {
        Challenge {
            refusal,
            scopes: &self.0.scopes,
            resource: self.0.resource.as_ref(),
        }
    }

    fn by_key(&self, secret: &str) -> Option<Arc<Caller>> {
        // Every key is looked at, so that the time tells nothing about which are near.
        let hash = key::hash(secret);
        let mut found = None;
        for key in &self.0.keys {
            if key.fits(&hash) {
                found = Some(key.caller());
            }
        }
        found
    }

    async fn by_token(&self, token: &str) -> Result<Arc<Caller>, Refusal> {
        if self.0.verifiers.is_empty() {
            return Err(Refusal::UNKNOWN_KEY);
        }
        let parsed = jwt::Token::parse(token)?;
        let issuer = parsed.issuer().ok_or(Refusal::ISSUER)?;
        let mut verifiers = self.0.verifiers.iter();
        let verifier = verifiers.find(|verifier| verifier.issuer() == issuer);
        let claims = verifier.ok_or(Refusal::ISSUER)?.verify(&parsed).await?;
        let lacks = |scope: &String| !claims.scopes.contains(scope);
        if self.0.scopes.iter().any(lacks) {
            return Err(Refusal::SCOPE);
        }
        Ok(claims.caller)
    }
}

fn config(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Config, message)
}

/// A name of a key or an issuer. The callers of an issuer are named `issuer:subject`, so that they
/// are never those of a key or of another issuer.
fn check_name(name: &str) -> Result<()> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '@');
    if name == ANONYMOUS {
        let message = format!("{ANONYMOUS:?} stands for callers who are not known");
        return Err(config(message).with_hint("choose another name"));
    }
    if name.is_empty() || name.len() > 128 || !name.chars().all(allowed) {
        let message =
            format!("{name:?} is no name of a caller: it takes 1 to 128 of A-Z a-z 0-9 _ . - @");
        return Err(config(message));
    }
    Ok(())
}
