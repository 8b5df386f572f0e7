//! OAuth for servers over HTTP.
//!
//! A program gets a token with its own credentials ([`HttpAuth::ClientCredentials`]); a person
//! logs in with a browser ([`Login`]) and the tokens are kept in a [`TokenStore`] that
//! [`HttpAuth::Stored`] reads and refreshes.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use rmcp::transport::auth::OAuthState;
use rmcp::transport::{
    AuthError, AuthorizationManager, AuthorizationRequest, ClientCredentialsConfig,
    CredentialStore, StoredCredentials,
};
use toolexec_core::{Error, ErrorKind, Result};

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
    /// The rights asked for; what the server suggests, when empty.
    pub scopes: Vec<String>,
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
        manager.set_credential_store(Store(store));
        let mut state = OAuthState::Unauthorized(manager);
        let mut ask = AuthorizationRequest::new(request.redirect_uri)
            .with_scopes(request.scopes)
            .with_client_name("toolexec");
        if let Some(id) = request.client_id {
            ask = ask.with_preregistered_client(id);
        }
        if let Some(secret) = request.client_secret {
            ask = ask.with_client_secret(secret);
        }
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
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").finish_non_exhaustive()
    }
}
