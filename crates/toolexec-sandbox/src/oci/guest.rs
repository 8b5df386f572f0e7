//! A guest in a container.

use std::time::Duration;

use toolexec_core::sandbox::{
    Ended, Enforcement, Enforcer, Guest, GuestMeasure, LimitName, Limits,
};
use toolexec_process::Exit;

use super::launch::{Inmate, Launcher};
use crate::cgroup::Group;
use crate::container::Kind;
use crate::pool::Pool;
use crate::usage;

/// How often the host looks at what the guest uses.
const SAMPLE: Duration = Duration::from_millis(20);
/// A shell's way to say that a signal ended a program: this and the signal's number.
const BY_SIGNAL: i32 = 128;
const SIGKILL: i32 = 9;
const SIGXCPU: i32 = 24;

/// A guest in a container.
pub(super) struct Contained {
    inmate: Inmate,
    kind: Kind,
    enforcement: Enforcement,
    limits: Limits,
    // What the engine itself needs, and the runtime, is not the program's.
    base: GuestMeasure,
    peak: GuestMeasure,
    pool: Pool<Launcher>,
    /// Whether the kernel may end a part of the container for want of memory, and the rest hangs.
    may_hang: bool,
    /// Whether it did.
    has_starved: bool,
}

impl Contained {
    pub(super) fn new(
        inmate: Inmate,
        kind: Kind,
        enforcement: Enforcement,
        limits: Limits,
        pool: &Pool<Launcher>,
    ) -> Self {
        // A kernel in a process goes on when the process is gone that it ran a program in.
        let may_hang = pool.launcher().runtime().joins_groups;
        Self {
            may_hang: may_hang && inmate.group.is_some() && limits.memory.is_some(),
            has_starved: false,
            base: measure(&inmate),
            inmate,
            kind,
            enforcement,
            limits,
            peak: GuestMeasure::default(),
            pool: pool.clone(),
        }
    }

    fn look(&mut self) {
        if self.may_hang && self.inmate.group.as_ref().is_some_and(Group::is_starved) {
            self.has_starved = true;
            self.inmate.piped.kill();
            return;
        }
        let now = measure(&self.inmate);
        self.peak = usage::peak(self.peak, now, self.base);
    }

    /// What the kernel did, where the way it ended does not say.
    fn explain(&self, ended: Ended) -> Ended {
        if !matches!(ended, Ended::Crashed { .. }) {
            return ended;
        }
        if self.inmate.group.as_ref().is_some_and(Group::is_starved) {
            return Ended::OutOfMemory;
        }
        let Some(signal) = self.inmate.piped.exit().and_then(signal) else {
            return ended;
        };
        let used = self.limits.cpu_time.zip(self.peak.cpu_time);
        let is_out_of_cpu = used.is_some_and(|(limit, used)| used >= limit);
        match signal {
            SIGXCPU => Ended::OutOfCpu,
            SIGKILL if is_out_of_cpu => Ended::OutOfCpu,
            // The first process of its namespace takes no such signal from within, and we sent
            // none: it was the kernel, for want of memory.
            SIGKILL if self.kind.resources.memory.is_some() => Ended::OutOfMemory,
            _ => {
                let exit = Exit {
                    code: None,
                    signal: Some(signal),
                };
                Ended::Crashed {
                    how: exit.to_string(),
                }
            }
        }
    }
}

/// What a guest uses now; of its memory, what its control group is charged for where there is one.
fn measure(inmate: &Inmate) -> GuestMeasure {
    let family = usage::of_family(inmate.pid);
    let charged = inmate.group.as_ref().and_then(Group::memory);
    GuestMeasure {
        memory: charged.or(family.memory),
        ..family
    }
}

/// The signal that ended a container, as its runtime passes it on.
fn signal(exit: Exit) -> Option<i32> {
    let signal = exit.code? - BY_SIGNAL;
    (1..=31).contains(&signal).then_some(signal)
}

impl Drop for Contained {
    fn drop(&mut self) {
        self.pool.refill(&self.kind);
    }
}

impl Guest for Contained {
    fn kill(&mut self) {
        self.inmate.piped.kill();
    }

    fn ended(&mut self) -> Option<Ended> {
        let ended = self.inmate.piped.ended()?;
        if self.has_starved {
            return Some(Ended::OutOfMemory);
        }
        Some(self.explain(ended))
    }

    fn usage(&mut self) -> GuestMeasure {
        if self.inmate.piped.is_running() {
            self.look();
        }
        self.peak
    }

    fn sample_every(&self) -> Option<Duration> {
        let looks_at = |claim: &(LimitName, Enforcer)| {
            self.limits.get(claim.0).is_some() && claim.1 == Enforcer::Host
        };
        let is_watched = self.may_hang || self.enforcement.iter().any(looks_at);
        is_watched.then_some(SAMPLE)
    }

    fn enforcement(&self) -> Enforcement {
        self.enforcement.clone()
    }
}

stream_of!(Contained, inmate.piped);
