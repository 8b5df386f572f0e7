//! OAuth for servers over HTTP.
//!
//! A program gets a token with its own credentials ([`HttpAuth::ClientCredentials`]); a person
//! logs in with a browser ([`Login`]) and the tokens are kept in a [`TokenStore`] that
//! [`HttpAuth::Stored`] reads and refreshes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use http::StatusCode;
use http::header::{ACCEPT, WWW_AUTHENTICATE};
use rmcp::transport::auth::OAuthState;
use rmcp::transport::streamable_http_client::{AuthRequiredError, InsufficientScopeError};
use rmcp::transport::{
    AuthError, AuthorizationManager, AuthorizationRequest, ClientCredentialsConfig,
    CredentialStore, StoredCredentials,
};
use serde_json::json;
use toolexec_core::{Error, ErrorKind, Result};

use crate::client::error::find;

/// How long a server may take to say what it demands.
const PROBE: Duration = Duration::from_secs(10);

/// How we prove to a server who we are.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum HttpAuth {
    /// Not at all.
    #[default]
    None,
    /// With this token.
    Bearer(String),
    /// With a token that the server's authorization server gives to this program (OAuth 2.0
    /// client credentials).
    ClientCredentials {
        /// The program's id there.
        client_id: String,
        /// Its secret.
        client_secret: String,
        /// The rights asked for.
        scopes: Vec<String>,
    },
    /// With the tokens of an earlier [`Login`], refreshed when they expire.
    Stored(Arc<dyn TokenStore>),
}

/// Keeps the tokens of one server.
pub trait TokenStore: Send + Sync + fmt::Debug + 'static {
    /// What was saved last, or `None`. The text is JSON and holds secrets.
    fn load(&self) -> BoxFuture<'_, std::io::Result<Option<String>>>;

    /// Saves; replaces what was saved before.
    fn save(&self, tokens: String) -> BoxFuture<'_, std::io::Result<()>>;

    /// Forgets.
    fn clear(&self) -> BoxFuture<'_, std::io::Result<()>>;
}

/// A person's login with a browser (OAuth 2.1 authorization code with PKCE).
///
/// Open [`Login::url`] in a browser, wait for the browser to be sent to the redirect URI, and
/// give that address to [`Login::finish`].
pub struct Login {
    state: OAuthState,
    url: String,
}

/// What a [`Login`] needs to know.
#[derive(Clone, Default)]
pub struct LoginRequest {
    /// The URL of the MCP server.
    pub server: String,
    /// Where the browser is sent afterwards; somebody must listen there.
    pub redirect_uri: String,
    /// The id of this program at the authorization server; without one it registers itself.
    pub client_id: Option<String>,
    /// The secret that belongs to the id.
    pub client_secret: Option<String>,
    /// Where a description of this program is published (an HTTPS URL); authorization servers
    /// that read such descriptions need no registration.
    pub client_metadata_url: Option<String>,
    /// The rights asked for; what the server suggests, when empty.
    pub scopes: Vec<String>,
    /// What the server demanded when it refused, as [`challenge`] has it; without one the server
    /// is asked. A refusal for want of rights adds those to the rights that the store has.
    pub challenge: Option<String>,
}

impl Login {
    /// Finds the authorization server, registers there if need be, and prepares the login.
    ///
    /// # Cancel safety
    /// Safe; a registration may have been made.
    pub async fn start(request: LoginRequest, store: Arc<dyn TokenStore>) -> Result<Self> {
        crate::client::transport::http::install_tls();
        let mut manager = AuthorizationManager::new(request.server.as_str())
            .await
            .map_err(failed)?;
        let store = Store(store);
        let ask = request.resolve(&store).await?;
        manager.set_credential_store(store);
        let mut state = OAuthState::Unauthorized(manager);
        state.start_authorization(ask).await.map_err(failed)?;
        let url = state.get_authorization_url().await.map_err(failed)?;
        Ok(Self { state, url })
    }

    /// The address to open in a browser.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Ends the login: `callback` is the address that the browser was sent to, with its query.
    /// The tokens are in the store afterwards.
    ///
    /// # Cancel safety
    /// Not safe: the code in the address can be used once only.
    pub async fn finish(mut self, callback: &str) -> Result<()> {
        self.state
            .handle_callback_url(callback)
            .await
            .map_err(failed)
    }
}

impl LoginRequest {
    /// The request as rmcp wants it, with the demand of the server.
    async fn resolve(self, store: &Store) -> Result<AuthorizationRequest> {
        let challenge = match self.challenge {
            None => probe(&self.server).await,
            known => known,
        };
        let wanted = challenge.as_deref().map(scopes_of).unwrap_or_default();
        let scopes = if self.scopes.is_empty() && !wanted.is_empty() {
            let granted = store.load().await.map_err(failed)?;
            let granted = granted.map(|credentials| credentials.granted_scopes);
            union(granted.unwrap_or_default(), wanted)
        } else {
            self.scopes
        };
        let mut ask = AuthorizationRequest::new(self.redirect_uri)
            .with_initial_scope_selection()
            .with_scopes(scopes)
            .with_client_name("toolexec");
        ask.client_id = self.client_id;
        ask.client_secret = self.client_secret;
        ask.client_metadata_url = self.client_metadata_url;
        ask.challenge = challenge;
        Ok(ask)
    }
}

/// What the server demanded (the header `WWW-Authenticate`) when it refused a call for want of
/// authorization or of rights.
pub fn challenge(error: &Error) -> Option<String> {
    if let Some(refusal) = find::<AuthRequiredError>(error) {
        return Some(refusal.www_authenticate_header.clone());
    }
    find::<InsufficientScopeError>(error).map(|refusal| refusal.www_authenticate_header.clone())
}

/// What the server demands of somebody without a token, if it says so.
async fn probe(server: &str) -> Option<String> {
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(PROBE)
        .build()
        .ok()?;
    let message = json!({"jsonrpc": "2.0", "id": 0, "method": "ping"});
    let answer = client
        .post(server)
        .header(ACCEPT, "application/json, text/event-stream")
        .json(&message)
        .send()
        .await
        .ok()?;
    if answer.status() != StatusCode::UNAUTHORIZED {
        return None;
    }
    let challenge = answer.headers().get(WWW_AUTHENTICATE)?;
    challenge.to_str().ok().map(str::to_owned)
}

/// The rights that a challenge names.
fn scopes_of(challenge: &str) -> Vec<String> {
    let scope = challenge
        .split_once("scope=\"")
        .and_then(|(_, rest)| rest.split('"').next());
    let scopes = scope.unwrap_or_default().split_whitespace();
    scopes.map(str::to_owned).collect()
}

fn union(mut all: Vec<String>, more: Vec<String>) -> Vec<String> {
    for scope in more {
        if !all.contains(&scope) {
            all.push(scope);
        }
    }
    all
}

/// A manager that has a token, or can get one, for the server at `url`.
pub(crate) async fn manager(
    url: &str,
    auth: &HttpAuth,
) -> Result<Option<AuthorizationManager>, AuthError> {
    match auth {
        HttpAuth::None | HttpAuth::Bearer(_) => Ok(None),
        HttpAuth::ClientCredentials {
            client_id,
            client_secret,
            scopes,
        } => {
            let mut state = OAuthState::new(url, None).await?;
            state
                .authenticate_client_credentials(ClientCredentialsConfig::ClientSecret {
                    client_id: client_id.clone(),
                    client_secret: client_secret.clone(),
                    scopes: scopes.clone(),
                    // The server that the token is for (RFC 8707).
                    resource: Some(url.to_owned()),
                })
                .await?;
            Ok(state.into_authorization_manager())
        }
        HttpAuth::Stored(store) => {
            let mut manager = AuthorizationManager::new(url).await?;
            manager.set_credential_store(Store(store.clone()));
            if !manager.initialize_from_store().await? {
                return Err(AuthError::AuthorizationRequired);
            }
            Ok(Some(manager))
        }
    }
}

fn failed(error: AuthError) -> Error {
    let error_of = |message| Error::new(ErrorKind::Denied, message);
    let failure = match &error {
        AuthError::NoAuthorizationSupport | AuthError::MetadataError(_) => {
            error_of("the server does not say how to log in")
                .with_hint("set a bearer token for this server instead")
        }
        AuthError::RegistrationFailed(_) => {
            error_of("the authorization server does not let programs register themselves")
                .with_hint("register toolexec there and set its client id")
        }
        AuthError::UrlError(_) => Error::new(ErrorKind::Config, "the URL is not valid"),
        _ => error_of("the login failed"),
    };
    failure.with_source(error)
}

/// A [`TokenStore`] as rmcp wants it.
struct Store(Arc<dyn TokenStore>);

fn store_error(error: impl fmt::Display) -> AuthError {
    AuthError::CredentialStoreError(error.to_string())
}

#[async_trait]
impl CredentialStore for Store {
    async fn load(&self) -> Result<Option<StoredCredentials>, AuthError> {
        match self.0.load().await.map_err(store_error)? {
            Some(text) => serde_json::from_str(&text).map(Some).map_err(store_error),
            None => Ok(None),
        }
    }

    async fn save(&self, credentials: StoredCredentials) -> Result<(), AuthError> {
        let text = serde_json::to_string(&credentials).map_err(store_error)?;
        self.0.save(text).await.map_err(store_error)
    }

    async fn clear(&self) -> Result<(), AuthError> {
        self.0.clear().await.map_err(store_error)
    }
}

impl fmt::Debug for HttpAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Bearer(_) => f.write_str("Bearer"),
            Self::ClientCredentials { client_id, .. } => f
                .debug_struct("ClientCredentials")
                .field("client_id", client_id)
                .finish_non_exhaustive(),
            Self::Stored(store) => f.debug_tuple("Stored").field(store).finish(),
        }
    }
}

impl fmt::Debug for LoginRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginRequest")
            .field("server", &self.server)
            .field("redirect_uri", &self.redirect_uri)
            .field("client_id", &self.client_id)
            .field("client_metadata_url", &self.client_metadata_url)
            .field("scopes", &self.scopes)
            .field("challenge", &self.challenge)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").finish_non_exhaustive()
    }
}
