//! What a program is held to, and by whom.

use toolexec_process::{ConfineError, Exit};

use super::settings::ToolLimits;
use crate::cgroup::{Controller, Group, Setting, Version, basics, caps};
use crate::share::thousandths;

/// What programs may use for which nothing is said, where somebody can hold them to it.
const MEMORY: u64 = 1 << 30;
const PIDS: u64 = 256;
const DISK: u64 = 64 << 20;
/// The first process of the namespaces, which is not the program's.
const FIRST: u64 = 1;

/// What a program is held to. What nobody enforces is not in it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bounds {
    pub(super) memory: Option<u64>,
    pub(super) cpus: Option<f64>,
    pids: Option<u64>,
    /// The same, where resource limits hold it to that.
    pub(super) processes: Option<u64>,
    pub(super) disk: u64,
}

impl Bounds {
    /// What these controllers hold a program to.
    ///
    /// # Errors
    /// When something is asked for that nobody here can enforce.
    pub(super) fn new(
        limits: &ToolLimits,
        controllers: &[Controller],
        is_root: bool,
    ) -> Result<Self, ConfineError> {
        let has = |controller| controllers.contains(&controller);
        let cannot = |name: &str| {
            ConfineError::new(format!(
                "nobody here can hold a tool to its limit of {name}: this user may make no \
                 control group that has it"
            ))
            .with_hint(
                "run toolexec as root, or in a delegated group: systemd-run --user --scope \
                 -p Delegate=yes toolexec ...; or leave the limit out",
            )
        };
        if limits.memory.is_some() && !has(Controller::Memory) {
            return Err(cannot("memory"));
        }
        if limits.cpus.is_some() && !has(Controller::Cpu) {
            return Err(cannot("cpus"));
        }
        // The kernel does not count the processes of root's user.
        let is_counted = has(Controller::Pids) || !is_root;
        if limits.pids.is_some() && !is_counted {
            return Err(cannot("pids"));
        }
        let pids = limits.pids.or(is_counted.then_some(PIDS));
        Ok(Self {
            memory: limits.memory.or(has(Controller::Memory).then_some(MEMORY)),
            cpus: limits.cpus,
            pids,
            processes: pids.filter(|_| !is_root).map(|pids| pids + FIRST),
            disk: limits.disk.unwrap_or(DISK),
        })
    }

    /// What is written to the control group of a program.
    pub(super) fn settings(&self, version: Version) -> Vec<Setting> {
        let mut all = basics(version, self.pids.unwrap_or(PIDS) + FIRST);
        all.extend(caps(version, self.memory, self.cpus.map(thousandths)));
        all
    }

    /// Which of them a program exceeded that ended so in this control group.
    pub(super) fn exceeded(&self, exit: Exit, group: Option<&Group>) -> Option<String> {
        // One of its processes may have been ended by the kernel without the others noticing.
        if exit.is_success() || !group.is_some_and(Group::is_starved) {
            return None;
        }
        Some(format!("ran out of memory ({})", size(self.memory?)))
    }

    /// Each of them in a few words.
    pub(super) fn describe(&self) -> Vec<String> {
        let memory = self.memory.map(|memory| format!("memory {}", size(memory)));
        let cpus = self.cpus.map(|cpus| format!("cpus {cpus}"));
        let pids = self.pids.map(|pids| format!("pids {pids}"));
        let disk = Some(format!("disk {}", size(self.disk)));
        [memory, cpus, pids, disk].into_iter().flatten().collect()
    }
}

/// A number of bytes as people write it.
fn size(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let fits = |(shift, _): &(u32, &str)| bytes >= 1 << shift && bytes.is_multiple_of(1 << shift);
    match units.into_iter().find(fits) {
        Some((shift, unit)) => format!("{} {unit}", bytes >> shift),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Controller; 3] = [Controller::Memory, Controller::Pids, Controller::Cpu];

    #[test]
    fn what_nobody_enforces_is_refused_and_not_claimed() {
        let asked = ToolLimits {
            memory: Some(64 << 20),
            cpus: Some(0.5),
            pids: Some(16),
            disk: Some(1 << 20),
        };
        let bounds = Bounds::new(&asked, &ALL, true).unwrap();
        assert_eq!(
            bounds.describe(),
            ["memory 64 MiB", "cpus 0.5", "pids 16", "disk 1 MiB"]
        );
        let settings = bounds.settings(Version::V2);
        let written: Vec<String> = settings.iter().map(ToString::to_string).collect();
        assert_eq!(
            written,
            [
                "pids.max=17",
                "memory.swap.max=0",
                "memory.oom.group=1",
                "memory.max=67108864",
                "cpu.max=50000 100000"
            ]
        );
        let none = ToolLimits::default();
        let refused = |asked: ToolLimits, is_root| {
            Bounds::new(&asked, &[], is_root).err().map(|error| {
                let words = error.message.split("limit of ").nth(1).unwrap_or_default();
                words.split(':').next().unwrap_or_default().to_owned()
            })
        };
        let memory = ToolLimits {
            memory: asked.memory,
            ..none
        };
        let cpus = ToolLimits {
            cpus: asked.cpus,
            ..none
        };
        let pids = ToolLimits {
            pids: asked.pids,
            ..none
        };
        assert_eq!(refused(memory, false).as_deref(), Some("memory"));
        assert_eq!(refused(cpus, false).as_deref(), Some("cpus"));
        assert_eq!(refused(pids, true).as_deref(), Some("pids"));
        assert_eq!(refused(pids, false), None);
        let claims = |is_root| Bounds::new(&none, &[], is_root).map(|bounds| bounds.describe());
        assert_eq!(claims(true).unwrap(), ["disk 64 MiB"]);
        assert_eq!(claims(false).unwrap(), ["pids 256", "disk 64 MiB"]);
    }
}
