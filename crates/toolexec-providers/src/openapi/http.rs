//! Sending requests: the client, redirects, and what goes wrong on the way.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Method, Response};
use toolexec_core::{Error, ErrorKind};

use super::config::{ApiConfig, Redirects};
use super::request::Prepared;
use crate::egress::{PrivateAddress, Resolver, check_literal, check_redirect};
use crate::exchange::{becomes_get, find, only_content, reason, target};

/// Sends requests under the rules of a configuration.
pub(super) struct Http {
    /// Names the API in messages.
    api: Arc<str>,
    redirects: Redirects,
    max_redirects: usize,
    allow_private: bool,
    connect_timeout: Duration,
    // Made at the first use and dropped at shutdown, with its connections.
    client: Mutex<Option<Client>>,
}

/// An answer, and why its redirect was not followed when it is one.
pub(super) struct Reply {
    pub(super) response: Response,
    pub(super) refused: Option<&'static str>,
}

impl Http {
    pub(super) fn new(api: Arc<str>, config: &ApiConfig) -> Self {
        Self {
            api,
            redirects: config.redirects,
            max_redirects: config.max_redirects,
            allow_private: config.allow_private,
            connect_timeout: config.connect_timeout,
            client: Mutex::new(None),
        }
    }

    /// Sends a request and follows its redirects.
    ///
    /// A redirect to another origin takes nothing along but the body and what describes it: no
    /// credential, no configured header, no cookie, no header of the call.
    pub(super) async fn send(&self, request: &Prepared) -> Result<Reply, Error> {
        self.send_under(self.redirects, request).await
    }

    /// Sends a request whose body must go nowhere else.
    pub(super) async fn send_once(&self, request: &Prepared) -> Result<Reply, Error> {
        self.send_under(Redirects::None, request).await
    }

    async fn send_under(&self, policy: Redirects, request: &Prepared) -> Result<Reply, Error> {
        let client = self.client()?;
        let mut method = request.method.clone();
        let mut url = request.url.clone();
        let mut headers = request.all_headers();
        let mut body = request.body.as_ref().map(|body| body.bytes.clone());
        for hop in 0.. {
            if !self.allow_private {
                check_literal(&url).map_err(|error| self.private(hop, error))?;
            }
            let mut sent = client.request(method.clone(), url.clone());
            sent = sent.headers(headers.clone());
            if let Some(body) = &body {
                sent = sent.body(body.clone());
            }
            let response = sent.send().await.map_err(|error| self.failed(hop, error))?;
            let Some(target) = target(&response) else {
                return Ok(Reply {
                    response,
                    refused: None,
                });
            };
            let refused = if hop >= self.max_redirects && policy != Redirects::None {
                Some("there were too many (max_redirects)")
            } else {
                check_redirect(policy, &url, &target).err()
            };
            if refused.is_some() {
                return Ok(Reply { response, refused });
            }
            if becomes_get(response.status(), &method) {
                method = Method::GET;
                body = None;
                headers.remove(CONTENT_TYPE);
            }
            if target.origin() != url.origin() {
                headers = only_content(&headers);
            }
            url = target;
        }
        unreachable!("the loop ends by returning")
    }

    /// Drops the client and its idle connections.
    pub(super) fn shutdown(&self) {
        *self.client.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn client(&self) -> Result<Client, Error> {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = &*client {
            return Ok(client.clone());
        }
        // An error means that the process chose a provider before; that one serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .user_agent(concat!("toolexec/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(self.connect_timeout)
            // A proxy would connect in our place, to addresses that nobody checks.
            .no_proxy();
        if !self.allow_private {
            builder = builder.dns_resolver(Resolver::public());
        }
        let new = builder.build().map_err(|error| {
            Error::new(ErrorKind::Internal, "the HTTP client cannot be set up").with_source(error)
        })?;
        *client = Some(new.clone());
        Ok(new)
    }

    fn private(&self, hop: usize, error: PrivateAddress) -> Error {
        let error = if hop == 0 {
            Error::new(
                ErrorKind::Denied,
                format!(
                    "API {} is at a private address, which its configuration refuses",
                    self.api
                ),
            )
            .with_source(error)
        } else {
            Error::new(
                ErrorKind::Backend,
                format!(
                    "API {} redirected to a private address, which its configuration refuses",
                    self.api
                ),
            )
            .with_source(error)
        };
        error.with_hint("set allow_private = true for an API of your own network or machine")
    }

    fn failed(&self, hop: usize, error: reqwest::Error) -> Error {
        if find::<PrivateAddress>(&error).is_some() {
            return self.private(hop, PrivateAddress);
        }
        let api = &self.api;
        // What was sent before a redirect has been done.
        let unreached = if hop == 0 {
            ErrorKind::Unavailable
        } else {
            ErrorKind::Backend
        };
        let made = if error.is_connect() {
            let reason = reason(&error);
            Error::new(unreached, format!("API {api} cannot be reached: {reason}"))
                .with_hint("check base_url, and that the API is up")
        } else if error.is_timeout() {
            Error::new(
                ErrorKind::Timeout,
                format!("API {api} did not answer in time"),
            )
        } else {
            Error::new(
                ErrorKind::Backend,
                format!("API {api} closed the connection before it answered"),
            )
        };
        // The address may hold a key.
        made.with_source(error.without_url())
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http")
            .field("api", &self.api)
            .field("redirects", &self.redirects)
            .field("allow_private", &self.allow_private)
            .finish_non_exhaustive()
    }
}
