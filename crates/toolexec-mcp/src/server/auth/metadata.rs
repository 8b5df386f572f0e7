//! What clients read about the server before they get a token (RFC 9728).

use reqwest::Url;
use serde_json::{Map, Value, json};
use toolexec_core::Result;

use super::{Authenticator, config};

/// Where the document is, with the path of the endpoint after it.
pub const METADATA_PATH: &str = "/.well-known/oauth-protected-resource";

/// The server as an OAuth 2.0 protected resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    url: Url,
    /// A name for people.
    pub title: Option<String>,
    /// Where people read about it.
    pub documentation: Option<String>,
}

impl Resource {
    /// The server by the address of its endpoint, as its clients know it.
    ///
    /// # Errors
    /// When it is no `https` address, nor an `http` one of loopback, or has a query or fragment.
    pub fn new(url: &str) -> Result<Self> {
        let Ok(parsed) = Url::parse(url) else {
            return Err(config(format!("the resource {url:?} is no URL")));
        };
        if !is_secure(&parsed) {
            return Err(config(format!(
                "the resource {url:?} is not reached over https"
            )));
        }
        if parsed.query().is_some() || parsed.fragment().is_some() {
            return Err(config(format!(
                "the resource {url:?} has a query or a fragment"
            )));
        }
        Ok(Self {
            url: parsed,
            title: None,
            documentation: None,
        })
    }

    /// The address of the endpoint, without a slash at its end.
    pub fn url(&self) -> &str {
        self.url.as_str().trim_end_matches('/')
    }

    /// Where the document is for clients.
    pub fn metadata_url(&self) -> String {
        format!(
            "{}{}",
            self.url.origin().ascii_serialization(),
            self.metadata_path()
        )
    }

    /// The paths under which the document is served: with the path of the endpoint, and without.
    pub(super) fn paths(&self) -> Vec<String> {
        let mut paths = vec![METADATA_PATH.to_owned()];
        let own = self.metadata_path();
        if own != METADATA_PATH {
            paths.push(own);
        }
        paths
    }

    fn metadata_path(&self) -> String {
        format!("{METADATA_PATH}{}", self.url.path().trim_end_matches('/'))
    }
}

impl Authenticator {
    /// The document, and the paths under which it is served.
    pub(super) fn metadata(&self) -> Option<(Vec<String>, Value)> {
        let resource = self.0.resource.as_ref()?;
        let issuers: Vec<&str> = self
            .0
            .verifiers
            .iter()
            .map(super::jwt::Verifier::issuer)
            .collect();
        let mut document = Map::new();
        document.insert("resource".to_owned(), json!(resource.url()));
        if !issuers.is_empty() {
            document.insert("authorization_servers".to_owned(), json!(issuers));
        }
        document.insert("bearer_methods_supported".to_owned(), json!(["header"]));
        if !self.0.scopes.is_empty() {
            document.insert("scopes_supported".to_owned(), json!(self.0.scopes));
        }
        if let Some(title) = &resource.title {
            document.insert("resource_name".to_owned(), json!(title));
        }
        if let Some(url) = &resource.documentation {
            document.insert("resource_documentation".to_owned(), json!(url));
        }
        Some((resource.paths(), Value::Object(document)))
    }
}

/// Whether nobody between can read or change what goes to this address.
pub(super) fn is_secure(url: &Url) -> bool {
    let is_loopback = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback)
}
