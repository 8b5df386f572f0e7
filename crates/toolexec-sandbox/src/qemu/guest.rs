//! A guest in a machine.

use std::time::Duration;

use toolexec_core::sandbox::{Ended, Enforcement, Guest, GuestMeasure, Limits};

use super::launch::{Launcher, Machine};
use crate::cgroup::Group;
use crate::container::Kind;
use crate::pool::Pool;
use crate::usage;

/// How often the host looks at what the machine uses.
const SAMPLE: Duration = Duration::from_millis(20);
/// What the first process says when the guest ended.
const MARK: &str = "toolexec-init: the guest ended: ";
/// The status with which a guest ends that is out of memory.
const OUT_OF_MEMORY: &str = "status 65";

/// A guest in a machine.
pub(super) struct MachineGuest {
    machine: Machine,
    kind: Kind,
    enforcement: Enforcement,
    limits: Limits,
    // What the machine itself needs is not the program's.
    base: GuestMeasure,
    peak: GuestMeasure,
    pool: Pool<Launcher>,
}

impl MachineGuest {
    pub(super) fn new(
        machine: Machine,
        kind: Kind,
        enforcement: Enforcement,
        limits: Limits,
        pool: &Pool<Launcher>,
    ) -> Self {
        Self {
            base: usage::measure(machine.piped.pid()),
            machine,
            kind,
            enforcement,
            limits,
            peak: GuestMeasure::default(),
            pool: pool.clone(),
        }
    }

    fn look(&mut self) {
        let now = usage::measure(self.machine.piped.pid());
        let memory = now.memory.zip(self.base.memory);
        let cpu_time = now.cpu_time.zip(self.base.cpu_time);
        let memory = memory.map(|(now, base)| now.saturating_sub(base));
        let cpu_time = cpu_time.map(|(now, base)| now.saturating_sub(base));
        self.peak = GuestMeasure {
            memory: self.peak.memory.max(memory),
            cpu_time: self.peak.cpu_time.max(cpu_time),
        };
    }

    /// How the guest ended, where QEMU only says that its machine was switched off.
    fn explain(&self, ended: Ended) -> Ended {
        if matches!(ended, Ended::Killed) {
            return ended;
        }
        if self.machine.group.as_ref().is_some_and(Group::is_starved) {
            return Ended::OutOfMemory;
        }
        let console = self.machine.piped.stderr();
        match how(&console) {
            Some(how) => how,
            None if ended == Ended::Exited => Ended::Crashed {
                how: "the kernel of its machine ended".to_owned(),
            },
            None => ended,
        }
    }
}

/// What the first process said of the end of the guest.
fn how(console: &str) -> Option<Ended> {
    let (_, how) = console.rsplit_once(MARK)?;
    let how = how.lines().next()?.trim();
    let is_starved = how == OUT_OF_MEMORY
        || how.ends_with("out of memory")
        || console.contains("memory allocation of");
    Some(if how == "status 0" {
        Ended::Exited
    } else if is_starved {
        Ended::OutOfMemory
    } else {
        Ended::Crashed {
            how: format!("it ended with {how}"),
        }
    })
}

impl Drop for MachineGuest {
    fn drop(&mut self) {
        self.pool.refill(&self.kind);
    }
}

impl Guest for MachineGuest {
    fn kill(&mut self) {
        self.machine.piped.kill();
    }

    fn ended(&mut self) -> Option<Ended> {
        let ended = self.machine.piped.ended()?;
        Some(self.explain(ended))
    }

    fn usage(&mut self) -> GuestMeasure {
        if self.machine.piped.is_running() {
            self.look();
        }
        self.peak
    }

    fn sample_every(&self) -> Option<Duration> {
        self.limits.cpu_time.map(|_| SAMPLE)
    }

    fn enforcement(&self) -> Enforcement {
        self.enforcement.clone()
    }
}

stream_of!(MachineGuest, machine.piped);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_guest_is_read_from_the_console() {
        let crashed = |how: &str| Ended::Crashed {
            how: how.to_owned(),
        };
        let said = |text: &str| how(&format!("[ 1.0] noise\r\n{MARK}{text}\r\n[ 2.0] reboot"));
        assert_eq!(said("status 0"), Some(Ended::Exited));
        assert_eq!(said("status 65"), Some(Ended::OutOfMemory));
        assert_eq!(said("signal 9, out of memory"), Some(Ended::OutOfMemory));
        assert_eq!(said("signal 11"), Some(crashed("it ended with signal 11")));
        assert_eq!(how("Kernel panic"), None);
    }
}
