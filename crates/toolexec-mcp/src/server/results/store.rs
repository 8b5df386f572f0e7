//! Results in memory and on disk, within quotas and for a while.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};
use toolexec_core::results::{HANDLE_PREFIX, ResultStore};
use toolexec_core::{Error, ErrorKind, Result};

use super::ResultOptions;
use super::disk::{Directory, File};

/// How many results are kept at most, whatever their size.
const MAX_RESULTS: usize = 10_000;
/// The random part of a handle, in bytes.
const RANDOM: usize = 16;

/// Results in memory and on disk.
pub struct KeptResults {
    inner: Arc<Inner>,
}

struct Inner {
    options: ResultOptions,
    directory: Directory,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    results: HashMap<String, Entry>,
    // How many bytes each caller has.
    owners: HashMap<Arc<str>, usize>,
    memory: usize,
    disk: usize,
    // Grows with each result; the least is the oldest.
    next: u64,
    sweeping: bool,
}

struct Entry {
    owner: Arc<str>,
    bytes: usize,
    place: Place,
    expires: Instant,
    number: u64,
}

#[derive(Clone)]
enum Place {
    Memory(Arc<[u8]>),
    Disk(Arc<File>),
}

impl KeptResults {
    /// An empty store. Nothing is written before something is too large for the memory.
    pub fn new(options: ResultOptions) -> Self {
        let directory = Directory::new(options.directory.clone());
        Self {
            inner: Arc::new(Inner {
                options,
                directory,
                kept: Mutex::default(),
            }),
        }
    }
}

impl ResultStore for KeptResults {
    /// # Cancel safety
    /// A result that was being written is removed.
    fn put<'a>(&'a self, owner: &'a str, json: Vec<u8>) -> BoxFuture<'a, Result<String>> {
        async move {
            let inner = &self.inner;
            let handle = new_handle()?;
            let bytes = json.len();
            let reserved = inner.reserve(owner, bytes)?;
            let place = if reserved.on_disk {
                let inner = inner.clone();
                let write = spawn_blocking(move || inner.directory.write(&json));
                let written = write.await.map_err(std::io::Error::other).flatten();
                Place::Disk(Arc::new(written.map_err(not_written)?))
            } else {
                Place::Memory(json.into())
            };
            reserved.fill(handle.clone(), place);
            inner.start_sweeping();
            Ok(handle)
        }
        .boxed()
    }

    /// # Cancel safety
    /// Safe.
    fn get<'a>(&'a self, owner: &'a str, handle: &'a str) -> BoxFuture<'a, Result<Vec<u8>>> {
        async move {
            let unknown = || {
                let message = format!("there is no result {handle}: it has expired, or never was");
                Error::new(ErrorKind::NotFound, message).with_hint("run the tool again")
            };
            let place = self.inner.kept().find(owner, handle).ok_or_else(unknown)?;
            match place {
                Place::Memory(json) => Ok(json.to_vec()),
                Place::Disk(file) => {
                    let read = spawn_blocking(move || file.read());
                    let read = read.await.map_err(std::io::Error::other).flatten();
                    read.map_err(|error| unknown().with_source(error))
                }
            }
        }
        .boxed()
    }
}

impl Inner {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes room, where older results of the same caller can go.
    fn reserve(self: &Arc<Self>, owner: &str, bytes: usize) -> Result<Reserved> {
        let options = &self.options;
        let mut kept = self.kept();
        kept.remove_expired();
        if bytes > options.per_caller {
            return Err(no_room(
                bytes,
                "all that is kept for one caller",
                options.per_caller,
            ));
        }
        while kept.owners.get(owner).copied().unwrap_or_default() + bytes > options.per_caller {
            // What is left of it is being written.
            if !kept.remove_oldest_of(owner) {
                return Err(no_room(
                    bytes,
                    "all that is kept for one caller",
                    options.per_caller,
                ));
            }
        }
        if kept.results.len() >= MAX_RESULTS {
            kept.remove_oldest_of(owner);
        }
        let on_disk = kept.memory + bytes > options.memory;
        if on_disk && kept.disk + bytes > options.disk {
            return Err(no_room(bytes, "what is kept on disk", options.disk));
        }
        if kept.results.len() >= MAX_RESULTS {
            return Err(no_room(bytes, "the number of results", MAX_RESULTS));
        }
        let owner: Arc<str> = owner.into();
        kept.take(&owner, bytes, on_disk);
        Ok(Reserved {
            inner: self.clone(),
            owner,
            bytes,
            on_disk,
            filled: false,
        })
    }

    /// Removes results as they expire, as long as there are any.
    fn start_sweeping(self: &Arc<Self>) {
        let mut kept = self.kept();
        if !kept.sweeping {
            kept.sweeping = true;
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
    }
}

async fn sweep(inner: Weak<Inner>) {
    loop {
        let next = {
            let Some(inner) = inner.upgrade() else { return };
            let mut kept = inner.kept();
            kept.remove_expired();
            let next = kept.results.values().map(|entry| entry.expires).min();
            kept.sweeping = next.is_some();
            next
        };
        match next {
            Some(next) => sleep_until(next).await,
            None => return,
        }
    }
}

/// Room for a result that is not there yet; given back when it is dropped unfilled.
struct Reserved {
    inner: Arc<Inner>,
    owner: Arc<str>,
    bytes: usize,
    on_disk: bool,
    filled: bool,
}

impl Reserved {
    fn fill(mut self, handle: String, place: Place) {
        self.filled = true;
        let lifetime = self.inner.options.lifetime;
        let mut kept = self.inner.kept();
        kept.next += 1;
        let entry = Entry {
            owner: self.owner.clone(),
            bytes: self.bytes,
            place,
            expires: Instant::now() + lifetime,
            number: kept.next,
        };
        kept.results.insert(handle, entry);
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if !self.filled {
            let mut kept = self.inner.kept();
            kept.give_back(&self.owner, self.bytes, self.on_disk);
        }
    }
}

impl Kept {
    fn find(&mut self, owner: &str, handle: &str) -> Option<Place> {
        self.remove_expired();
        let entry = self.results.get(handle)?;
        (*entry.owner == *owner).then(|| entry.place.clone())
    }

    fn take(&mut self, owner: &Arc<str>, bytes: usize, on_disk: bool) {
        *self.owners.entry(owner.clone()).or_default() += bytes;
        *self.used(on_disk) += bytes;
    }

    fn give_back(&mut self, owner: &str, bytes: usize, on_disk: bool) {
        *self.used(on_disk) -= bytes;
        if let Some(used) = self.owners.get_mut(owner) {
            *used -= bytes;
            if *used == 0 {
                self.owners.remove(owner);
            }
        }
    }

    fn used(&mut self, on_disk: bool) -> &mut usize {
        if on_disk {
            &mut self.disk
        } else {
            &mut self.memory
        }
    }

    fn remove(&mut self, handle: &str) {
        if let Some(entry) = self.results.remove(handle) {
            let on_disk = matches!(entry.place, Place::Disk(_));
            self.give_back(&entry.owner, entry.bytes, on_disk);
        }
    }

    fn remove_expired(&mut self) {
        let now = Instant::now();
        let expired = self
            .results
            .iter()
            .filter(|(_, entry)| entry.expires <= now);
        let expired: Vec<String> = expired.map(|(handle, _)| handle.clone()).collect();
        for handle in expired {
            self.remove(&handle);
        }
    }

    /// Whether there was one.
    fn remove_oldest_of(&mut self, owner: &str) -> bool {
        let own = self
            .results
            .iter()
            .filter(|(_, entry)| *entry.owner == *owner);
        let oldest = own.min_by_key(|(_, entry)| entry.number);
        let Some(handle) = oldest.map(|(handle, _)| handle.clone()) else {
            return false;
        };
        self.remove(&handle);
        true
    }
}

fn new_handle() -> Result<String> {
    let mut random = [0; RANDOM];
    SystemRandom::new()
        .fill(&mut random)
        .map_err(|_| Error::new(ErrorKind::Internal, "the system gives no random numbers"))?;
    Ok(format!("{HANDLE_PREFIX}{}", URL_SAFE_NO_PAD.encode(random)))
}

fn no_room(bytes: usize, what: &str, limit: usize) -> Error {
    Error::new(
        ErrorKind::LimitExceeded,
        format!("a result of {bytes} bytes cannot be kept: {what} is limited to {limit}"),
    )
}

fn not_written(error: std::io::Error) -> Error {
    Error::new(
        ErrorKind::Internal,
        "the result could not be written to disk",
    )
    .with_source(error)
}

impl fmt::Debug for KeptResults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.inner.kept();
        f.debug_struct("KeptResults")
            .field("results", &kept.results.len())
            .field("memory", &kept.memory)
            .field("disk", &kept.disk)
            .finish_non_exhaustive()
    }
}
