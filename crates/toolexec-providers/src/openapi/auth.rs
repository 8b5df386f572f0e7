//! Which credentials a call gets, and how they are sent.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;
use toolexec_core::{Error, ErrorKind};
use url::Url;

use super::config::{Credential, KeyLocation};
use super::http::Http;
use super::model::Requirement;
use super::request::{Prepared, header};
use super::style;
use super::token::{self, Request};
use crate::secret::Secret;

/// A security scheme of the document.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Scheme {
    Key { location: KeyLocation, name: String },
    ClientCredentials { token_url: String },
    Other,
}

/// The credentials of an API.
#[derive(Debug)]
pub(super) struct Auth {
    api: Arc<str>,
    schemes: BTreeMap<String, Scheme>,
    credentials: BTreeMap<String, Credential>,
    /// The API's own address.
    base: Url,
    // By scheme and scopes. Held while a token is fetched, so that it is fetched once.
    tokens: Mutex<HashMap<(String, String), Token>>,
}

#[derive(Debug, Clone)]
struct Token {
    text: Secret,
    expires: Instant,
}

/// What a call gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Choice {
    /// These credentials, by scheme, with the scopes that are needed.
    Use(Requirement),
    /// None.
    None,
    /// None, though one of these is needed.
    Missing(String),
}

impl Auth {
    /// Reads the schemes of a document. Also says what of the configuration has no use.
    pub(super) fn new(
        api: Arc<str>,
        root: &Value,
        credentials: BTreeMap<String, Credential>,
        base: Url,
    ) -> Result<(Self, Vec<String>), Error> {
        let declared = root.pointer("/components/securitySchemes");
        let declared = declared.and_then(Value::as_object).into_iter().flatten();
        let schemes: BTreeMap<String, Scheme> = declared
            .map(|(name, fields)| (name.clone(), scheme(fields)))
            .collect();
        let mut notices = Vec::new();
        for (name, credential) in &credentials {
            if name != "*" && !schemes.contains_key(name) {
                let known: Vec<&str> = schemes.keys().map(String::as_str).collect();
                notices.push(format!(
                    "auth.{name} is never used: the document's security schemes are [{}]; the \
                     name * stands for any",
                    known.join(", ")
                ));
            }
            check(name, credential, schemes.get(name))?;
        }
        let auth = Self {
            api,
            schemes,
            credentials,
            base,
            tokens: Mutex::default(),
        };
        Ok((auth, notices))
    }

    /// Picks the first alternative for which every credential is configured.
    pub(super) fn choose(&self, security: Option<&[Requirement]>) -> Choice {
        let Some(alternatives) = security else {
            return match self.credentials.get("*") {
                Some(_) => Choice::Use(vec![("*".to_owned(), Vec::new())]),
                None => Choice::None,
            };
        };
        let is_there = |requirement: &&Requirement| {
            !requirement.is_empty()
                && (requirement.iter()).all(|(name, _)| self.credential(name).is_some())
        };
        if let Some(requirement) = alternatives.iter().find(is_there) {
            return Choice::Use(requirement.clone());
        }
        if alternatives.is_empty() || alternatives.iter().any(Vec::is_empty) {
            return Choice::None;
        }
        let names = alternatives.iter().map(|requirement| {
            let names: Vec<&str> = requirement.iter().map(|(name, _)| name.as_str()).collect();
            names.join(" + ")
        });
        let names: BTreeSet<String> = names.collect();
        Choice::Missing(names.into_iter().collect::<Vec<_>>().join(" or "))
    }

    /// Adds credentials to a request. With `renew`, tokens are fetched anew. Tells whether a kept
    /// token was used, which may have been withdrawn.
    pub(super) async fn apply(
        &self,
        requirement: &Requirement,
        request: &mut Prepared,
        http: &Http,
        renew: bool,
    ) -> Result<bool, Error> {
        let mut was_kept = false;
        for (name, scopes) in requirement {
            let Some(credential) = self.credential(name) else {
                continue;
            };
            match credential {
                Credential::ApiKey { .. } => self.apply_key(name, credential, request)?,
                Credential::Bearer { token } => {
                    authorize(request, name, "Bearer", token.expose())?;
                }
                Credential::Basic { username, password } => {
                    let pair = STANDARD.encode(format!("{username}:{}", password.expose()));
                    authorize(request, name, "Basic", &pair)?;
                }
                Credential::ClientCredentials { .. } => {
                    let (token, kept) = self.token(name, credential, scopes, http, renew).await?;
                    was_kept |= kept;
                    authorize(request, name, "Bearer", token.expose())?;
                }
            }
        }
        Ok(was_kept)
    }

    fn credential(&self, scheme: &str) -> Option<&Credential> {
        (self.credentials.get(scheme)).or_else(|| self.credentials.get("*"))
    }

    fn apply_key(
        &self,
        name: &str,
        credential: &Credential,
        request: &mut Prepared,
    ) -> Result<(), Error> {
        let Credential::ApiKey { value, .. } = credential else {
            return Ok(());
        };
        let (location, key) =
            key_place(credential, self.schemes.get(name)).ok_or_else(|| no_place(name))?;
        match location {
            KeyLocation::Header => {
                let (key, mut value) =
                    header(key, value.expose()).map_err(|reason| unusable(name, &reason))?;
                value.set_sensitive(true);
                request.headers.insert(key, value);
            }
            KeyLocation::Query => request.add_query(key, value.expose()),
            KeyLocation::Cookie => request.cookies.push((
                style::encode(key, false),
                style::encode(value.expose(), false),
            )),
        }
        Ok(())
    }

    /// A token, and whether it was kept from an earlier call.
    async fn token(
        &self,
        name: &str,
        credential: &Credential,
        scopes: &[String],
        http: &Http,
        renew: bool,
    ) -> Result<(Secret, bool), Error> {
        let Credential::ClientCredentials {
            token_url,
            scopes: configured,
            ..
        } = credential
        else {
            return Err(no_place(name));
        };
        let scope = if configured.is_empty() {
            scopes
        } else {
            configured
        }
        .join(" ");
        let key = (name.to_owned(), scope.clone());
        let mut tokens = self.tokens.lock().await;
        if let Some(token) = tokens.get(&key)
            && !renew
            && Instant::now() < token.expires
        {
            return Ok((token.text.clone(), true));
        }
        tokens.remove(&key);
        let url = self.token_url(name, token_url.as_deref())?;
        let fetched =
            token::fetch(&self.api, http, &Request::new(credential, url, &scope)?).await?;
        // A little early, so that it does not expire on its way.
        let lifetime = fetched.lifetime.saturating_sub(Duration::from_secs(30));
        tokens.insert(
            key,
            Token {
                text: fetched.text.clone(),
                expires: Instant::now() + lifetime.max(Duration::from_secs(1)),
            },
        );
        Ok((fetched.text, false))
    }

    /// The configured address of the token server, else the document's at the API's own origin:
    /// a document must not send the client's secret elsewhere.
    fn token_url(&self, name: &str, configured: Option<&str>) -> Result<Url, Error> {
        let wrong = |message: String| {
            Error::new(ErrorKind::Config, message)
                .with_hint(format!("set token_url of auth.{name} for API {}", self.api))
        };
        if let Some(text) = configured {
            return Url::parse(text)
                .map_err(|error| wrong(format!("auth.{name}: token_url: {error}")));
        }
        let Some(Scheme::ClientCredentials { token_url }) = self.schemes.get(name) else {
            return Err(wrong(format!(
                "auth.{name}: the document names no token server for it"
            )));
        };
        match self.base.join(token_url) {
            Ok(url) if url.origin() == self.base.origin() => Ok(url),
            _ => Err(wrong(format!(
                "auth.{name}: the document's token server is not at the API's own origin, so its \
                 address must be configured"
            ))),
        }
    }
}

fn scheme(fields: &Value) -> Scheme {
    let text = |key: &str| fields.get(key).and_then(Value::as_str);
    match text("type") {
        Some("apiKey") => {
            let location = match text("in") {
                Some("query") => KeyLocation::Query,
                Some("cookie") => KeyLocation::Cookie,
                _ => KeyLocation::Header,
            };
            text("name").map_or(Scheme::Other, |name| Scheme::Key {
                location,
                name: name.to_owned(),
            })
        }
        Some("oauth2") => {
            let url = fields.pointer("/flows/clientCredentials/tokenUrl");
            url.and_then(Value::as_str)
                .map_or(Scheme::Other, |url| Scheme::ClientCredentials {
                    token_url: url.to_owned(),
                })
        }
        _ => Scheme::Other,
    }
}

fn check(name: &str, credential: &Credential, scheme: Option<&Scheme>) -> Result<(), Error> {
    let is_key = matches!(credential, Credential::ApiKey { .. });
    if is_key && name != "*" && scheme.is_some() && key_place(credential, scheme).is_none() {
        return Err(no_place(name));
    }
    Ok(())
}

/// Where a key goes: where the configuration says, else where the document does.
fn key_place<'a>(
    credential: &'a Credential,
    scheme: Option<&'a Scheme>,
) -> Option<(KeyLocation, &'a str)> {
    let Credential::ApiKey { location, name, .. } = credential else {
        return None;
    };
    let (declared, declared_name) = match scheme {
        Some(Scheme::Key { location, name }) => (Some(*location), Some(name.as_str())),
        _ => (None, None),
    };
    let location = location.or(declared).unwrap_or(KeyLocation::Header);
    Some((location, name.as_deref().or(declared_name)?))
}

fn authorize(request: &mut Prepared, name: &str, kind: &str, text: &str) -> Result<(), Error> {
    let mut value = HeaderValue::from_str(&format!("{kind} {text}"))
        .map_err(|_| unusable(name, "it has characters that no header may have"))?;
    value.set_sensitive(true);
    request.headers.insert(AUTHORIZATION, value);
    Ok(())
}

fn no_place(name: &str) -> Error {
    Error::new(
        ErrorKind::Config,
        format!("auth.{name}: the document does not say where this key goes"),
    )
    .with_hint("set \"in\" (header, query or cookie) and \"name\" of the key")
}

fn unusable(name: &str, reason: &str) -> Error {
    Error::new(
        ErrorKind::Config,
        format!("auth.{name} cannot be sent: {reason}"),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn auth(names: &[&str]) -> Auth {
        let root = json!({"components": {"securitySchemes": {
            "key": {"type": "apiKey", "in": "query", "name": "k"},
            "login": {"type": "http", "scheme": "basic"},
            "app": {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "https://login.example.com/t"}}},
            "own": {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "/t"}}},
        }}});
        let credentials = names.iter().map(|name| {
            let credential = Credential::Bearer { token: "t".into() };
            ((*name).to_owned(), credential)
        });
        let base = Url::parse("https://api.example.com/v1").unwrap();
        Auth::new("x".into(), &root, credentials.collect(), base)
            .unwrap()
            .0
    }

    fn needs(alternatives: &[&[&str]]) -> Vec<Requirement> {
        alternatives
            .iter()
            .map(|names| {
                names
                    .iter()
                    .map(|name| ((*name).to_owned(), Vec::new()))
                    .collect()
            })
            .collect()
    }

    /// What is configured, what the operation says, and what is chosen.
    type Case<'a> = (&'a [&'a str], Option<&'a [&'a [&'a str]]>, Choice);

    #[test]
    fn the_first_complete_alternative_is_chosen() {
        let used = |names: &[&str]| Choice::Use(needs(&[names]).remove(0));
        let both: &[&[&str]] = &[&["key", "login"], &["login"]];
        let cases: [Case<'_>; 9] = [
            (&["login"], Some(both), used(&["login"])),
            (&["login", "key"], Some(both), used(&["key", "login"])),
            (
                &["key"],
                Some(both),
                Choice::Missing("key + login or login".into()),
            ),
            (&["*"], Some(both), used(&["key", "login"])),
            (&["key"], Some(&[]), Choice::None),
            (&["key"], Some(&[&[], &["key"]]), used(&["key"])),
            (&[], Some(&[&[], &["key"]]), Choice::None),
            (&["key"], None, Choice::None),
            (&["*"], None, used(&["*"])),
        ];
        for (configured, alternatives, expected) in cases {
            let alternatives = alternatives.map(needs);
            assert_eq!(auth(configured).choose(alternatives.as_deref()), expected);
        }
    }

    #[test]
    fn a_document_cannot_send_the_secret_elsewhere() {
        let auth = auth(&[]);
        let url = |name: &str, configured| {
            auth.token_url(name, configured)
                .map(|url| url.to_string())
                .map_err(|e| e.kind())
        };
        assert_eq!(url("own", None), Ok("https://api.example.com/t".into()));
        assert_eq!(url("app", None), Err(ErrorKind::Config));
        let configured = Some("https://login.example.com/t");
        assert_eq!(
            url("app", configured),
            Ok("https://login.example.com/t".into())
        );
        assert_eq!(url("key", None), Err(ErrorKind::Config));
    }

    #[test]
    fn a_credential_without_use_is_said() {
        let credentials = [("other".to_owned(), Credential::Bearer { token: "t".into() })];
        let base = Url::parse("https://api.example.com").unwrap();
        let (_, notices) = Auth::new("x".into(), &json!({}), credentials.into(), base).unwrap();
        assert_eq!(
            notices,
            [
                "auth.other is never used: the document's security schemes are []; the name * stands for any"
            ]
        );
    }
}
