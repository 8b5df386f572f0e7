//! What a person configures about an API.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use toolexec_core::pattern::glob;

use crate::secret::Secret;

/// How an API is reached, and which of its operations become tools.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// The namespace of its tools; the API's name when absent.
    pub namespace: Option<String>,
    /// Where the API is, in place of every server that the document names.
    pub base_url: Option<String>,
    /// Which of the document's servers is used, by its place in the list (from 0), its URL or its
    /// description; the first when absent.
    pub server: Option<String>,
    /// Values of the server's variables, in place of their defaults.
    pub server_variables: BTreeMap<String, String>,
    /// Credentials by the name of the document's security scheme. The name `*` stands for one
    /// that is sent with every operation for which the document does not say what it needs.
    pub auth: BTreeMap<String, Credential>,
    /// Headers sent with every request.
    pub headers: BTreeMap<String, Secret>,
    /// Origins (`https://uploads.example.com`) besides that of the server which may get
    /// credentials and headers.
    pub trusted_origins: Vec<String>,
    /// Which operations become tools; all when empty.
    pub include: Vec<OperationFilter>,
    /// Which operations do not, even when they are included.
    pub exclude: Vec<OperationFilter>,
    /// Whether tools get the schema that the document gives for a successful answer. Switch it
    /// off for an API that does not keep to its own document.
    pub output_schemas: bool,
    /// Which redirects are followed.
    pub redirects: Redirects,
    /// The most redirects followed in one call.
    pub max_redirects: usize,
    /// Whether private, loopback and link-local addresses may be connected to.
    pub allow_private: bool,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long an answer may take, from the request to its last byte. A stream of events may
    /// last as long as the call may, and be silent for this long.
    pub timeout: Duration,
    /// Sizes.
    pub limits: ApiLimits,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            namespace: None,
            base_url: None,
            server: None,
            server_variables: BTreeMap::new(),
            auth: BTreeMap::new(),
            headers: BTreeMap::new(),
            trusted_origins: Vec::new(),
            include: Vec::new(),
            exclude: Vec::new(),
            output_schemas: true,
            redirects: Redirects::default(),
            max_redirects: 5,
            allow_private: false,
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(60),
            limits: ApiLimits::default(),
        }
    }
}

/// The sizes an API may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiLimits {
    /// The largest document, in bytes of its text.
    pub max_document: usize,
    /// The largest answer, in bytes after decompression; for a stream, of all its events.
    pub max_response: usize,
    /// The largest request body, in bytes.
    pub max_request: usize,
    /// The largest input schema, in bytes of JSON; what is beyond is not checked, and said so.
    pub max_input_schema: usize,
    /// The largest output schema kept, in bytes of JSON; a larger one is left out and said so.
    pub max_output_schema: usize,
}

impl Default for ApiLimits {
    fn default() -> Self {
        Self {
            max_document: 64 << 20,
            max_response: 10 << 20,
            max_request: 32 << 20,
            max_input_schema: 1 << 20,
            max_output_schema: 256 << 10,
        }
    }
}

/// Which redirects are followed. A redirect from https to http never is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Redirects {
    /// None: the answer says where it points.
    None,
    /// Those to the same scheme, host and port.
    #[default]
    SameOrigin,
    /// All. Credentials and configured headers stay with their origin.
    All,
}

/// Picks operations. Every field that is set must fit; `*` in a text stands for any characters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OperationFilter {
    /// One of the operation's tags.
    pub tag: Option<String>,
    /// The operation id.
    pub operation: Option<String>,
    /// The path as the document writes it.
    pub path: Option<String>,
    /// The method, in any case.
    pub method: Option<String>,
}

/// A credential.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Credential {
    /// A key, sent where the document's scheme says.
    ApiKey {
        /// The key.
        value: Secret,
        /// Where it is sent when no scheme says so: `header`, `query` or `cookie`.
        #[serde(default, rename = "in")]
        location: Option<KeyLocation>,
        /// The name of the header, query parameter or cookie when no scheme says so.
        #[serde(default)]
        name: Option<String>,
    },
    /// A token, sent as `Authorization: Bearer`. Fits schemes of any OAuth 2 flow too.
    Bearer {
        /// The token.
        token: Secret,
    },
    /// A user and a password (RFC 7617).
    Basic {
        /// The user.
        username: String,
        /// The password.
        password: Secret,
    },
    /// OAuth 2 client credentials: a token is fetched, kept and renewed.
    ClientCredentials {
        /// The client.
        client_id: String,
        /// Its secret.
        client_secret: Secret,
        /// Where tokens come from. When absent, the document's address is used, provided that it
        /// is at the API's own origin.
        #[serde(default)]
        token_url: Option<String>,
        /// The scopes asked for; none means those that the operation names.
        #[serde(default)]
        scopes: Vec<String>,
        /// Whether the client's name and secret go into the form instead of a header.
        #[serde(default)]
        in_body: bool,
    },
}

/// Where an API key is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyLocation {
    /// A header.
    Header,
    /// A query parameter.
    Query,
    /// A cookie.
    Cookie,
}

impl OperationFilter {
    /// Whether an operation fits.
    pub(crate) fn fits(&self, method: &str, path: &str, id: &str, tags: &[&str]) -> bool {
        let fits = |pattern: &Option<String>, text: &str| {
            pattern.as_deref().is_none_or(|pattern| glob(pattern, text))
        };
        fits(&self.path, path)
            && fits(&self.operation, id)
            && (self.method.as_deref()).is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && (self.tag.as_deref()).is_none_or(|wanted| tags.iter().any(|tag| glob(wanted, tag)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_needs_all_its_fields() {
        let filter = OperationFilter {
            tag: Some("pets".into()),
            method: Some("GET".into()),
            ..OperationFilter::default()
        };
        assert!(filter.fits("get", "/pets", "listPets", &["store", "pets"]));
        assert!(!filter.fits("post", "/pets", "addPet", &["pets"]));
        assert!(!filter.fits("get", "/pets", "listPets", &[]));
    }
}
