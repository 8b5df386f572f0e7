//! Getting the keys of an issuer from where they are.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use toolexec_core::Result;

use super::super::metadata::is_secure;
use super::jwk::Key;
use super::{KeySource, config};

/// How long a fetch may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The largest set of keys, in bytes.
const MAX: usize = 1 << 20;

/// Gets the keys of an issuer.
#[derive(Debug)]
pub(super) enum Fetcher {
    File(PathBuf),
    Url(Client, Url),
}

/// Why keys were not fetched; for the operator.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("the file cannot be read: {0}")]
    File(#[source] io::Error),
    #[error("the server cannot be reached: {0}")]
    Http(#[from] reqwest::Error),
    #[error("the server answered {0}")]
    Status(reqwest::StatusCode),
    #[error("the answer is larger than {MAX} bytes")]
    TooLarge,
    #[error("it is no JWK set")]
    NoSet,
    #[error("none of its keys checks signatures")]
    Empty,
}

impl Fetcher {
    /// # Errors
    /// When a file does not hold keys, or an address is not secure.
    pub(super) fn new(source: KeySource) -> Result<Self> {
        match source {
            KeySource::File(file) => {
                // Now, so that a wrong path is found at the start.
                let read = std::fs::read(&file).map_err(FetchError::File);
                read.and_then(|text| keys_of(&text)).map_err(|error| {
                    let shown = file.display();
                    config(format!("the keys of the issuer cannot be used: {error}"))
                        .with_source(format!("in {shown}"))
                })?;
                Ok(Self::File(file))
            }
            KeySource::Url(url) => {
                let parsed = Url::parse(&url).ok().filter(is_secure).ok_or_else(|| {
                    config(format!(
                        "the keys of the issuer are not at an https address: {url:?}"
                    ))
                })?;
                let client = client()
                    .map_err(|error| config("no HTTP client can be made").with_source(error))?;
                Ok(Self::Url(client, parsed))
            }
        }
    }

    /// # Cancel safety
    /// Safe.
    pub(super) async fn fetch(&self) -> Result<Vec<Key>, FetchError> {
        match self {
            Self::File(file) => {
                let text = tokio::fs::read(file).await.map_err(FetchError::File)?;
                keys_of(&text)
            }
            Self::Url(client, url) => {
                let mut response = client.get(url.clone()).send().await?;
                if !response.status().is_success() {
                    return Err(FetchError::Status(response.status()));
                }
                let mut text = Vec::new();
                while let Some(chunk) = response.chunk().await? {
                    if text.len() + chunk.len() > MAX {
                        return Err(FetchError::TooLarge);
                    }
                    text.extend_from_slice(&chunk);
                }
                keys_of(&text)
            }
        }
    }
}

fn client() -> Result<Client, reqwest::Error> {
    crate::tls::install();
    // A redirect may lead anywhere: the address is given as it is.
    Client::builder()
        .timeout(TIMEOUT)
        .redirect(Policy::none())
        .build()
}

fn keys_of(text: &[u8]) -> Result<Vec<Key>, FetchError> {
    let keys = Key::set(text).ok_or(FetchError::NoSet)?;
    if keys.is_empty() {
        return Err(FetchError::Empty);
    }
    Ok(keys)
}

impl fmt::Display for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => file.display().fmt(f),
            Self::Url(_, url) => url.fmt(f),
        }
    }
}
