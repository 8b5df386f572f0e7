//! Guests that are started ahead, whatever starts them.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;
use toolexec_core::Result;

/// Starts guests, and knows whether one that waited is still good.
pub(crate) trait Launch: Send + Sync + 'static {
    /// What guests differ in before they get a program, such as an image.
    type Kind: Clone + Eq + Hash + Send + Sync + 'static;
    /// A guest that was started and has said its first word.
    type Guest: Send + 'static;

    /// Starts a guest.
    fn launch(&self, kind: &Self::Kind) -> impl Future<Output = Result<Self::Guest>> + Send;

    /// Whether a guest that waited still runs.
    fn is_alive(guest: &mut Self::Guest) -> bool;
}

/// How many guests wait, and for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    /// How many of each kind are started ahead.
    pub(crate) warm: usize,
    /// How many wait at most, of all kinds together.
    pub(crate) most: usize,
    /// How long one waits before it is ended: an idle host gives its memory back.
    pub(crate) age: Duration,
}

impl Size {
    /// So many of each kind, 16 of all kinds, ten minutes.
    pub(crate) fn warm(warm: usize) -> Self {
        Self {
            warm,
            most: warm.max(16),
            age: Duration::from_mins(10),
        }
    }
}

/// Guests that are started ahead. Each is handed out once. Cheap to clone.
pub(crate) struct Pool<L: Launch> {
    shared: Arc<Shared<L>>,
}

struct Shared<L: Launch> {
    launcher: L,
    size: Size,
    state: Mutex<State<L>>,
}

struct State<L: Launch> {
    ready: Vec<Ready<L>>,
    // How many of a kind are being started in the background.
    filling: HashMap<L::Kind, usize>,
    is_aging: bool,
    // Kinds of which one was started with success.
    proven: Vec<L::Kind>,
}

struct Ready<L: Launch> {
    kind: L::Kind,
    guest: L::Guest,
    since: Instant,
}

impl<L: Launch> Pool<L> {
    pub(crate) fn new(launcher: L, size: Size) -> Self {
        Self {
            shared: Arc::new(Shared {
                launcher,
                size,
                state: Mutex::new(State {
                    ready: Vec::new(),
                    filling: HashMap::new(),
                    is_aging: false,
                    proven: Vec::new(),
                }),
            }),
        }
    }

    /// Whether a guest can be started: one was, or one is now.
    pub(crate) async fn probe(&self, kind: &L::Kind) -> Result<()> {
        if self.shared.state().proven.contains(kind) {
            return Ok(());
        }
        let guest = self.shared.start(kind).await?;
        if self.shared.size.warm > 0 {
            self.keep(kind, guest);
        }
        Ok(())
    }

    /// A guest that has run nothing. Another is started in its place with
    /// [`refill`](Self::refill), when it has ended: a start does not compete with the program.
    pub(crate) async fn take(&self, kind: &L::Kind) -> Result<L::Guest> {
        while let Some(mut guest) = self.shared.state().pop(kind) {
            if L::is_alive(&mut guest) {
                return Ok(guest);
            }
        }
        self.shared.start(kind).await
    }

    /// Starts guests until there are enough of a kind.
    pub(crate) async fn fill(&self, kind: &L::Kind) -> Result<()> {
        while self.shared.state().count(kind) < self.shared.size.warm {
            let guest = self.shared.start(kind).await?;
            self.keep(kind, guest);
        }
        Ok(())
    }

    /// Starts a guest of a kind in the background, unless there are enough.
    pub(crate) fn refill(&self, kind: &L::Kind) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        {
            let mut state = self.shared.state();
            let ready = state.count(kind);
            let filling = state.filling.entry(kind.clone()).or_default();
            // One at a time: what fills goes on until there are enough.
            if *filling > 0 || ready >= self.shared.size.warm {
                return;
            }
            *filling += 1;
        }
        // The pool may go away meanwhile, and its guests with it.
        let weak = Arc::downgrade(&self.shared);
        let kind = kind.clone();
        runtime.spawn(async move {
            while let Some(shared) = weak.upgrade()
                && shared.state().count(&kind) < shared.size.warm
            {
                match shared.start(&kind).await {
                    Ok(guest) => Self { shared }.keep(&kind, guest),
                    // The next program tries again and tells.
                    Err(_) => break,
                }
            }
            if let Some(shared) = weak.upgrade() {
                shared.state().filling.remove(&kind);
            }
        });
    }

    /// What starts the guests.
    pub(crate) fn launcher(&self) -> &L {
        &self.shared.launcher
    }

    fn keep(&self, kind: &L::Kind, guest: L::Guest) {
        let mut surplus = Vec::new();
        let mut state = self.shared.state();
        state.ready.push(Ready {
            kind: kind.clone(),
            guest,
            since: Instant::now(),
        });
        while state.ready.len() > self.shared.size.most {
            surplus.push(state.ready.remove(0));
        }
        let starts_aging = !std::mem::replace(&mut state.is_aging, true);
        drop(state);
        // Ending a guest takes a moment, which nobody has to wait for.
        drop(surplus);
        if starts_aging {
            self.age();
        }
    }

    /// Ends guests as they get too old, for as long as some wait.
    fn age(&self) {
        let Ok(runtime) = Handle::try_current() else {
            self.shared.state().is_aging = false;
            return;
        };
        let weak = Arc::downgrade(&self.shared);
        let age = self.shared.size.age;
        runtime.spawn(async move {
            loop {
                let Some(shared) = weak.upgrade() else { return };
                let old = shared.state().take_older_than(age);
                drop(old);
                let next = shared.state().next_old(age);
                drop(shared);
                match next {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => return,
                }
            }
        });
    }
}

impl<L: Launch> Shared<L> {
    async fn start(&self, kind: &L::Kind) -> Result<L::Guest> {
        let guest = self.launcher.launch(kind).await?;
        let mut state = self.state();
        if !state.proven.contains(kind) {
            state.proven.push(kind.clone());
        }
        Ok(guest)
    }

    fn state(&self) -> MutexGuard<'_, State<L>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<L: Launch> State<L> {
    fn count(&self, kind: &L::Kind) -> usize {
        self.ready.iter().filter(|one| one.kind == *kind).count()
    }

    fn pop(&mut self, kind: &L::Kind) -> Option<L::Guest> {
        let at = self.ready.iter().position(|one| one.kind == *kind)?;
        Some(self.ready.remove(at).guest)
    }

    fn take_older_than(&mut self, age: Duration) -> Vec<Ready<L>> {
        let is_old = |one: &mut Ready<L>| one.since.elapsed() >= age;
        self.ready.extract_if(.., is_old).collect()
    }

    /// When the next guest is too old; nothing when none waits, and then nobody looks any more.
    fn next_old(&mut self, age: Duration) -> Option<Instant> {
        let next = self.ready.iter().map(|one| one.since + age).min();
        self.is_aging = next.is_some();
        next
    }
}

impl<L: Launch> Clone for Pool<L> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
        }
    }
}

impl<L: Launch> fmt::Debug for Pool<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("size", &self.shared.size)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use toolexec_core::{Error, ErrorKind};

    use super::*;

    /// Hands out numbers, and counts those that are held.
    #[derive(Default)]
    struct Numbers {
        next: AtomicUsize,
        held: Arc<AtomicUsize>,
        is_broken: AtomicBool,
    }

    struct Number(usize, bool, Arc<AtomicUsize>);

    impl Drop for Number {
        fn drop(&mut self) {
            self.2.fetch_sub(1, Ordering::SeqCst);
        }
    }

    impl Launch for Numbers {
        type Kind = &'static str;
        type Guest = Number;

        async fn launch(&self, kind: &&'static str) -> Result<Number> {
            tokio::task::yield_now().await;
            if self.is_broken.load(Ordering::SeqCst) {
                return Err(Error::new(ErrorKind::SandboxUnavailable, "broken"));
            }
            self.held.fetch_add(1, Ordering::SeqCst);
            let number = self.next.fetch_add(1, Ordering::SeqCst);
            Ok(Number(number, *kind != "dies", self.held.clone()))
        }

        fn is_alive(guest: &mut Number) -> bool {
            guest.1
        }
    }

    fn pool(warm: usize, most: usize) -> Pool<Numbers> {
        let age = Duration::from_mins(1);
        Pool::new(Numbers::default(), Size { warm, most, age })
    }

    fn held(pool: &Pool<Numbers>) -> usize {
        pool.shared.launcher.held.load(Ordering::SeqCst)
    }

    #[tokio::test(start_paused = true)]
    async fn each_guest_is_handed_out_once_oldest_first() {
        let pool = pool(2, 16);
        pool.fill(&"a").await.unwrap();
        let mut taken = Vec::new();
        for _ in 0..3 {
            taken.push(pool.take(&"a").await.unwrap());
        }
        let numbers: Vec<usize> = taken.iter().map(|number| number.0).collect();
        assert_eq!(numbers, [0, 1, 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pool_is_filled_again_in_the_background() {
        let pool = pool(2, 16);
        pool.refill(&"a");
        pool.refill(&"a");
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(held(&pool), 2);
        drop(pool.take(&"a").await.unwrap());
        pool.refill(&"a");
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(held(&pool), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn guests_that_died_while_they_waited_are_not_handed_out() {
        let pool = pool(2, 16);
        pool.fill(&"dies").await.unwrap();
        assert_eq!(pool.take(&"dies").await.unwrap().0, 2);
        assert_eq!(held(&pool), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_wait_than_shall() {
        let pool = pool(2, 3);
        for kind in ["a", "b", "c"] {
            pool.fill(&kind).await.unwrap();
        }
        assert_eq!(held(&pool), 3);
        // Of "a" none is left, so a new one is started.
        assert_eq!(pool.take(&"a").await.unwrap().0, 6);
        assert_eq!(pool.take(&"b").await.unwrap().0, 3);
    }

    #[tokio::test(start_paused = true)]
    async fn old_guests_are_ended_and_nobody_looks_at_an_empty_pool() {
        let pool = pool(1, 16);
        for _ in 0..2 {
            pool.fill(&"a").await.unwrap();
            tokio::time::sleep(Duration::from_secs(59)).await;
            assert_eq!(held(&pool), 1);
            tokio::time::sleep(Duration::from_secs(2)).await;
            assert_eq!(held(&pool), 0);
            assert!(!pool.shared.state().is_aging);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_pool_whose_guests_do_not_start_says_so_and_recovers() {
        let pool = pool(1, 16);
        pool.shared.launcher.is_broken.store(true, Ordering::SeqCst);
        assert!(pool.probe(&"a").await.is_err());
        pool.refill(&"a");
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(pool.take(&"a").await.is_err());
        pool.shared
            .launcher
            .is_broken
            .store(false, Ordering::SeqCst);
        pool.refill(&"a");
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(held(&pool), 1);
        pool.probe(&"a").await.unwrap();
        drop(pool);
    }

    #[tokio::test(start_paused = true)]
    async fn dropping_the_pool_ends_its_guests() {
        let pool = pool(2, 16);
        pool.fill(&"a").await.unwrap();
        let held = pool.shared.launcher.held.clone();
        drop(pool);
        tokio::time::sleep(Duration::from_mins(2)).await;
        assert_eq!(held.load(Ordering::SeqCst), 0);
    }
}
