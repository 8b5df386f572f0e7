//! APIs of the configuration: their settings, and their documents.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::future::BoxFuture;
use toolexec_core::{BackendKind, BackendRef, Error, ErrorKind, Listing, Source};
use toolexec_providers::openapi::{
    ApiConfig, ApiLimits, Credential, KeyLocation, OpenApi, OperationFilter, Redirects,
};

use super::connect::FOREVER;
use super::sections::{ApiAuth, ApiSection, Filter, KeyPlace, RedirectRule};
use super::units::{Size, Time};

/// An API whose document is read when its tools are first needed: documents can be large.
#[derive(Debug)]
pub(super) struct ApiFile {
    backend: BackendRef,
    namespace: String,
    document: PathBuf,
    config: ApiConfig,
    loaded: OnceLock<Arc<OpenApi>>,
}

impl ApiFile {
    pub(super) fn new(name: &str, section: &ApiSection, directory: &Path) -> Self {
        Self {
            backend: BackendRef::new(BackendKind::Provider, name),
            namespace: section.namespace.as_deref().unwrap_or(name).to_owned(),
            document: directory.join(&section.spec),
            config: api(section),
            loaded: OnceLock::new(),
        }
    }

    fn read(&self) -> Result<Arc<OpenApi>, Error> {
        let name = &*self.backend.name;
        let text = std::fs::read_to_string(&self.document).map_err(|error| {
            let message = format!("the document of API {name} cannot be read");
            let path = self.document.display();
            let cause = std::io::Error::new(error.kind(), format!("{path}: {error}"));
            Error::new(ErrorKind::Config, message)
                .with_source(cause)
                .with_hint(format!("check `spec` in [apis.{name}]"))
        })?;
        OpenApi::parse(name, &self.config, &text)
    }
}

impl Source for ApiFile {
    fn backend_ref(&self) -> &BackendRef {
        &self.backend
    }

    fn namespace(&self) -> &str {
        &self.namespace
    }

    fn list(self: Arc<Self>) -> BoxFuture<'static, Result<Listing, Error>> {
        Box::pin(async move {
            if let Some(loaded) = self.loaded.get() {
                return loaded.clone().list().await;
            }
            let this = self.clone();
            // Reading and parsing megabytes would hold up other tasks.
            let api = tokio::task::spawn_blocking(move || this.read())
                .await
                .map_err(|error| {
                    let message = "the document could not be read to its end";
                    Error::new(ErrorKind::Internal, message).with_source(error)
                })??;
            self.loaded.get_or_init(|| api).clone().list().await
        })
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        match self.loaded.get() {
            Some(loaded) => loaded.shutdown(),
            None => Box::pin(std::future::ready(())),
        }
    }
}

fn api(section: &ApiSection) -> ApiConfig {
    let usual = ApiConfig::default();
    let time = |own: Option<Time>, usual: Duration| match own {
        Some(Time(time)) => time.unwrap_or(FOREVER),
        None => usual,
    };
    let size = |own: Option<Size>, usual: usize| own.map_or(usual, |Size(bytes)| bytes);
    ApiConfig {
        namespace: section.namespace.clone(),
        base_url: section.base_url.clone(),
        server: section.server.clone(),
        server_variables: section.server_variables.clone(),
        auth: section
            .auth
            .iter()
            .map(|(name, auth)| (name.clone(), credential(auth)))
            .collect(),
        headers: section
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), value.clone().into()))
            .collect(),
        trusted_origins: section.trusted_origins.clone(),
        include: section.include.iter().map(filter).collect(),
        exclude: section.exclude.iter().map(filter).collect(),
        output_schemas: section.output_schemas.unwrap_or(usual.output_schemas),
        redirects: section
            .redirects
            .map_or(usual.redirects, |rule| match rule {
                RedirectRule::None => Redirects::None,
                RedirectRule::SameOrigin => Redirects::SameOrigin,
                RedirectRule::All => Redirects::All,
            }),
        max_redirects: section.max_redirects.unwrap_or(usual.max_redirects),
        allow_private: section.allow_private.unwrap_or(usual.allow_private),
        connect_timeout: time(section.connect_timeout, usual.connect_timeout),
        timeout: time(section.timeout, usual.timeout),
        limits: ApiLimits {
            max_document: size(section.max_document, usual.limits.max_document),
            max_response: size(section.max_response, usual.limits.max_response),
            max_request: size(section.max_request, usual.limits.max_request),
            ..usual.limits
        },
    }
}

fn filter(filter: &Filter) -> OperationFilter {
    OperationFilter {
        tag: filter.tag.clone(),
        operation: filter.operation.clone(),
        path: filter.path.clone(),
        method: filter.method.clone(),
    }
}

fn credential(auth: &ApiAuth) -> Credential {
    match auth {
        ApiAuth::ApiKey {
            value,
            location,
            name,
        } => Credential::ApiKey {
            value: value.clone().into(),
            location: location.map(|place| match place {
                KeyPlace::Header => KeyLocation::Header,
                KeyPlace::Query => KeyLocation::Query,
                KeyPlace::Cookie => KeyLocation::Cookie,
            }),
            name: name.clone(),
        },
        ApiAuth::Bearer { token } => Credential::Bearer {
            token: token.clone().into(),
        },
        ApiAuth::Basic { username, password } => Credential::Basic {
            username: username.clone(),
            password: password.clone().into(),
        },
        ApiAuth::ClientCredentials {
            client_id,
            client_secret,
            token_url,
            scopes,
            in_body,
        } => Credential::ClientCredentials {
            client_id: client_id.clone(),
            client_secret: client_secret.clone().into(),
            token_url: token_url.clone(),
            scopes: scopes.clone(),
            in_body: *in_body,
        },
    }
}
