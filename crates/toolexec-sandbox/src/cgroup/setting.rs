//! What is written to control groups.

use std::fmt;

use super::{Controller, Version};
use crate::share::{PERIOD, quota};

/// Something to be written to a file of a control group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(super) controller: Controller,
    pub(super) file: &'static str,
    pub(super) value: String,
    pub(super) is_optional: bool,
}

impl Setting {
    pub(crate) fn new(controller: Controller, file: &'static str, value: &impl ToString) -> Self {
        Self {
            controller,
            file,
            value: value.to_string(),
            is_optional: false,
        }
    }

    /// Not every kernel has this file.
    pub(crate) fn optional(mut self) -> Self {
        self.is_optional = true;
        self
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.file, self.value)
    }
}

/// What every group gets: so many processes and threads, and no swap.
pub(crate) fn basics(version: Version, pids: u64) -> Vec<Setting> {
    let pids = Setting::new(Controller::Pids, "pids.max", &pids);
    let memory = |file, value: u64| Setting::new(Controller::Memory, file, &value).optional();
    match version {
        Version::V1 => vec![pids, memory("memory.swappiness", 0)],
        Version::V2 => vec![
            pids,
            memory("memory.swap.max", 0),
            memory("memory.oom.group", 1),
        ],
    }
}

/// What caps memory, in bytes with what is swapped out, and CPU time, in thousandths of a processor.
pub(crate) fn caps(version: Version, memory: Option<u64>, cpus: Option<u64>) -> Vec<Setting> {
    let quota = cpus.map(quota);
    let mut all = Vec::new();
    match version {
        Version::V1 => {
            if let Some(memory) = memory {
                let set = |file| Setting::new(Controller::Memory, file, &memory);
                all.push(set("memory.limit_in_bytes"));
                all.push(set("memory.memsw.limit_in_bytes").optional());
            }
            if let Some(quota) = quota {
                let set = |file, value: u64| Setting::new(Controller::Cpu, file, &value);
                all.push(set("cpu.cfs_period_us", PERIOD));
                all.push(set("cpu.cfs_quota_us", quota));
            }
        }
        Version::V2 => {
            if let Some(memory) = memory {
                all.push(Setting::new(Controller::Memory, "memory.max", &memory));
            }
            if let Some(quota) = quota {
                let value = format!("{quota} {PERIOD}");
                all.push(Setting::new(Controller::Cpu, "cpu.max", &value));
            }
        }
    }
    all
}
