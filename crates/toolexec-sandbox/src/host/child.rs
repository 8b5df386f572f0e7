//! A guest that is a child process.

use std::time::Duration;

use toolexec_core::sandbox::{
    Ended, Enforcement, Enforcer, Guest, GuestMeasure, Language, LimitName, SessionSpec,
    needs_toolchain,
};

use super::Launcher;
use crate::piped::Piped;
use crate::pool::Pool;
use crate::usage;

/// How often the host looks at what the child uses.
const SAMPLE: Duration = Duration::from_millis(20);

/// A guest that is a child process.
pub(super) struct ChildGuest {
    piped: Piped,
    watched: bool,
    base: u64,
    peak: GuestMeasure,
    kind: Language,
    pool: Pool<Launcher>,
    // Whether the program is in other processes than the guest.
    family: bool,
    preparing: bool,
    // What compilers used, which is not the program's.
    excused: Duration,
}

/// What is enforced: memory and CPU time by the host, which looks, and on Linux by the kernel.
pub(super) fn enforcement() -> Enforcement {
    let mut all = vec![
        (LimitName::Memory, Enforcer::Guest),
        (LimitName::Memory, Enforcer::Host),
        (LimitName::CpuTime, Enforcer::Host),
    ];
    if cfg!(target_os = "linux") {
        all.push((LimitName::Memory, Enforcer::Kernel));
        all.push((LimitName::CpuTime, Enforcer::Kernel));
    } else {
        all.retain(|(_, enforcer)| *enforcer == Enforcer::Guest);
    }
    all
}

/// What is enforced for the processes of a toolchain: the host looks at all of them together.
fn family_enforcement() -> Enforcement {
    if cfg!(target_os = "linux") {
        vec![
            (LimitName::Memory, Enforcer::Host),
            (LimitName::CpuTime, Enforcer::Host),
        ]
    } else {
        Vec::new()
    }
}

impl ChildGuest {
    pub(super) fn new(
        piped: Piped,
        kind: Language,
        pool: Pool<Launcher>,
        spec: &SessionSpec,
    ) -> Self {
        let limits = &spec.limits;
        let family = needs_toolchain(spec.language);
        // The process may be gone already; then there is nothing to cap. Toolchains reserve far
        // more address space than they use, and none would start under the cap.
        let base = if family {
            usage::measure(piped.pid())
        } else {
            usage::cap(piped.pid(), limits).0
        };
        Self {
            piped,
            watched: limits.memory.is_some() || limits.cpu_time.is_some(),
            base: base.memory.unwrap_or_default(),
            peak: GuestMeasure::default(),
            kind,
            pool,
            family,
            preparing: false,
            excused: Duration::ZERO,
        }
    }

    fn now(&self) -> GuestMeasure {
        if self.family {
            usage::of_family(self.piped.pid())
        } else {
            usage::measure(self.piped.pid())
        }
    }

    fn look(&mut self) {
        let now = self.now();
        // What the engine itself needs is not the program's.
        let memory = now.memory.map(|memory| memory.saturating_sub(self.base));
        let cpu_time = now.cpu_time.map(|time| time.saturating_sub(self.excused));
        self.peak = GuestMeasure {
            cpu_time: self.peak.cpu_time.max(cpu_time),
            memory: self.peak.memory.max(memory),
        };
    }
}

impl Drop for ChildGuest {
    fn drop(&mut self) {
        self.pool.refill(&self.kind);
    }
}

impl Guest for ChildGuest {
    fn kill(&mut self) {
        self.piped.kill();
    }

    fn ended(&mut self) -> Option<Ended> {
        self.piped.ended()
    }

    fn usage(&mut self) -> GuestMeasure {
        if self.piped.is_running() && !self.preparing {
            self.look();
        }
        self.peak
    }

    fn sample_every(&self) -> Option<Duration> {
        self.watched.then_some(SAMPLE)
    }

    fn preparing(&mut self, preparing: bool) {
        if preparing {
            self.look();
        } else if let (Some(now), Some(before)) = (self.now().cpu_time, self.peak.cpu_time) {
            self.excused = now.saturating_sub(before);
        }
        self.preparing = preparing;
    }

    fn enforcement(&self) -> Enforcement {
        if self.family {
            family_enforcement()
        } else {
            enforcement()
        }
    }
}

stream_of!(ChildGuest, piped);
