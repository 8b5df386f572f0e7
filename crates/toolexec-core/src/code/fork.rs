//! A second session with the variables of the first: as a copy of its guest, else by running its
//! programs again with the answers they had.

use std::sync::Arc;
use std::time::Duration;

use super::failure::CodeErrorKind;
use super::program::{End, differs};
use super::session::{CodeSession, send};
use super::submission::Submission;
use super::tape::{MAX_TAPE, Replay, Taped, Unkept};
use crate::context::{CallBudget, CallContext};
use crate::error::{Error, ErrorKind, Result};
use crate::sandbox::{Guest, Session};

/// How long a guest that ended its program may take to come to rest.
const REST: Duration = Duration::from_secs(10);

impl CodeSession {
    /// Opens another session with the variables of this one. What one of them does from then on,
    /// the other does not see.
    ///
    /// Where the sandbox can, the guest is copied. Elsewhere, and when this session was lost, its
    /// programs run again in a new guest: no tool is called, each call is answered as it was. A
    /// program that then makes another call, prints something else or ends in another way makes
    /// the fork fail. What a program took from the clock or from chance without showing it is
    /// drawn anew.
    ///
    /// # Errors
    /// When the programs are not kept (only those of [`CodeSessions`](super::CodeSessions) are),
    /// are too large to be, or do something else when they run again; and when no guest can be
    /// started.
    ///
    /// # Cancel safety
    /// Dropping the future leaves this session as it was; the other one is gone.
    pub async fn fork(&mut self) -> Result<Self> {
        if let Some(guest) = self.copied().await? {
            let mut other = Self::new(
                self.executor.clone(),
                guest,
                self.sandbox.clone(),
                self.limits,
                self.profile,
                &self.described(),
            );
            (other.keep, other.greeted) = (true, true);
            other.link.max_out = self.link.max_out;
            other.tape.clone_from(&self.tape);
            return Ok(other);
        }
        self.repeated().await
    }

    /// A copy of the guest; nothing where there can be none.
    async fn copied(&mut self) -> Result<Option<Session>> {
        if self.closed {
            return Ok(None);
        }
        // What is said before the first program is read here: the copy will not say it.
        self.ready(&self.described()).await?;
        let Some(fork) = self.link.session.fork() else {
            return Ok(None);
        };
        match tokio::time::timeout(REST, fork).await {
            Ok(Err(error)) if error.kind() == ErrorKind::LimitExceeded => return Err(error),
            Ok(copied) => return Ok(copied.ok()),
            Err(_) => {}
        }
        // It computes although it has nothing to do.
        self.closed = true;
        self.link.session.kill();
        Ok(None)
    }

    /// A new session in which the programs of this one ran again.
    async fn repeated(&mut self) -> Result<Self> {
        let cannot = |why: String| Error::new(ErrorKind::Unsupported, why);
        let Some(tape) = &self.tape else {
            return Err(cannot("this session cannot be forked".to_owned()));
        };
        let programs = match tape.programs() {
            Ok(programs) => programs,
            Err(Unkept::TooLarge) => {
                let why = format!(
                    "the session cannot be forked: its programs and what tools answered them are \
                     more than the {} MiB that are kept",
                    MAX_TAPE >> 20
                );
                let hint = "fork a session before it gets much data from tools";
                return Err(cannot(why).with_hint(hint));
            }
            Err(Unkept::Stopped) => {
                let why = "the session cannot be forked: one of its programs was stopped before \
                           its end, and what that left cannot be made again";
                let hint = "start another session; one in the sandbox wasm is copied as it is";
                return Err(cannot(why.to_owned()).with_hint(hint));
            }
        };
        let mut other = self.executor.keep(&self.described()).await?;
        // The first one is that of the start, which took the inputs.
        for (number, program) in programs.iter().enumerate() {
            other.repeat(program).await.map_err(|error| {
                let why = format!(
                    "the session cannot be forked: its program {number} did not do again what it did \
                     ({})",
                    error.guest_message()
                );
                cannot(why).with_source(error).with_hint(
                    "what depends on the time or on chance cannot be run again; a session in the \
                     sandbox wasm is copied instead",
                )
            })?;
        }
        other.tape = Some(tape.clone());
        Ok(other)
    }

    /// Runs a program again, with the answers it had.
    async fn repeat(&mut self, taped: &Arc<Taped>) -> Result<()> {
        let mut submission = Submission::new(self.language, taped.source.clone()).check(false);
        submission.inputs = taped.inputs.clone();
        self.ready(&submission).await?;
        self.closed = true;
        // Nothing is called, so nothing is counted.
        let budget = Arc::new(CallBudget::new(None));
        let cx = CallContext::new();
        let start = self.start_message(submission);
        let mut program = self.program(&budget, &cx, &None, None)?;
        program.calls.replay = Some(Replay::new(taped.clone()));
        send(&mut program, start)?;
        let end = program.run().await;
        let is_over = program.calls.replay.as_ref().is_some_and(Replay::is_over);
        let is_same = is_over && taped.ended_alike(&end, &program.transcript);
        let end = match end {
            end @ (End::Value(_) | End::Failed(_)) if is_same => end,
            End::Broken(error) => End::Broken(error),
            End::Failed(error) if error.kind == CodeErrorKind::Limit => End::Broken(error),
            _ if !is_over => differs("it did not make a call"),
            _ => differs("it printed something else or ended in another way"),
        };
        if let End::Broken(error) = end {
            return Err(Error::new(ErrorKind::Internal, error.message));
        }
        if matches!(self.link.buffered(), Ok(None)) {
            self.closed = false;
            return Ok(());
        }
        let message = "it went on after it was done";
        Err(Error::new(ErrorKind::Protocol, message))
    }

    /// A submission that asks for what this session has.
    fn described(&self) -> Submission {
        let mut submission = Submission::new(self.language, "")
            .limits(self.limits)
            .profile(self.profile);
        submission.image.clone_from(&self.image);
        submission
    }
}
