//! A guest in a container that is kept within its limits.

use std::time::Duration;

use toolexec_core::sandbox::{
    Ended, Enforcement, Enforcer, Guest, GuestMeasure, LimitName, Limits,
};

use super::guest::Contained;
use super::launch::Launcher;
use crate::container::Kind;
use crate::pool::Pool;
use crate::usage;

/// How often the host looks at what the guest uses.
const SAMPLE: Duration = Duration::from_millis(20);

/// A guest in a container that is kept within its limits.
pub(super) struct ContainerGuest {
    inner: Contained,
    enforcement: Enforcement,
    limits: Limits,
    // What the engine itself needs is not the program's.
    base: GuestMeasure,
    peak: GuestMeasure,
    /// Where another is started in its place, when programs usually need one like it.
    refill: Option<(Pool<Launcher>, Kind)>,
}

impl ContainerGuest {
    pub(super) fn new(
        inner: Contained,
        mut enforcement: Enforcement,
        limits: Limits,
        refill: Option<(Pool<Launcher>, Kind)>,
    ) -> Self {
        let base = inner.measure().unwrap_or_default();
        if base.cpu_time.is_none() {
            // Its control group is out of sight: nobody looks.
            enforcement.retain(|claim| *claim != (LimitName::CpuTime, Enforcer::Host));
        }
        Self {
            inner,
            enforcement,
            limits,
            base,
            peak: GuestMeasure::default(),
            refill,
        }
    }

    fn look(&mut self) {
        let Some(now) = self.inner.measure() else {
            return;
        };
        self.peak = usage::peak(self.peak, now, self.base);
    }
}

impl Drop for ContainerGuest {
    fn drop(&mut self) {
        if let Some((pool, kind)) = &self.refill {
            pool.refill(kind);
        }
    }
}

impl Guest for ContainerGuest {
    fn kill(&mut self) {
        self.inner.kill();
    }

    fn ended(&mut self) -> Option<Ended> {
        let ended = self.inner.ended()?;
        self.look();
        match (&ended, self.limits.cpu_time, self.peak.cpu_time) {
            (Ended::Crashed { .. }, Some(limit), Some(used)) if used >= limit => {
                Some(Ended::OutOfCpu)
            }
            _ => Some(ended),
        }
    }

    fn usage(&mut self) -> GuestMeasure {
        if self.inner.is_running() {
            self.look();
        }
        self.peak
    }

    fn sample_every(&self) -> Option<Duration> {
        let is_watched = self
            .enforcement
            .contains(&(LimitName::CpuTime, Enforcer::Host));
        (is_watched && self.limits.cpu_time.is_some()).then_some(SAMPLE)
    }

    fn enforcement(&self) -> Enforcement {
        self.enforcement.clone()
    }
}

stream_of!(ContainerGuest, inner);
