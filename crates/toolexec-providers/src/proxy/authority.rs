//! The proxy's own authority, and the certificates that it signs for hosts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use toolexec_core::{Error, ErrorKind, Result};

/// How long before now certificates begin to hold: clocks differ.
const SLACK: Duration = Duration::from_hours(24);
/// How long they hold.
const LIFETIME: Duration = Duration::from_hours(365 * 24);
/// For how many hosts certificates are kept.
const KEPT: usize = 256;

/// An authority that lives as long as its proxy. Its key is nowhere else.
pub(super) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    pem: String,
    // By host.
    made: Mutex<HashMap<String, Arc<ServerConfig>>>,
}

impl Authority {
    pub(super) fn new() -> Result<Self> {
        let mut params = params(Vec::new()).map_err(failed)?;
        let mut name = DistinguishedName::new();
        name.push(DnType::CommonName, "toolexec proxy");
        params.distinguished_name = name;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().map_err(failed)?;
        let issuer = CertifiedIssuer::self_signed(params, key).map_err(failed)?;
        Ok(Self {
            pem: to_pem(issuer.der()),
            issuer,
            made: Mutex::default(),
        })
    }

    pub(super) fn pem(&self) -> &str {
        &self.pem
    }

    /// How a connection for a host is answered.
    pub(super) fn server(&self, host: &str) -> Result<Arc<ServerConfig>> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = made.get(host) {
            return Ok(config.clone());
        }
        if made.len() >= KEPT {
            made.clear();
        }
        let config = Arc::new(self.sign(host)?);
        made.insert(host.to_owned(), config.clone());
        Ok(config)
    }

    fn sign(&self, host: &str) -> Result<ServerConfig> {
        let bare = host.trim_start_matches('[').trim_end_matches([']', '.']);
        let mut params = params(vec![bare.to_owned()]).map_err(failed)?;
        let mut name = DistinguishedName::new();
        // A common name holds 64 characters at most; clients read the alternative name.
        name.push(DnType::CommonName, "toolexec proxy, for a host");
        params.distinguished_name = name;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(failed)?;
        let chain = vec![certificate.der().clone(), self.issuer.der().clone()];
        let key = PrivateKeyDer::try_from(key.serialize_der())
            .map_err(|why| Error::new(ErrorKind::Internal, why))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(failed)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(failed)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

/// A certificate as text.
pub(super) fn to_pem(certificate: &CertificateDer<'_>) -> String {
    let encoded = STANDARD.encode(certificate);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    for (index, letter) in encoded.chars().enumerate() {
        if index > 0 && index % 64 == 0 {
            pem.push('\n');
        }
        pem.push(letter);
    }
    pem.push_str("\n-----END CERTIFICATE-----\n");
    pem
}

fn params(names: Vec<String>) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    let now = SystemTime::now();
    params.not_before = (now - SLACK).into();
    params.not_after = (now + LIFETIME).into();
    Ok(params)
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Internal, "a certificate cannot be made").with_source(error)
}
