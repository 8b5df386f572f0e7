//! Sessions of programs that clients opened: each its caller's own, and few of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use toolexec_core::code::{
    CodeExecutor, CodeSessions, Outcome, SessionOptions, SessionSettings, Submission,
};
use toolexec_core::results::owner_of;
use toolexec_core::{CallContext, Error, ErrorKind, Result};
use uuid::Uuid;

/// How many sessions one caller may have. One more ends the one that was used longest ago.
const MOST_OF_ONE: usize = 8;
/// How many there may be.
const MOST: usize = 64;
/// After this long without use a session is ended.
const IDLE: Duration = Duration::from_mins(30);

/// Sessions of programs that clients opened.
#[derive(Debug)]
pub(super) struct Kept {
    sessions: CodeSessions,
    owners: Mutex<HashMap<String, Owner>>,
}

#[derive(Debug)]
struct Owner {
    caller: String,
    used: Instant,
}

/// The sessions that were opened over a connection. They end with it.
#[derive(Debug)]
pub(super) struct OfConnection {
    kept: Arc<Kept>,
    ids: Mutex<Vec<String>>,
}

/// What a request says of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted<'a> {
    /// A new one.
    New,
    /// One that is there.
    Known(&'a str),
    /// A new one with the variables of another.
    Fork(&'a str),
}

impl<'a> Wanted<'a> {
    /// Reads `new`, an id, or `fork` and an id.
    pub(super) fn read(text: &'a str) -> Self {
        match text.strip_prefix("fork") {
            Some(id) if id.starts_with([' ', ':']) => Self::Fork(id.trim_start_matches([' ', ':'])),
            _ if text == "new" => Self::New,
            _ => Self::Known(text),
        }
    }
}

impl Kept {
    pub(super) fn new(code: &CodeExecutor) -> Self {
        let settings = SessionSettings {
            max: MOST,
            idle: IDLE,
            ..SessionSettings::default()
        };
        Self {
            sessions: code.sessions(settings),
            owners: Mutex::default(),
        }
    }

    /// Runs a program in the session that is wanted. Gives that one's id besides.
    pub(super) async fn execute(
        &self,
        wanted: Wanted<'_>,
        submission: Submission,
        connection: Option<&OfConnection>,
        cx: &CallContext,
    ) -> Result<(String, Outcome)> {
        let caller = owner_of(cx);
        let id = match wanted {
            Wanted::Known(id) => {
                self.check(id, caller)?;
                id.to_owned()
            }
            Wanted::New => {
                let id = self.reserve(caller);
                let mut options = SessionOptions::new(submission.language);
                options.profile = submission.profile;
                options.image.clone_from(&submission.image);
                self.sessions.start(Some(&id), options).await?;
                self.opened(id, caller, connection)
            }
            Wanted::Fork(from) => {
                self.check(from, caller)?;
                let id = self.reserve(caller);
                self.sessions.fork(from, Some(&id), cx).await?;
                self.opened(id, caller, connection)
            }
        };
        let outcome = self.sessions.execute(&id, submission, cx).await;
        if outcome.is_err() && !matches!(wanted, Wanted::Known(_)) {
            // Nobody has been told its id.
            let _ = self.sessions.stop(&id);
        }
        Ok((id, outcome?))
    }

    /// A session of another caller is as unknown as one that never was.
    fn check(&self, id: &str, caller: &str) -> Result<()> {
        let mut owners = self.owners();
        let owner = owners.get_mut(id).filter(|owner| owner.caller == caller);
        if let Some(owner) = owner
            && self.sessions.info(id).is_ok()
        {
            owner.used = Instant::now();
            return Ok(());
        }
        let id: String = id.chars().take(64).collect();
        let message = format!("there is no session {id:?}: it was ended, or never was");
        Err(Error::new(ErrorKind::NotFound, message).with_hint(
            "a session ends when it was not used for 30 minutes, or for a newer one; \
             \"session\": \"new\" starts one, without variables",
        ))
    }

    /// An id that nobody guesses, and room for its session.
    fn reserve(&self, caller: &str) -> String {
        let mut owners = self.owners();
        owners.retain(|id, _| self.sessions.info(id).is_ok());
        let own = |owner: &Owner| owner.caller == caller;
        while owners.values().filter(|owner| own(owner)).count() >= MOST_OF_ONE {
            let mine = owners.iter().filter(|(_, owner)| own(owner));
            let oldest = mine.min_by_key(|(_, owner)| owner.used);
            let Some(id) = oldest.map(|(id, _)| id.clone()) else {
                break;
            };
            owners.remove(&id);
            // It may have ended meanwhile.
            let _ = self.sessions.stop(&id);
        }
        format!("s_{}", Uuid::new_v4().simple())
    }

    fn opened(&self, id: String, caller: &str, connection: Option<&OfConnection>) -> String {
        let owner = Owner {
            caller: caller.to_owned(),
            used: Instant::now(),
        };
        self.owners().insert(id.clone(), owner);
        if let Some(connection) = connection {
            connection.ids().push(id.clone());
        }
        id
    }

    fn owners(&self) -> MutexGuard<'_, HashMap<String, Owner>> {
        // Every change is whole before anything can panic.
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OfConnection {
    pub(super) fn new(kept: Arc<Kept>) -> Self {
        let ids = Mutex::default();
        Self { kept, ids }
    }

    fn ids(&self) -> MutexGuard<'_, Vec<String>> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for OfConnection {
    fn drop(&mut self) {
        for id in self.ids().drain(..) {
            self.kept.owners().remove(&id);
            // It may have ended before.
            let _ = self.kept.sessions.stop(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_is_read() {
        assert_eq!(Wanted::read("new"), Wanted::New);
        assert_eq!(Wanted::read("fork s_1"), Wanted::Fork("s_1"));
        assert_eq!(Wanted::read("fork:s_1"), Wanted::Fork("s_1"));
        assert_eq!(Wanted::read("forked"), Wanted::Known("forked"));
        assert_eq!(Wanted::read("s_1"), Wanted::Known("s_1"));
    }
}
