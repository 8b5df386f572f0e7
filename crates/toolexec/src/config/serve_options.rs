//! From the section `[serve]` to what a server takes.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use toolexec_core::{Error, ErrorKind};
use toolexec_mcp::server::Mode;
use toolexec_mcp::server::auth::{
    Algorithm, ApiKey, Auth, AuthOptions, Issuer, KeySource, Resource,
};
use toolexec_mcp::server::http::HttpOptions;
use toolexec_mcp::server::results::ResultOptions;

use super::Config;
use super::serve::{AlgorithmName, AuthName, IssuerSection, KeySection, ModeName, ResultsSection};
use super::units::{Size, Time};

/// A stand-in for "no limit": the process ends before.
const FOREVER: Duration = Duration::from_hours(365 * 24);

impl Config {
    /// Who may call over HTTP.
    ///
    /// # Errors
    /// When a variable or a file is missing that a key needs, or a secret is too short.
    pub fn http_auth(&self) -> Result<Auth, Error> {
        if let Some(fault) = &self.serve_fault {
            return Err(fault.clone().into());
        }
        let serve = &self.sections.serve;
        if serve.auth == Some(AuthName::None) {
            return Ok(Auth::None);
        }
        if serve.keys.is_empty() && serve.issuers.is_empty() {
            return Ok(Auth::Unset);
        }
        let keys = serve.keys.iter().map(|(name, key)| self.key(name, key));
        let issuers = serve
            .issuers
            .iter()
            .map(|(name, own)| self.issuer(name, own));
        Ok(Auth::Required(AuthOptions {
            keys: keys.collect::<Result<_, _>>()?,
            issuers: issuers.collect::<Result<_, _>>()?,
            scopes: serve.scopes.clone(),
            resource: serve.resource.as_deref().map(Resource::new).transpose()?,
        }))
    }

    /// How a server listens on `address`.
    ///
    /// # Errors
    /// As [`http_auth`](Self::http_auth).
    pub fn http_options(&self, address: SocketAddr) -> Result<HttpOptions, Error> {
        let serve = &self.sections.serve;
        let mut options = HttpOptions::new(address);
        options.auth = self.http_auth()?;
        options.allowed_hosts.clone_from(&serve.allowed_hosts);
        options.allowed_origins.clone_from(&serve.allowed_origins);
        Ok(options)
    }

    /// How large results are kept; `None` when they are sent whole.
    pub fn result_options(&self) -> Option<ResultOptions> {
        let ResultsSection {
            enabled,
            max_inline,
            memory,
            disk,
            per_caller,
            lifetime,
            directory,
        } = &self.sections.serve.results;
        if *enabled == Some(false) {
            return None;
        }
        let usual = ResultOptions::default();
        let size = |own: Option<Size>, usual| own.map_or(usual, |Size(bytes)| bytes);
        let lifetime = lifetime.map_or(Some(usual.lifetime), |Time(time)| time);
        let directory = directory.as_ref();
        Some(ResultOptions {
            max_inline: max_inline.unwrap_or(usual.max_inline),
            memory: size(*memory, usual.memory),
            disk: size(*disk, usual.disk),
            per_caller: size(*per_caller, usual.per_caller),
            lifetime: lifetime.unwrap_or(FOREVER),
            directory: directory.map(|own| self.directory().join(own)),
            jq: None,
        })
    }

    fn key(&self, name: &str, key: &KeySection) -> Result<ApiKey, Error> {
        if let Some(sha256) = &key.sha256 {
            return ApiKey::from_sha256(name, &key.roles, sha256);
        }
        if let Some(file) = &key.secret_file {
            let secret = fs::read_to_string(self.directory().join(file)).map_err(|error| {
                let message = format!("the secret of the key {name:?} cannot be read");
                Error::new(ErrorKind::Config, message).with_source(error)
            })?;
            return ApiKey::from_secret(name, &key.roles, &secret);
        }
        ApiKey::from_secret(name, &key.roles, key.secret.as_deref().unwrap_or_default())
    }

    fn issuer(&self, name: &str, own: &IssuerSection) -> Result<Issuer, Error> {
        let keys = match (&own.jwks_file, &own.jwks_url) {
            (Some(file), _) => KeySource::File(self.directory().join(file)),
            (None, url) => KeySource::Url(url.clone().unwrap_or_default()),
        };
        let mut audiences = own.audiences.clone();
        if audiences.is_empty() {
            let resource = self.sections.serve.resource.as_deref();
            let resource = resource.map(Resource::new).transpose()?;
            audiences.extend(resource.map(|resource| resource.url().to_owned()));
        }
        let mut issuer = Issuer::new(name, &*own.issuer, audiences, keys);
        if !own.algorithms.is_empty() {
            issuer.algorithms = own.algorithms.iter().map(|&name| name.into()).collect();
        }
        if let Some(claim) = &own.caller_claim {
            issuer.caller_claim.clone_from(claim);
        }
        if let Some(pointer) = &own.roles_claim {
            issuer.roles_claim.clone_from(pointer);
        }
        if let Some(Time(leeway)) = own.leeway {
            issuer.leeway = leeway.unwrap_or(Duration::ZERO);
        }
        Ok(issuer)
    }
}

impl From<ModeName> for Mode {
    fn from(name: ModeName) -> Self {
        match name {
            ModeName::Meta => Self::Meta,
            ModeName::Direct => Self::Direct,
            ModeName::Auto => Self::Auto,
        }
    }
}

impl From<AlgorithmName> for Algorithm {
    fn from(name: AlgorithmName) -> Self {
        match name {
            AlgorithmName::RS256 => Self::Rs256,
            AlgorithmName::RS384 => Self::Rs384,
            AlgorithmName::RS512 => Self::Rs512,
            AlgorithmName::PS256 => Self::Ps256,
            AlgorithmName::PS384 => Self::Ps384,
            AlgorithmName::PS512 => Self::Ps512,
            AlgorithmName::ES256 => Self::Es256,
            AlgorithmName::ES384 => Self::Es384,
            AlgorithmName::EdDSA => Self::EdDsa,
        }
    }
}
