//! One session: its guest, whose turn it is, and what it used.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::MutexGuard as Turn;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::info::{SessionInfo, SessionLimits, SessionSettings, SessionState};
use crate::code::event::Sink;
use crate::code::outcome::Outcome;
use crate::code::session::CodeSession;
use crate::code::submission::Submission;
use crate::context::CallContext;
use crate::error::{Error, ErrorKind, Result};
use crate::sandbox::{Language, Limits, Profile, language_name};

/// One session.
pub(super) struct Entry {
    name: String,
    language: Language,
    sandbox: String,
    profile: Profile,
    forked_from: Option<String>,
    // What each program may use.
    limits: Limits,
    session: tokio::sync::Mutex<CodeSession>,
    waiting: AtomicUsize,
    stopped: CancellationToken,
    state: Mutex<State>,
}

/// What changes, and can be looked at while a program runs.
#[derive(Debug, Clone)]
struct State {
    lost: Option<String>,
    // Whether a fork has what there was before it was lost.
    can_be_had_back: bool,
    is_running: bool,
    used: Instant,
    total: Total,
}

/// What all its programs used.
#[derive(Debug, Clone, Copy, Default)]
struct Total {
    programs: u64,
    tool_calls: u64,
    run_time: Duration,
}

impl Entry {
    pub(super) fn new(name: &str, session: CodeSession, forked_from: Option<&Self>) -> Self {
        let state = State {
            lost: None,
            can_be_had_back: true,
            is_running: false,
            used: Instant::now(),
            total: forked_from.map_or_else(Total::default, |from| from.state().total),
        };
        Self {
            name: name.to_owned(),
            language: session.language,
            sandbox: session.sandbox.clone(),
            profile: session.profile,
            forked_from: forked_from.map(|from| from.name.clone()),
            limits: forked_from.map_or(session.limits, |from| from.limits),
            session: tokio::sync::Mutex::new(session),
            waiting: AtomicUsize::new(0),
            stopped: CancellationToken::new(),
            state: Mutex::new(state),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn is_lost(&self) -> bool {
        self.state().lost.is_some()
    }

    /// Since when it is not used; nothing while it is.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let state = self.state();
        let is_used = state.is_running || self.waiting.load(Ordering::SeqCst) > 0;
        (!is_used).then_some(state.used)
    }

    /// Ends what runs in it, and refuses what waits.
    pub(super) fn stop(&self) {
        self.stopped.cancel();
    }

    pub(super) fn info(&self) -> SessionInfo {
        let state = self.state().clone();
        SessionInfo {
            id: self.name.clone(),
            state: match (&state.lost, state.is_running) {
                (Some(_), _) => SessionState::Lost,
                (None, true) => SessionState::Running,
                (None, false) => SessionState::Ready,
            },
            lost: state.lost,
            language: self.language,
            sandbox: self.sandbox.clone(),
            profile: self.profile,
            forked_from: self.forked_from.clone(),
            programs: state.total.programs,
            tool_calls: state.total.tool_calls,
            run_time: state.total.run_time,
            idle: self.idle_since().map_or(Duration::ZERO, |at| at.elapsed()),
        }
    }

    /// Runs a program when its turn has come.
    pub(super) async fn run(
        &self,
        mut submission: Submission,
        cx: &CallContext,
        events: &Sink,
        settings: &SessionSettings,
    ) -> Result<Outcome> {
        self.check_language(submission.language)?;
        submission.prepare()?;
        submission.limits.check(&self.limits)?;
        self.check_lost()?;
        let mut session = self.turn(settings.max_waiting, cx).await?;
        self.check_lost()?;
        let left = self.state().total.left(&settings.limits, &self.name)?;
        session.limits = submission.limits.or(self.limits).at_most(&left);
        let mut running = Running::start(self);
        running.loses = true;
        let cancel = CancellationToken::new();
        let own = cx.clone().with_cancel(cancel.clone());
        let run = session.run(submission, &own, events);
        let outcome = self.cancellable(run, &cancel, cx).await;
        running.loses = false;
        let is_lost = session.is_closed();
        let tape = session.tape.as_ref();
        self.state().can_be_had_back = tape.is_some_and(|tape| tape.programs().is_ok());
        drop(session);
        self.ended(outcome, is_lost)
    }

    /// A session with the same variables.
    pub(super) async fn fork(
        &self,
        name: &str,
        max_waiting: usize,
        cx: &CallContext,
    ) -> Result<Self> {
        let mut session = self.turn(max_waiting, cx).await?;
        let _running = Running::start(self);
        session.limits = self.limits;
        let forked = tokio::select! {
            forked = session.fork() => forked?,
            () = cx.cancelled() => return Err(cancelled()),
            () = self.stopped.cancelled() => return Err(self.was_stopped()),
        };
        if session.is_closed() && !self.is_lost() {
            self.state().lost = Some("it did not come to rest".to_owned());
        }
        Ok(Self::new(name, forked, Some(self)))
    }

    /// Waits until nothing else runs in it.
    async fn turn(&self, max_waiting: usize, cx: &CallContext) -> Result<Turn<'_, CodeSession>> {
        if let Ok(session) = self.session.try_lock() {
            return Ok(session);
        }
        let _waits = Waits::start(self, max_waiting)?;
        let deadline = cx.deadline();
        let locked = async {
            match deadline {
                Some(deadline) => timeout_at(deadline, self.session.lock()).await.ok(),
                None => Some(self.session.lock().await),
            }
        };
        tokio::select! {
            session = locked => session.ok_or_else(|| {
                let message = format!("the session {} did not get free in time", self.name);
                Error::new(ErrorKind::Timeout, message)
            }),
            () = cx.cancelled() => Err(cancelled()),
            () = self.stopped.cancelled() => Err(self.was_stopped()),
        }
    }

    /// Runs to its end, which comes soon once the caller cancels or the session is stopped.
    async fn cancellable(
        &self,
        run: impl Future<Output = Result<Outcome>>,
        cancel: &CancellationToken,
        cx: &CallContext,
    ) -> Result<Outcome> {
        tokio::pin!(run);
        tokio::select! {
            outcome = &mut run => return outcome,
            () = cx.cancelled() => {}
            () = self.stopped.cancelled() => {}
        }
        cancel.cancel();
        run.await
    }

    /// Counts what a program used, and notes whether the session was lost with it.
    fn ended(&self, outcome: Result<Outcome>, is_lost: bool) -> Result<Outcome> {
        let mut state = self.state();
        let mut outcome = outcome.inspect_err(|error| {
            if is_lost {
                state.lost = Some(error.guest_message().to_owned());
            }
        })?;
        state.total.programs += 1;
        state.total.tool_calls += outcome.usage.tool_calls;
        state.total.run_time += outcome.usage.run_time;
        if is_lost {
            let why = outcome.error.as_ref().map(|error| error.message.clone());
            state.lost = Some(why.unwrap_or_else(|| "its sandbox ended".to_owned()));
            let before = if state.can_be_had_back {
                "; a fork of it has those from before"
            } else {
                ""
            };
            outcome.warnings.push(format!(
                "the session {} is lost with this program, and its variables{before}",
                self.name
            ));
        }
        Ok(outcome)
    }

    fn check_language(&self, language: Language) -> Result<()> {
        if language == self.language {
            return Ok(());
        }
        let (own, other) = (language_name(self.language), language_name(language));
        let message = format!("the session {} runs {own}, not {other}", self.name);
        let hint = format!("start a session of {other}, or write the program in {own}");
        Err(Error::new(ErrorKind::InvalidInput, message).with_hint(hint))
    }

    fn check_lost(&self) -> Result<()> {
        let state = self.state().clone();
        let Some(why) = state.lost else {
            return Ok(());
        };
        let hint = if state.can_be_had_back {
            "start another session, or fork this one to get back what it had before that program"
        } else {
            "start another session"
        };
        let message = format!(
            "the session {} is lost, and its variables are gone: {why}",
            self.name
        );
        Err(Error::new(ErrorKind::SandboxUnavailable, message).with_hint(hint))
    }

    fn was_stopped(&self) -> Error {
        let message = format!("the session {} was stopped", self.name);
        Error::new(ErrorKind::Cancelled, message)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Total {
    /// What the next program may use of what the session may use.
    fn left(self, most: &SessionLimits, name: &str) -> Result<Limits> {
        let spent = |what: String| {
            let message = format!("the session {name} has {what}, as much as it may");
            Error::new(ErrorKind::LimitExceeded, message).with_hint("start another session")
        };
        if most.programs.is_some_and(|most| self.programs >= most) {
            return Err(spent(format!("run {} programs", self.programs)));
        }
        let run_time = most.run_time.map(|most| most.saturating_sub(self.run_time));
        if run_time.is_some_and(|left| left.is_zero()) {
            return Err(spent(format!("computed for {:?}", self.run_time)));
        }
        Ok(Limits {
            run_time,
            tool_calls: most
                .tool_calls
                .map(|most| most.saturating_sub(self.tool_calls)),
            ..Limits::default()
        })
    }
}

fn cancelled() -> Error {
    Error::new(ErrorKind::Cancelled, "the caller cancelled")
}

/// A program runs in the session. One that is dropped in the middle loses it.
struct Running<'a> {
    entry: &'a Entry,
    loses: bool,
}

impl<'a> Running<'a> {
    fn start(entry: &'a Entry) -> Self {
        entry.state().is_running = true;
        let loses = false;
        Self { entry, loses }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut state = self.entry.state();
        state.is_running = false;
        if self.loses {
            state.lost = Some("its caller went away while a program ran".to_owned());
        }
        state.used = Instant::now();
    }
}

/// A caller waits for its turn.
struct Waits<'a>(&'a Entry);

impl<'a> Waits<'a> {
    fn start(entry: &'a Entry, most: usize) -> Result<Self> {
        let waits = Self(entry);
        if entry.waiting.fetch_add(1, Ordering::SeqCst) < most {
            return Ok(waits);
        }
        let message = format!(
            "a program runs in the session {}, and {most} wait for their turn already",
            entry.name
        );
        Err(Error::new(ErrorKind::LimitExceeded, message)
            .with_hint("wait for one of them, or fork the session"))
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}
