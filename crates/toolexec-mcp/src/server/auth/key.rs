//! Secrets that the server knows.

use std::fmt;
use std::sync::Arc;

use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use subtle::ConstantTimeEq;
use toolexec_core::{Caller, Result};

use super::config;

/// The shortest secret, in bytes: what can be guessed is no secret.
pub const MIN_SECRET: usize = 16;

/// A secret that names a caller; only its SHA-256 is kept.
#[derive(Clone)]
pub struct ApiKey {
    pub(super) name: String,
    caller: Arc<Caller>,
    hash: Hash,
}

/// The SHA-256 of a secret.
pub(super) type Hash = [u8; SHA256_OUTPUT_LEN];

impl ApiKey {
    /// A key by its secret; white space around it is left out.
    ///
    /// # Errors
    /// When it is shorter than [`MIN_SECRET`].
    pub fn from_secret(name: &str, roles: &[String], secret: &str) -> Result<Self> {
        let secret = secret.trim();
        if secret.len() < MIN_SECRET {
            let message = match secret.len() {
                0 => format!("the secret of the key {name:?} is empty"),
                len => format!(
                    "the secret of the key {name:?} has {len} characters; it needs {MIN_SECRET}"
                ),
            };
            return Err(config(message).with_hint("make one: openssl rand -hex 32"));
        }
        Ok(Self::new(name, roles, hash(secret)))
    }

    /// A key by the SHA-256 of its secret, in hexadecimal digits.
    ///
    /// # Errors
    /// When it is not one, or that of the empty secret.
    pub fn from_sha256(name: &str, roles: &[String], sha256: &str) -> Result<Self> {
        let Some(bytes) = unhex(sha256.trim()) else {
            return Err(config(format!(
                "the `sha256` of the key {name:?} is not 64 hexadecimal digits"
            ))
            .with_hint("make it: printf %s SECRET | sha256sum"));
        };
        if bytes == hash("") || bytes == hash("\n") {
            return Err(config(format!(
                "the `sha256` of the key {name:?} is that of an empty secret"
            )));
        }
        Ok(Self::new(name, roles, bytes))
    }

    fn new(name: &str, roles: &[String], hash: Hash) -> Self {
        Self {
            name: name.to_owned(),
            caller: Arc::new(Caller {
                name: name.to_owned(),
                roles: roles.to_vec(),
            }),
            hash,
        }
    }

    pub(super) fn caller(&self) -> Arc<Caller> {
        self.caller.clone()
    }

    /// Whether it is the key with this hash.
    pub(super) fn fits(&self, hash: &Hash) -> bool {
        self.hash.ct_eq(hash).into()
    }

    pub(super) fn has_same_secret(&self, other: &Self) -> bool {
        self.hash.ct_eq(&other.hash).into()
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey")
            .field("caller", &self.caller)
            .finish_non_exhaustive()
    }
}

pub(super) fn hash(secret: &str) -> Hash {
    let mut bytes = [0; SHA256_OUTPUT_LEN];
    bytes.copy_from_slice(digest(&SHA256, secret.as_bytes()).as_ref());
    bytes
}

fn unhex(text: &str) -> Option<Hash> {
    if text.len() != 2 * SHA256_OUTPUT_LEN || !text.is_ascii() {
        return None;
    }
    let mut bytes = [0; SHA256_OUTPUT_LEN];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(pair).ok()?;
        // `from_str_radix` takes a sign.
        if digits.starts_with('+') {
            return None;
        }
        *byte = u8::from_str_radix(digits, 16).ok()?;
    }
    Some(bytes)
}
