//! A guest that is locked in.

use std::time::Duration;

use toolexec_core::Result;
use toolexec_core::sandbox::{
    Ended, Enforcement, Enforcer, Guest, GuestMeasure, Language, LimitName, Limits,
};

use super::launch::{Inmate, Launcher};
use super::spec;
use crate::cgroup::Group;
use crate::pool::Pool;
use crate::{unavailable, usage};

/// How often the host looks at what the guest uses.
const SAMPLE: Duration = Duration::from_millis(20);

/// A guest that is locked in.
pub(super) struct ProcessGuest {
    inmate: Inmate,
    kind: Language,
    enforcement: Enforcement,
    limits: Limits,
    // What the engine itself needs is not the program's.
    base: GuestMeasure,
    peak: GuestMeasure,
    pool: Pool<Launcher>,
}

impl ProcessGuest {
    /// Gives a guest its limits.
    ///
    /// # Errors
    /// When the kernel does not take a limit: nothing runs without it.
    pub(super) fn new(
        inmate: Inmate,
        kind: Language,
        enforcement: Enforcement,
        limits: Limits,
        pool: &Pool<Launcher>,
    ) -> Result<Self> {
        let refused = || unavailable("the kernel does not take the limits of the guest");
        let (base, is_capped) = usage::cap(inmate.pid, &limits);
        if !is_capped {
            return Err(refused());
        }
        if let Some(group) = &inmate.group {
            let used = group.memory().unwrap_or_default();
            let settings = spec::at_hand_over(group.version(), &limits, used);
            group
                .set(&settings)
                .map_err(|error| refused().with_source(error))?;
        }
        Ok(Self {
            base,
            inmate,
            kind,
            enforcement,
            limits,
            peak: GuestMeasure::default(),
            pool: pool.clone(),
        })
    }

    fn look(&mut self) {
        let now = usage::measure(self.inmate.pid);
        let memory = now.memory.zip(self.base.memory);
        let cpu_time = now.cpu_time.zip(self.base.cpu_time);
        self.peak = GuestMeasure {
            memory: self
                .peak
                .memory
                .max(memory.map(|(now, base)| now.saturating_sub(base))),
            cpu_time: self
                .peak
                .cpu_time
                .max(cpu_time.map(|(now, base)| now.saturating_sub(base))),
        };
    }

    /// What the kernel did, where the way it ended does not say.
    fn explain(&self, ended: Ended) -> Ended {
        if !matches!(ended, Ended::Crashed { .. }) {
            return ended;
        }
        if self.inmate.group.as_ref().is_some_and(Group::is_starved) {
            return Ended::OutOfMemory;
        }
        match (self.limits.cpu_time, self.peak.cpu_time) {
            (Some(limit), Some(used)) if used >= limit => Ended::OutOfCpu,
            _ => ended,
        }
    }
}

impl Drop for ProcessGuest {
    fn drop(&mut self) {
        self.pool.refill(&self.kind);
    }
}

impl Guest for ProcessGuest {
    fn kill(&mut self) {
        self.inmate.piped.kill();
    }

    fn ended(&mut self) -> Option<Ended> {
        let ended = self.inmate.piped.ended()?;
        Some(self.explain(ended))
    }

    fn usage(&mut self) -> GuestMeasure {
        if self.inmate.piped.is_running() {
            self.look();
        }
        self.peak
    }

    fn sample_every(&self) -> Option<Duration> {
        let looks_at = |claim: (LimitName, Enforcer)| {
            let is_set = self.limits.get(claim.0).is_some();
            is_set && claim.1 == Enforcer::Host
        };
        self.enforcement
            .iter()
            .copied()
            .any(looks_at)
            .then_some(SAMPLE)
    }

    fn enforcement(&self) -> Enforcement {
        self.enforcement.clone()
    }
}

stream_of!(ProcessGuest, inmate.piped);
