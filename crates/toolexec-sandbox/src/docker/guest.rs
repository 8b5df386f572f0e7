//! A guest in a container.

use std::time::{Duration, Instant};

use toolexec_core::sandbox::{Ended, Enforcement, Enforcer, Guest, GuestMeasure, Limits};

use super::container::{self, Contained};
use super::launch::Launcher;
use crate::container::Kind;
use crate::pool::Pool;
use crate::usage;

/// How often the host looks at what the guest uses.
const SAMPLE: Duration = Duration::from_millis(20);
/// How much later than that it may look.
const SLACK: Duration = Duration::from_millis(80);

/// A guest in a container.
pub(super) struct DockerGuest {
    contained: Contained,
    limits: Limits,
    /// What is started in its place when it is gone.
    refill: Option<(Pool<Launcher>, Kind)>,
    /// What the engine itself needs, which is not the program's.
    base: GuestMeasure,
    peak: GuestMeasure,
    claims: Enforcement,
    /// The process that the host looks at.
    seen: Option<u32>,
    since: Instant,
}

impl DockerGuest {
    pub(super) fn new(
        contained: Contained,
        limits: Limits,
        mut claims: Enforcement,
        seen: Option<u32>,
        refill: Option<(Pool<Launcher>, Kind)>,
    ) -> Self {
        let base = seen.map(usage::of_family).unwrap_or_default();
        let seen = seen.filter(|_| base.cpu_time.is_some());
        if seen.is_none() {
            claims.retain(|(_, by)| *by != Enforcer::Host);
        }
        Self {
            seen,
            claims,
            contained,
            limits,
            refill,
            base,
            peak: GuestMeasure::default(),
            since: Instant::now(),
        }
    }

    fn look(&mut self) {
        let Some(pid) = self.seen else { return };
        let now = usage::of_family(pid);
        let memory = now.memory.zip(self.base.memory);
        let cpu_time = now.cpu_time.zip(self.base.cpu_time);
        let memory = memory.map(|(now, base)| now.saturating_sub(base));
        let cpu_time = cpu_time.map(|(now, base)| now.saturating_sub(base));
        self.peak.memory = self.peak.memory.max(memory);
        self.peak.cpu_time = self.peak.cpu_time.max(cpu_time);
    }

    /// What the kernel did, where the way it ended does not say.
    fn explain(&self, ended: Ended) -> Ended {
        let Some(limit) = self
            .limits
            .cpu_time
            .filter(|_| ended == container::killed())
        else {
            return ended;
        };
        // Who uses CPU time without end is killed, like nobody else. What was seen last may be
        // less than what was used; one processor gives no more than the time that has passed.
        let most = match self.peak.cpu_time {
            Some(used) if self.seen.is_some() => used + SAMPLE + SLACK,
            _ => self.since.elapsed(),
        };
        if most >= limit {
            Ended::OutOfCpu
        } else {
            ended
        }
    }
}

impl Drop for DockerGuest {
    fn drop(&mut self) {
        if let Some((pool, kind)) = &self.refill {
            pool.refill(kind);
        }
    }
}

impl Guest for DockerGuest {
    fn kill(&mut self) {
        self.contained.kill();
    }

    fn ended(&mut self) -> Option<Ended> {
        let ended = self.contained.ended()?;
        Some(self.explain(ended))
    }

    fn usage(&mut self) -> GuestMeasure {
        if self.contained.is_running() {
            self.look();
        }
        self.peak
    }

    fn sample_every(&self) -> Option<Duration> {
        (self.seen.is_some() && self.limits.cpu_time.is_some()).then_some(SAMPLE)
    }

    fn enforcement(&self) -> Enforcement {
        self.claims.clone()
    }
}

stream_of!(DockerGuest, contained);
