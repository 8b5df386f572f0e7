//! HTTP clients that connect only where they may.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::{Certificate, Client};
use toolexec_core::{Error, ErrorKind, Result};

use crate::egress::{Names, Resolver, SystemNames};

/// How long connecting may take.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A client for public addresses, and one for all; each is made at its first use.
pub(crate) struct Clients {
    names: Arc<dyn Names>,
    trusted: Vec<Certificate>,
    made: [Mutex<Option<Client>>; 2],
}

impl Clients {
    /// With the resolver of the machine, and the authorities that it trusts.
    pub(crate) fn system() -> Self {
        Self::new(Arc::new(SystemNames), Vec::new())
    }

    /// Trusts further authorities than the machine does.
    pub(crate) fn new(names: Arc<dyn Names>, trusted: Vec<Certificate>) -> Self {
        Self {
            names,
            trusted,
            made: [Mutex::new(None), Mutex::new(None)],
        }
    }

    /// How names are resolved.
    pub(crate) fn resolver(&self, allow_private: bool) -> Resolver {
        Resolver::new(self.names.clone(), allow_private)
    }

    /// The client that may connect to private addresses, or the one that may not. It follows no
    /// redirect, and checks no address that is written in the URL itself.
    pub(crate) fn get(&self, allow_private: bool) -> Result<Client> {
        let [public, all] = &self.made;
        let slot = if allow_private { all } else { public };
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = &*slot {
            return Ok(client.clone());
        }
        // An error means that the process chose a provider before; that one serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .user_agent(concat!("toolexec/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            // A proxy would connect in our place, to addresses that nobody checks.
            .no_proxy()
            .dns_resolver(self.resolver(allow_private))
            .tls_certs_merge(self.trusted.iter().cloned())
            .build();
        let client = client.map_err(|error| {
            Error::new(ErrorKind::Internal, "the HTTP client cannot be set up").with_source(error)
        })?;
        *slot = Some(client.clone());
        Ok(client)
    }
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients")
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}
