//! The keys of an issuer, kept for a while and fetched anew when they change.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::Refusal;
use super::fetch::Fetcher;
use super::jwk::{Algorithm, Key};

/// How long keys count that could not be fetched anew, as a multiple of their usual age.
const GRACE: u32 = 6;

/// The keys of an issuer.
#[derive(Debug)]
pub(super) struct Jwks {
    fetcher: Fetcher,
    max_age: Duration,
    min_interval: Duration,
    kept: std::sync::RwLock<Option<Kept>>,
    // Held while keys are fetched, so that requests share one attempt. The last attempt.
    fetching: Mutex<Option<Instant>>,
}

#[derive(Debug, Clone)]
struct Kept {
    keys: Arc<[Key]>,
    since: Instant,
}

impl Jwks {
    pub(super) fn new(fetcher: Fetcher, max_age: Duration, min_interval: Duration) -> Self {
        Self {
            fetcher,
            max_age,
            min_interval,
            kept: std::sync::RwLock::default(),
            fetching: Mutex::default(),
        }
    }

    /// The keys that a token may be signed with.
    pub(super) async fn for_token(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Vec<Key>, Refusal> {
        let fitting = |kept: &Kept| -> Vec<Key> {
            let keys = kept.keys.iter().filter(|key| key.is_for(id, algorithm));
            keys.cloned().collect()
        };
        let before = self.kept();
        if let Some(kept) = before
            .as_ref()
            .filter(|kept| kept.since.elapsed() < self.max_age)
        {
            let keys = fitting(kept);
            if !keys.is_empty() {
                return Ok(keys);
            }
        }
        self.refresh(before.map(|kept| kept.since)).await;
        let kept = self.kept().ok_or(Refusal::UNAVAILABLE)?;
        if kept.since.elapsed() >= self.max_age * GRACE {
            return Err(Refusal::UNAVAILABLE);
        }
        match fitting(&kept) {
            none if none.is_empty() => Err(Refusal::KEY),
            keys => Ok(keys),
        }
    }

    /// Fetches the keys, unless somebody did since `seen` or tried a moment ago.
    async fn refresh(&self, seen: Option<Instant>) {
        let mut last = self.fetching.lock().await;
        if self.kept().map(|kept| kept.since) != seen {
            return;
        }
        if last.is_some_and(|last| last.elapsed() < self.min_interval) {
            return;
        }
        *last = Some(Instant::now());
        match self.fetcher.fetch().await {
            Ok(keys) => {
                let kept = Kept {
                    keys: keys.into(),
                    since: Instant::now(),
                };
                *self
                    .kept
                    .write()
                    .unwrap_or_else(std::sync::PoisonError::into_inner) = Some(kept);
            }
            Err(error) => {
                tracing::warn!(source = %self.fetcher, %error, "the issuer's keys were not fetched");
            }
        }
    }

    fn kept(&self) -> Option<Kept> {
        self.kept
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }
}
