//! The host, as one sees it who waits for others besides.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use toolexec_wire::{Failure, FailureKind, FileOp, Outcome, ToHost};

use super::{Host, failure};

impl Host {
    /// What is readable when the host says something; `None` where the channel has nothing to
    /// wait for.
    pub(crate) fn watch(&self) -> Option<OwnedFd> {
        let inner = self.inner.borrow();
        inner.channel.fd()?.try_clone_to_owned().ok()
    }

    /// How long the program may still run.
    pub(crate) fn time_left(&self) -> Option<Duration> {
        let inner = self.inner.borrow();
        Some(inner.limit?.saturating_sub(inner.run_time()))
    }

    /// The program waits for answers: everything is sent, and its clock stops.
    pub(crate) fn pause(&self) {
        let mut inner = self.inner.borrow_mut();
        inner.flush_prints();
        inner.queue(&ToHost::Waiting);
        inner.write();
        inner.paused.get_or_insert_with(Instant::now);
    }

    /// The program runs again.
    pub(crate) fn resume(&self) {
        let mut inner = self.inner.borrow_mut();
        if let Some(since) = inner.paused.take() {
            inner.waited += since.elapsed();
        }
    }

    /// Has the host do something with the files of the program, and waits for its answer. That
    /// time is counted as time of the program, unless it is [preparing](Self::preparing).
    ///
    /// # Errors
    /// When the host cancels or hangs up.
    pub(crate) fn file(&self, op: FileOp) -> Result<Outcome, Box<Failure>> {
        let mut inner = self.inner.borrow_mut();
        let id = inner.number();
        inner.flush_prints();
        if let Err(error) = inner.try_queue(&ToHost::File { id, op }) {
            return Err(failure(FailureKind::Internal, error.to_string()));
        }
        inner.outstanding.insert(id);
        inner.write();
        loop {
            inner.stopped()?;
            let at = inner.answers.iter().position(|(one, _)| *one == id);
            if let Some((_, outcome)) = at.and_then(|at| inner.answers.remove(at)) {
                return Ok(outcome);
            }
            inner.read();
            inner.take_messages();
        }
    }

    /// Runs what is no part of the program, such as its compiler. Its clock stops.
    pub(crate) fn preparing<T>(&self, prepare: impl FnOnce() -> T) -> T {
        self.prepare(false);
        let prepared = prepare();
        self.prepare(true);
        prepared
    }

    fn prepare(&self, ready: bool) {
        {
            let mut inner = self.inner.borrow_mut();
            inner.flush_prints();
            inner.queue(&ToHost::Preparing { ready });
            inner.write();
            if !ready {
                inner.paused.get_or_insert_with(Instant::now);
            }
        }
        if ready {
            self.resume();
        }
    }
}
