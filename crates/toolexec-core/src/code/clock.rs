//! The clock that stops while a program waits.

use std::time::Duration;

use tokio::time::Instant;

use crate::sandbox::{LimitName, Limits};

/// How much longer than its own limit a guest may run before the host ends it: the guest's own
/// error is the better one.
pub(super) const GRACE: Duration = Duration::from_millis(100);

/// Two times that add up: the program runs, or it waits for answers.
#[derive(Debug)]
pub(super) struct Clock {
    started: Instant,
    since: Instant,
    waiting: bool,
    run: Duration,
    wait: Duration,
    run_limit: Option<Duration>,
    wait_limit: Option<Duration>,
}

impl Clock {
    pub(super) fn start(limits: &Limits) -> Self {
        let now = Instant::now();
        Self {
            started: now,
            since: now,
            waiting: false,
            run: Duration::ZERO,
            wait: Duration::ZERO,
            run_limit: limits.run_time,
            wait_limit: limits.wait_time,
        }
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// The program waits, or runs again.
    pub(super) fn set_waiting(&mut self, waiting: bool) {
        if waiting != self.waiting {
            self.settle();
            self.waiting = waiting;
        }
    }

    /// Takes the time since `from` out of both times: the host itself was busy.
    pub(super) fn skip_since(&mut self, from: Instant) {
        self.since += from.elapsed().min(self.since.elapsed());
    }

    pub(super) fn run_time(&mut self) -> Duration {
        self.settle();
        self.run
    }

    pub(super) fn wait_time(&mut self) -> Duration {
        self.settle();
        self.wait
    }

    /// When the time runs out that runs now.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let left = if self.waiting {
            self.wait_limit?.saturating_sub(self.wait)
        } else {
            (self.run_limit? + GRACE).saturating_sub(self.run)
        };
        self.since.checked_add(left)
    }

    /// The limit that was exceeded, if the deadline passed.
    pub(super) fn exceeded(&mut self) -> Option<(LimitName, Duration, Duration)> {
        self.settle();
        if let Some(limit) = self.wait_limit.filter(|limit| self.wait >= *limit) {
            return Some((LimitName::WaitTime, limit, self.wait));
        }
        let limit = self.run_limit?;
        (self.run >= limit + GRACE).then_some((LimitName::RunTime, limit, self.run))
    }

    fn settle(&mut self) {
        let now = Instant::now();
        let passed = now.saturating_duration_since(self.since);
        if self.waiting {
            self.wait += passed;
        } else {
            self.run += passed;
        }
        self.since = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[tokio::test(start_paused = true)]
    async fn the_run_time_stops_while_the_program_waits() {
        let limits = Limits {
            run_time: Some(ms(1000)),
            wait_time: Some(ms(5000)),
            ..Limits::default()
        };
        let mut clock = Clock::start(&limits);
        tokio::time::advance(ms(400)).await;
        clock.set_waiting(true);
        tokio::time::advance(ms(4000)).await;
        assert_eq!(clock.exceeded(), None);
        clock.set_waiting(false);
        assert_eq!((clock.run_time(), clock.wait_time()), (ms(400), ms(4000)));
        let left = clock.deadline().map(|at| at - Instant::now());
        assert_eq!(left, Some(ms(600) + GRACE));
        tokio::time::advance(ms(700)).await;
        let over = Some((LimitName::RunTime, ms(1000), ms(1100)));
        assert_eq!(clock.exceeded(), over);
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_has_a_deadline_of_its_own() {
        let limits = Limits {
            wait_time: Some(ms(50)),
            ..Limits::default()
        };
        let mut clock = Clock::start(&limits);
        assert_eq!(clock.deadline(), None);
        tokio::time::advance(ms(100_000)).await;
        clock.set_waiting(true);
        tokio::time::advance(ms(50)).await;
        assert_eq!(
            clock.exceeded(),
            Some((LimitName::WaitTime, ms(50), ms(50)))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_hosts_own_delays_do_not_count() {
        let mut clock = Clock::start(&Limits::default());
        tokio::time::advance(ms(10)).await;
        let from = Instant::now();
        tokio::time::advance(ms(500)).await;
        clock.skip_since(from);
        assert_eq!(clock.run_time(), ms(10));
    }
}
