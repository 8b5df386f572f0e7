//! What a container uses, as its control group says.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toolexec_core::sandbox::GuestMeasure;

/// The control group of a container, as far as it can be seen from here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Meter {
    memory: PathBuf,
    cpu: PathBuf,
    is_v2: bool,
}

impl Meter {
    /// That of the container whose control group has this name, at the top of the tree.
    pub(super) fn find(name: &str) -> Option<Self> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        let meter = Self::at(&mounts, name)?;
        (meter.memory.is_dir() && meter.cpu.is_dir()).then_some(meter)
    }

    /// Where controllers of version 1 are mounted they are used, whatever else is there.
    fn at(mounts: &str, name: &str) -> Option<Self> {
        let v1 = |controller| Some(point(mounts, "cgroup", Some(controller))?.join(name));
        if let (Some(memory), Some(cpu)) = (v1("memory"), v1("cpuacct")) {
            return Some(Self {
                memory,
                cpu,
                is_v2: false,
            });
        }
        let both = point(mounts, "cgroup2", None)?.join(name);
        Some(Self {
            memory: both.clone(),
            cpu: both,
            is_v2: true,
        })
    }

    /// What it uses now.
    pub(super) fn look(&self) -> GuestMeasure {
        let (memory, cpu_time) = if self.is_v2 {
            let time = keyed(&self.cpu.join("cpu.stat"), "usage_usec");
            (
                number(&self.memory.join("memory.current")),
                time.map(Duration::from_micros),
            )
        } else {
            let time = number(&self.cpu.join("cpuacct.usage"));
            (
                number(&self.memory.join("memory.usage_in_bytes")),
                time.map(Duration::from_nanos),
            )
        };
        GuestMeasure { cpu_time, memory }
    }

    /// Whether the kernel has ended something in it for want of memory.
    pub(super) fn is_starved(&self) -> bool {
        let file = if self.is_v2 {
            "memory.events"
        } else {
            "memory.oom_control"
        };
        keyed(&self.memory.join(file), "oom_kill").is_some_and(|kills| kills > 0)
    }
}

/// Whether what is swapped out can be capped on this machine.
pub(super) fn caps_swap() -> bool {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    match point(&mounts, "cgroup", Some("memory")) {
        Some(memory) => memory.join("memory.memsw.limit_in_bytes").is_file(),
        // Groups below the top have the file; one is there on every machine that has version 2.
        None => Path::new("/proc/swaps").is_file(),
    }
}

/// Where a tree of control groups is mounted, if this process sees its top.
fn point(mounts: &str, kind: &str, controller: Option<&str>) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let mut before = before.split(' ').skip(3);
        let mut after = after.split(' ');
        let is_top = before.next()? == "/";
        let is_kind = after.next()? == kind;
        let options = after.nth(1)?;
        let has = controller.is_none_or(|name| options.split(',').any(|option| option == name));
        (is_top && is_kind && has)
            .then(|| before.next().map(PathBuf::from))
            .flatten()
    })
}

fn number(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

fn keyed(file: &Path, key: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let mut values = text.lines().filter_map(|line| line.split_once(' '));
    values.find(|(name, _)| *name == key)?.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_is_where_its_controllers_are_mounted() {
        let v1 = "\
31 30 0:27 / /cg/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct
32 30 0:28 / /cg/memory rw,relatime shared:4 - cgroup cgroup rw,memory
";
        let v2 = "33 30 0:29 / /cg/unified rw,relatime - cgroup2 cgroup2 rw\n";
        let meter = |memory: &str, cpu: &str, is_v2| Meter {
            memory: memory.into(),
            cpu: cpu.into(),
            is_v2,
        };
        let first = meter("/cg/memory/a", "/cg/cpu/a", false);
        let second = meter("/cg/unified/a", "/cg/unified/a", true);
        assert_eq!(Meter::at(&format!("{v2}{v1}"), "a"), Some(first));
        assert_eq!(Meter::at(v2, "a"), Some(second));
        // In a container the top of the tree is out of sight.
        assert_eq!(
            Meter::at(&v2.replace(" / /cg", " /docker/b /cg"), "a"),
            None
        );
    }
}
