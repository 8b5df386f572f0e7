//! Calls that wait for the client's input (revision 2026-07-28).
//!
//! The client holds a key and nothing else: what it gives back is not trusted, and a key opens
//! one call once, for the same caller, tool and arguments.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::flow::Flow;

/// How many calls may wait at the same time; of more, the one that waited longest is ended.
const MOST: usize = 1_000;
/// How long a call waits.
const LIFETIME: Duration = Duration::from_secs(600);
/// How often it is looked for those that waited too long.
const SWEEP: Duration = Duration::from_secs(30);

/// Calls that wait for the client's input.
#[derive(Default)]
pub(super) struct Parked {
    calls: Mutex<HashMap<String, Waiting>>,
}

struct Waiting {
    flow: Flow,
    of: String,
    until: Instant,
}

impl Parked {
    /// Keeps a call; returns the key to it. `of` says whose call of what it is.
    pub(super) fn park(self: &Arc<Self>, flow: Flow, of: String) -> String {
        let key = Uuid::new_v4().simple().to_string();
        let until = Instant::now() + LIFETIME;
        let (evicted, is_first) = {
            let mut calls = self.calls();
            let longest = calls.iter().min_by_key(|(_, call)| call.until);
            let longest = longest.map(|(key, _)| key.clone());
            let evicted = longest
                .filter(|_| calls.len() >= MOST)
                .and_then(|key| calls.remove(&key));
            let is_first = calls.is_empty();
            calls.insert(key.clone(), Waiting { flow, of, until });
            (evicted, is_first)
        };
        // Ends a call, which must not happen under the lock.
        drop(evicted);
        if is_first {
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
        key
    }

    /// Takes a call out, if it is the same one.
    pub(super) fn take(&self, key: &str, of: &str) -> Option<Flow> {
        let mut calls = self.calls();
        if calls.get(key)?.of != of {
            return None;
        }
        calls.remove(key).map(|waiting| waiting.flow)
    }

    fn calls(&self) -> MutexGuard<'_, HashMap<String, Waiting>> {
        // Every change is whole before anything can panic.
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends calls that waited too long, as long as any wait.
async fn sweep(parked: Weak<Parked>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        let Some(parked) = parked.upgrade() else {
            return;
        };
        let now = Instant::now();
        let mut calls = parked.calls();
        let expired: Vec<Waiting> = calls
            .extract_if(|_, call| call.until <= now)
            .map(|(_, call)| call)
            .collect();
        let is_empty = calls.is_empty();
        drop(calls);
        drop(expired);
        if is_empty {
            return;
        }
    }
}
