//! An authorization server of the test's own: keys, tokens, and where the keys are published.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
};
use serde_json::{Value, json};

use crate::http::serve;

pub(super) const ISSUER: &str = "https://id.example.com";
pub(super) const RESOURCE: &str = "https://tools.example.com/mcp";

/// A key that signs tokens.
pub(super) struct Signer {
    pub(super) kid: &'static str,
    key: Key,
}

enum Key {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

impl Signer {
    /// The RSA key of the tests; ring makes none.
    pub(super) fn rsa(kid: &'static str) -> Self {
        let key = RsaKeyPair::from_pkcs8(include_bytes!("rsa-test-key.der")).unwrap();
        Self {
            kid,
            key: Key::Rsa(key),
        }
    }

    pub(super) fn ec(kid: &'static str) -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let made = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(algorithm, made.as_ref(), &random).unwrap();
        Self {
            kid,
            key: Key::Ec(key),
        }
    }

    pub(super) fn ed(kid: &'static str) -> Self {
        let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self {
            kid,
            key: Key::Ed(Ed25519KeyPair::from_pkcs8(made.as_ref()).unwrap()),
        }
    }

    pub(super) fn algorithm(&self) -> &'static str {
        match self.key {
            Key::Rsa(_) => "RS256",
            Key::Ec(_) => "ES256",
            Key::Ed(_) => "EdDSA",
        }
    }

    /// The public key as issuers publish it.
    pub(super) fn jwk(&self) -> Value {
        let b64 = encode;
        match &self.key {
            Key::Rsa(key) => {
                let parts: PublicKeyComponents<Vec<u8>> = key.public().into();
                json!({"kty": "RSA", "kid": self.kid, "use": "sig", "n": b64(&parts.n), "e": b64(&parts.e)})
            }
            Key::Ec(key) => {
                let point = key.public_key().as_ref();
                json!({"kty": "EC", "crv": "P-256", "kid": self.kid, "x": b64(&point[1..33]), "y": b64(&point[33..])})
            }
            Key::Ed(key) => {
                let point = key.public_key().as_ref();
                json!({"kty": "OKP", "crv": "Ed25519", "kid": self.kid, "x": b64(point)})
            }
        }
    }

    /// The public key as bytes that an attacker may take for a secret.
    pub(super) fn public_bytes(&self) -> Vec<u8> {
        match &self.key {
            Key::Rsa(key) => key.public().as_ref().to_vec(),
            Key::Ec(key) => key.public_key().as_ref().to_vec(),
            Key::Ed(key) => key.public_key().as_ref().to_vec(),
        }
    }

    pub(super) fn token(&self, claims: &Value) -> String {
        let header = json!({"alg": self.algorithm(), "kid": self.kid, "typ": "at+jwt"});
        self.with_header(&header, claims)
    }

    pub(super) fn with_header(&self, header: &Value, claims: &Value) -> String {
        let signed = unsigned(header, claims);
        let random = SystemRandom::new();
        let signature = match &self.key {
            Key::Rsa(key) => {
                let pss = header["alg"] == "PS256";
                let padding: &dyn RsaEncoding = if pss {
                    &RSA_PSS_SHA256
                } else {
                    &RSA_PKCS1_SHA256
                };
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(padding, &random, signed.as_bytes(), &mut signature)
                    .unwrap();
                signature
            }
            Key::Ec(key) => key
                .sign(&random, signed.as_bytes())
                .unwrap()
                .as_ref()
                .to_vec(),
            Key::Ed(key) => key.sign(signed.as_bytes()).as_ref().to_vec(),
        };
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

pub(super) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The header and the claims of a token, encoded.
pub(super) fn unsigned(header: &Value, claims: &Value) -> String {
    let b64 = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", b64(header), b64(claims))
}

pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    since.as_secs()
}

/// Claims of a good token, with these changes; `null` takes a claim out.
#[expect(
    clippy::needless_pass_by_value,
    reason = "reads better where it is called"
)]
pub(super) fn claims(changes: Value) -> Value {
    let mut claims = json!({
        "iss": ISSUER, "aud": RESOURCE, "sub": "ann", "exp": now() + 600, "roles": ["dev"],
    });
    let fields = claims.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            fields.remove(name);
        } else {
            fields.insert(name.clone(), value.clone());
        }
    }
    claims
}

/// Where keys are published.
pub(super) struct Published {
    pub(super) url: String,
    set: Arc<Mutex<Option<Value>>>,
    fetched: Arc<AtomicUsize>,
}

impl Published {
    pub(super) async fn new(signers: &[&Signer]) -> Self {
        let set = Arc::new(Mutex::new(None));
        let fetched = Arc::new(AtomicUsize::new(0));
        let (shown, count) = (set.clone(), fetched.clone());
        let answer = async move || {
            count.fetch_add(1, Ordering::SeqCst);
            let set: Option<Value> = shown.lock().unwrap().clone();
            set.map(|set| set.to_string())
                .ok_or(axum::http::StatusCode::BAD_GATEWAY)
        };
        let base = serve(Router::new().route("/keys", get(answer))).await;
        let published = Self {
            url: format!("{base}/keys"),
            set,
            fetched,
        };
        published.publish(signers.iter().map(|signer| signer.jwk()));
        published
    }

    /// Publishes these keys in place of those before.
    pub(super) fn publish(&self, keys: impl IntoIterator<Item = Value>) {
        let keys: Vec<Value> = keys.into_iter().collect();
        *self.set.lock().unwrap() = Some(json!({ "keys": keys }));
    }

    /// Answers with an error from now on.
    pub(super) fn fail(&self) {
        *self.set.lock().unwrap() = None;
    }

    pub(super) fn fetched(&self) -> usize {
        self.fetched.load(Ordering::SeqCst)
    }
}
