//! What a child process uses, and the caps the kernel puts on it.

use std::time::Duration;

use toolexec_core::sandbox::{GuestMeasure, Limits};

/// What a process uses now.
#[cfg(target_os = "linux")]
pub(crate) fn measure(pid: u32) -> GuestMeasure {
    read(pid).unwrap_or_default()
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn measure(_pid: u32) -> GuestMeasure {
    GuestMeasure::default()
}

/// Caps what a process may have from here on; whether the kernel took it. What it has already is
/// its engine, which is not counted.
#[cfg(target_os = "linux")]
pub(crate) fn cap(pid: u32, limits: &Limits) -> bool {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};
    let Some(process) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return false;
    };
    let both = |most: u64| Rlimit {
        current: Some(most),
        maximum: Some(most),
    };
    let set = |resource, most| prlimit(Some(process), resource, both(most)).is_ok();
    let mut all = set(Resource::Core, 0);
    if let Some(memory) = limits.memory {
        let size = address_space(pid);
        all &= size.is_some_and(|size| set(Resource::As, size.saturating_add(memory)));
    }
    if let Some(time) = limits.cpu_time {
        // Whole seconds, above what the host itself allows: the host's error is the better one.
        let used = measure(pid).cpu_time.unwrap_or_default();
        all &= set(Resource::Cpu, (used + time).as_secs() + 2);
    }
    all
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn cap(_pid: u32, _limits: &Limits) -> bool {
    false
}

#[cfg(target_os = "linux")]
fn read(pid: u32) -> Option<GuestMeasure> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything.
    let (_, rest) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    let number = |place: usize| fields.get(place)?.parse::<u64>().ok();
    // As `man proc_pid_stat` counts, less the two that are gone: 14 and 15 are CPU time in
    // hundredths of a second, 24 is the resident memory in pages.
    let hundredths = number(11)? + number(12)?;
    Some(GuestMeasure {
        cpu_time: Some(Duration::from_millis(hundredths * 10)),
        memory: Some(number(21)? * rustix::param::page_size() as u64),
    })
}

#[cfg(target_os = "linux")]
fn address_space(pid: u32) -> Option<u64> {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let pages: u64 = statm.split(' ').next()?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_and_a_processor() {
        let own = measure(std::process::id());
        assert!(own.memory > Some(100_000));
        assert!(own.cpu_time.is_some());
        assert!(address_space(std::process::id()) > own.memory);
        assert_eq!(measure(u32::MAX), GuestMeasure::default());
    }
}
