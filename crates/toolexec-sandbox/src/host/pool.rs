//! Guests that are started ahead.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::process::{ChildStdin, ChildStdout};
use tokio::runtime::Handle;
use toolexec_core::Result;
use toolexec_process::{Child, Command};

use super::unavailable;

/// How long a guest may take to its first word.
const FIRST_WORD: Duration = Duration::from_secs(10);
/// The most of what a guest says at first; the rest stays in the pipe.
const READ_AHEAD: usize = 4096;

/// Guests that are started ahead. Each is handed out once. Cheap to clone.
#[derive(Clone)]
pub(super) struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    program: PathBuf,
    warm: usize,
    ready: Mutex<VecDeque<Started>>,
    filling: AtomicBool,
    proven: AtomicBool,
}

/// A guest that was started and has said its first word.
pub(super) struct Started {
    pub(super) child: Child,
    pub(super) input: ChildStdin,
    pub(super) output: ChildStdout,
    /// What it said so far.
    pub(super) said: Vec<u8>,
}

impl Pool {
    pub(super) fn new(program: PathBuf, warm: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                program,
                warm,
                ready: Mutex::default(),
                filling: AtomicBool::new(false),
                proven: AtomicBool::new(false),
            }),
        }
    }

    /// Whether a guest can be started.
    pub(super) async fn probe(&self) -> Result<()> {
        if self.shared.proven.load(Ordering::Relaxed) {
            return Ok(());
        }
        let started = self.shared.start().await?;
        if self.shared.warm > 0 {
            self.shared.ready().push_back(started);
        }
        Ok(())
    }

    /// A guest that has run nothing. Another is started in its place when it has ended, so that
    /// the start does not compete with the program.
    pub(super) async fn take(&self) -> Result<Started> {
        let ready = self.shared.ready().pop_front();
        match ready {
            Some(started) => Ok(started),
            None => self.shared.start().await,
        }
    }

    /// Starts guests until there are enough.
    pub(super) async fn fill(&self) -> Result<()> {
        while self.shared.ready().len() < self.shared.warm {
            let started = self.shared.start().await?;
            self.shared.ready().push_back(started);
        }
        Ok(())
    }

    /// Starts guests in the background until there are enough.
    pub(super) fn refill(&self) {
        let shared = &self.shared;
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        if shared.ready().len() >= shared.warm || shared.filling.swap(true, Ordering::SeqCst) {
            return;
        }
        // The pool may go away meanwhile, and its guests with it.
        let weak = Arc::downgrade(shared);
        runtime.spawn(async move {
            while let Some(shared) = weak.upgrade()
                && shared.ready().len() < shared.warm
            {
                match shared.start().await {
                    Ok(started) => shared.ready().push_back(started),
                    // The next program tries again and tells.
                    Err(_) => break,
                }
            }
            if let Some(shared) = weak.upgrade() {
                shared.filling.store(false, Ordering::SeqCst);
            }
        });
    }
}

impl Shared {
    async fn start(&self) -> Result<Started> {
        let program = self.program.to_string_lossy().into_owned();
        let mut child = Command::new(program).spawn().map_err(|error| {
            let cannot = unavailable("the guest program cannot be started")
                .with_hint("install toolexec-guest beside toolexec: cargo build -p toolexec-guest");
            cannot.with_source(error)
        })?;
        let silent = || unavailable("the guest program does not speak");
        let (Some(input), Some(mut output)) = (child.take_stdin(), child.take_stdout()) else {
            return Err(silent());
        };
        let mut said = Vec::with_capacity(READ_AHEAD);
        let first = tokio::time::timeout(FIRST_WORD, output.read_buf(&mut said)).await;
        match first {
            Ok(Ok(read)) if read > 0 => {
                self.proven.store(true, Ordering::Relaxed);
                Ok(Started {
                    child,
                    input,
                    output,
                    said,
                })
            }
            _ => Err(silent().with_hint("it must be the guest of the same version")),
        }
    }

    fn ready(&self) -> MutexGuard<'_, VecDeque<Started>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
