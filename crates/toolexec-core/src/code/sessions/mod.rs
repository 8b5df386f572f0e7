//! Sessions that are known by their names, and last until somebody or the clock ends them.

mod entry;
mod info;
mod table;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;

use super::event::{CodeStream, Sink};
use super::executor::CodeExecutor;
use super::outcome::Outcome;
use super::submission::Submission;
use super::tape::Tape;
use crate::context::CallContext;
use crate::error::{Error, ErrorKind, Result};
use entry::Entry;
use table::{Gone, Table};

pub use info::{SessionInfo, SessionLimits, SessionOptions, SessionSettings, SessionState};

/// Sessions that are known by their names. Cheap to clone; clones are the same sessions.
///
/// Variables and functions stay from one program of a session to the next. Programs of one session
/// run one after the other, in the order in which they were handed in; those of different sessions
/// run beside each other. A session ends when it is stopped, when it was not used for a while, and
/// with the last clone of this.
///
/// A session whose guest was ended (by a limit, a cancellation, a crash) is lost: the outcome of
/// that program warns of it, and the next program is refused. It never goes on without its
/// variables. What it had before can be had back with [`fork`](Self::fork).
#[derive(Clone)]
pub struct CodeSessions {
    shared: Arc<Shared>,
}

struct Shared {
    executor: CodeExecutor,
    settings: SessionSettings,
    table: Mutex<Table>,
}

impl CodeSessions {
    pub(super) fn new(executor: CodeExecutor, settings: SessionSettings) -> Self {
        Self {
            shared: Arc::new(Shared {
                executor,
                settings,
                table: Mutex::default(),
            }),
        }
    }

    /// Opens a session. Its guest has started and taken the inputs when this returns.
    ///
    /// # Errors
    /// When the name is taken or no name, there are as many sessions as there may be, the options
    /// ask for more than the configured maximum, the language has no sessions, or no sandbox is
    /// available.
    ///
    /// # Cancel safety
    /// Dropping the future ends the guest that was being started.
    pub async fn start(&self, name: Option<&str>, options: SessionOptions) -> Result<SessionInfo> {
        let place = self.reserve(name)?;
        let submission = options.submission();
        let mut session = self.shared.executor.keep(&submission).await?;
        session.tape = Some(Tape::default());
        // A guest that does not work is found out now.
        let outcome = session.run(submission, &CallContext::new(), &None).await?;
        if let Some(error) = outcome.error {
            let message = format!("the session does not start: {}", error.message);
            return Err(Error::new(ErrorKind::SandboxUnavailable, message));
        }
        let entry = Entry::new(place.name(), session, None);
        Ok(self.keep(place, entry))
    }

    /// Runs a program in a session, when those before it have ended. Its language must be the
    /// session's; what it asks for is within what the session may use. Memory, image and profile
    /// are the session's.
    ///
    /// # Errors
    /// When there is no such session, it is lost or has used all it may, too many programs wait
    /// for it already, or the submission is wrong. Nothing was run then.
    ///
    /// # Cancel safety
    /// Dropping the future while the program runs loses the session. To keep what can be kept,
    /// cancel through the context's token.
    pub async fn execute(
        &self,
        name: &str,
        submission: Submission,
        cx: &CallContext,
    ) -> Result<Outcome> {
        self.run(name, submission, cx, &None).await
    }

    /// Runs a program in a session and yields what happens as it happens.
    ///
    /// Nothing runs until the stream is polled; dropping it ends the program.
    pub fn stream(&self, name: &str, submission: Submission, cx: CallContext) -> CodeStream {
        let (sessions, name) = (self.clone(), name.to_owned());
        CodeStream::new(
            move |events| async move { sessions.run(&name, submission, &cx, &events).await },
        )
    }

    /// Opens a session with the variables of another one; both go on by themselves. See
    /// [`CodeSession::fork`](super::CodeSession::fork) for how, and what is not the same. Of a lost
    /// session, it has what that one had before the program that lost it. What the other one has
    /// used counts for it too.
    ///
    /// # Errors
    /// As [`start`](Self::start), when there is no such session, and when it cannot be forked.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the session as it was.
    pub async fn fork(
        &self,
        name: &str,
        new: Option<&str>,
        cx: &CallContext,
    ) -> Result<SessionInfo> {
        let from = self.entry(name)?;
        let place = self.reserve(new)?;
        let entry = from
            .fork(place.name(), self.shared.settings.max_waiting, cx)
            .await?;
        Ok(self.keep(place, entry))
    }

    /// Ends a session, and the program that runs in it.
    ///
    /// # Errors
    /// When there is no such session.
    pub fn stop(&self, name: &str) -> Result<SessionInfo> {
        let entry = self.entry(name)?;
        self.table().remove(name, Gone::Stopped);
        entry.stop();
        Ok(entry.info())
    }

    /// The sessions there are, by their names.
    pub fn list(&self) -> Vec<SessionInfo> {
        let entries = self.table().entries();
        entries.iter().map(|entry| entry.info()).collect()
    }

    /// One session.
    ///
    /// # Errors
    /// When there is no such session.
    pub fn info(&self, name: &str) -> Result<SessionInfo> {
        self.entry(name).map(|entry| entry.info())
    }

    /// What holds for all of them.
    pub fn settings(&self) -> &SessionSettings {
        &self.shared.settings
    }

    async fn run(
        &self,
        name: &str,
        submission: Submission,
        cx: &CallContext,
        events: &Sink,
    ) -> Result<Outcome> {
        let entry = self.entry(name)?;
        entry
            .run(submission, cx, events, &self.shared.settings)
            .await
    }

    fn entry(&self, name: &str) -> Result<Arc<Entry>> {
        self.table().get(name, self.shared.settings.idle)
    }

    /// Takes a place for a session that is being started.
    fn reserve(&self, name: Option<&str>) -> Result<Place> {
        let name = self.table().reserve(name, self.shared.settings.max)?;
        Ok(Place {
            shared: self.shared.clone(),
            name: Some(name),
        })
    }

    fn keep(&self, mut place: Place, entry: Entry) -> SessionInfo {
        let info = entry.info();
        let mut table = self.table();
        place.name = None;
        table.keep(Arc::new(entry));
        if std::mem::replace(&mut table.is_aging, true) {
            return info;
        }
        drop(table);
        self.age();
        info
    }

    /// Ends sessions that are not used, for as long as there are some.
    fn age(&self) {
        let Ok(runtime) = Handle::try_current() else {
            self.table().is_aging = false;
            return;
        };
        let weak = Arc::downgrade(&self.shared);
        let idle = self.shared.settings.idle;
        runtime.spawn(async move {
            while let Some(shared) = weak.upgrade() {
                let (ended, next) = shared.table().age(idle);
                // Ending a guest takes a moment, in which the others can be used.
                drop(ended);
                drop(shared);
                match next {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => return,
                }
            }
        });
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.shared.table()
    }
}

impl Shared {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A name that is taken; free again when this is dropped before the session is there.
struct Place {
    shared: Arc<Shared>,
    name: Option<String>,
}

impl Place {
    fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(name) = self.name.take() {
            self.shared.table().release(&name);
        }
    }
}

impl fmt::Debug for CodeSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodeSessions")
            .field("settings", &self.shared.settings)
            .finish_non_exhaustive()
    }
}

/// How long it was, as people read it.
fn spoken(time: Duration) -> String {
    match time.as_secs() {
        seconds if seconds >= 60 && time == Duration::from_mins(seconds / 60) => {
            format!("{} minutes", seconds / 60)
        }
        _ => format!("{time:?}"),
    }
}
