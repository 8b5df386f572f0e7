//! The section `[serve]`: an MCP server in front of the tools.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::ConfigError;
use super::document::Document;
use super::units::{Size, Time};

/// An MCP server in front of the tools (`toolexec serve`).
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ServeSection {
    /// What clients list. Default: meta.
    pub mode: Option<ModeName>,
    /// `none` lets everybody in who reaches the address; on loopback only. Else `keys` or
    /// `issuers` are needed over HTTP.
    pub auth: Option<AuthName>,
    /// Names by which clients reach the server, beside those of loopback.
    pub allowed_hosts: Vec<String>,
    /// Web pages that may call, such as `https://app.example.com`.
    pub allowed_origins: Vec<String>,
    /// The address of the endpoint as clients know it, such as `https://tools.example.com/mcp`;
    /// needed with `issuers`.
    pub resource: Option<String>,
    /// Scopes that every token must have.
    pub scopes: Vec<String>,
    /// API keys, by the name of the caller.
    pub keys: BTreeMap<String, KeySection>,
    /// Issuers of signed tokens (JWT), by a name of yours. Callers are named `NAME:SUBJECT`.
    pub issuers: BTreeMap<String, IssuerSection>,
    /// Results that are too large for a model.
    pub results: ResultsSection,
}

/// What clients list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ModeName {
    /// A few tools that find and run the others.
    Meta,
    /// The tools themselves.
    Direct,
    /// By how many there are.
    Auto,
}

/// How callers are not asked who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AuthName {
    /// Everybody who reaches the address is let in.
    None,
}

/// An API key: exactly one of `secret`, `secret_file` and `sha256`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KeySection {
    /// The roles of its caller, for rules.
    pub roles: Vec<String>,
    /// The secret, at least 16 characters. `${NAME}` is replaced.
    pub secret: Option<String>,
    /// A file with the secret, relative to this file.
    pub secret_file: Option<PathBuf>,
    /// The SHA-256 of the secret, in hexadecimal digits.
    pub sha256: Option<String>,
}

/// An issuer of signed tokens (JWT).
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["issuer"]))]
pub struct IssuerSection {
    /// What `iss` must be: the address of the authorization server.
    pub issuer: String,
    /// What `aud` must have one of. Default: `serve.resource`.
    pub audiences: Vec<String>,
    /// Where its keys are, over https.
    pub jwks_url: Option<String>,
    /// A file with its keys, relative to this file, instead of `jwks_url`.
    pub jwks_file: Option<PathBuf>,
    /// The algorithms that are accepted. Default: RS256, ES256.
    pub algorithms: Vec<AlgorithmName>,
    /// The claim that names the caller. Default: sub.
    pub caller_claim: Option<String>,
    /// The JSON Pointer of the claim with the caller's roles. Default: /roles.
    pub roles_claim: Option<String>,
    /// How far the clocks may differ. Default: 30s.
    pub leeway: Option<Time>,
}

/// An algorithm of signatures with a public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "RFC 7518 defines them")]
pub enum AlgorithmName {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
}

/// Results that are too large for a model: they are kept, and the model gets a handle.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ResultsSection {
    /// Whether large results are kept; else they are sent whole. Default: true.
    pub enabled: Option<bool>,
    /// The most characters of a result that are sent as they are. Default: 25000.
    pub max_inline: Option<usize>,
    /// How much is kept in memory; more goes to disk. Default: 64MiB.
    pub memory: Option<Size>,
    /// How much is kept on disk. Default: 1GiB.
    pub disk: Option<Size>,
    /// How much of both is kept for one caller. Default: 256MiB.
    pub per_caller: Option<Size>,
    /// How long a result is kept. Default: 1h.
    pub lifetime: Option<Time>,
    /// Where the files are; a directory of the system for temporary files when absent.
    pub directory: Option<PathBuf>,
}

pub(super) fn check(document: &Document<'_>, serve: &ServeSection) -> Result<(), ConfigError> {
    if serve.auth.is_some() && !(serve.keys.is_empty() && serve.issuers.is_empty()) {
        let message = "`auth = \"none\"` with keys or issuers: it is one or the other";
        return Err(document.at_key(&["serve", "auth"], message));
    }
    for (name, key) in &serve.keys {
        let given = [
            key.secret.is_some(),
            key.secret_file.is_some(),
            key.sha256.is_some(),
        ];
        if given.into_iter().filter(|given| *given).count() != 1 {
            let message = format!(
                "the key {name} has not exactly one of `secret`, `secret_file` and `sha256`"
            );
            return Err(document.at_key(&["serve", "keys", name], message));
        }
    }
    for (name, issuer) in &serve.issuers {
        let at = |message: String| document.at_key(&["serve", "issuers", name], message);
        if issuer.issuer.is_empty() {
            return Err(at(format!("the issuer {name} has no `issuer`"))
                .with_hint("give what `iss` is in its tokens: the address of the server"));
        }
        if issuer.jwks_url.is_some() == issuer.jwks_file.is_some() {
            return Err(at(format!(
                "the issuer {name} has not exactly one of `jwks_url` and `jwks_file`"
            )));
        }
        if serve.resource.is_none() {
            return Err(at("issuers need `serve.resource`".to_owned()).with_hint(
                "give the address of the endpoint as clients know it: resource = \"https://tools.example.com/mcp\"",
            ));
        }
    }
    Ok(())
}
