//! What a child process uses, and the caps the kernel puts on it.

#[cfg(target_os = "linux")]
use std::io::Read;
use std::time::Duration;

use toolexec_core::sandbox::{GuestMeasure, Limits};

/// What a process uses now.
#[cfg(target_os = "linux")]
pub(crate) fn measure(pid: u32) -> GuestMeasure {
    look(pid).map(|seen| seen.measure).unwrap_or_default()
}

/// What a process uses now, without the memory that it shares with others.
#[cfg(all(feature = "qemu", target_os = "linux"))]
pub(crate) fn measure_own(pid: u32) -> GuestMeasure {
    // `man proc_pid_statm`: all pages, those that are in memory, and which of these are shared.
    let text = std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    let mut pages = text.split(' ').skip(1).map(str::parse::<u64>);
    let mut next = || pages.next()?.ok();
    let own = next()
        .zip(next())
        .map(|(all, shared)| all.saturating_sub(shared));
    GuestMeasure {
        memory: own.map(|own| own * rustix::param::page_size() as u64),
        ..measure(pid)
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn of_family(pid: u32) -> GuestMeasure {
    measure(pid)
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn measure(_pid: u32) -> GuestMeasure {
    GuestMeasure::default()
}

/// What was used at most, with what is used now: that of before the program is not its own.
pub(crate) fn peak(peak: GuestMeasure, now: GuestMeasure, base: GuestMeasure) -> GuestMeasure {
    let memory = now.memory.zip(base.memory);
    let cpu_time = now.cpu_time.zip(base.cpu_time);
    let memory = memory.map(|(now, base)| now.saturating_sub(base));
    let cpu_time = cpu_time.map(|(now, base)| now.saturating_sub(base));
    GuestMeasure {
        memory: peak.memory.max(memory),
        cpu_time: peak.cpu_time.max(cpu_time),
    }
}

/// What a process, its children and theirs use now; the time of those that ended is counted.
#[cfg(target_os = "linux")]
pub(crate) fn of_family(pid: u32) -> GuestMeasure {
    let own = look(pid).map_or_else(GuestMeasure::default, |seen| GuestMeasure {
        cpu_time: add(seen.measure.cpu_time, Some(seen.ended_children)),
        ..seen.measure
    });
    let children = children(pid).into_iter().map(of_family);
    children.fold(own, |all, one| GuestMeasure {
        cpu_time: add(all.cpu_time, one.cpu_time),
        memory: add(all.memory, one.memory),
    })
}

#[cfg(target_os = "linux")]
fn children(pid: u32) -> Vec<u32> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task"));
    let threads = threads.into_iter().flatten().flatten();
    let of_thread = |thread: std::fs::DirEntry| {
        let children = std::fs::read_to_string(thread.path().join("children"));
        let children = children.unwrap_or_default();
        let pids = children.split_whitespace().map(str::parse);
        pids.filter_map(Result::ok).collect::<Vec<u32>>()
    };
    threads.flat_map(of_thread).collect()
}

#[cfg(target_os = "linux")]
fn add<T: std::ops::Add<Output = T>>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one + other),
        (one, other) => one.or(other),
    }
}

/// Caps what a process may have from here on. What it has already is its engine, which is not
/// counted: the answer is what that is, and whether the kernel took the caps.
#[cfg(target_os = "linux")]
pub(crate) fn cap(pid: u32, limits: &Limits) -> (GuestMeasure, bool) {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};
    let process = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let (Some(process), Some(seen)) = (process, look(pid)) else {
        return (GuestMeasure::default(), false);
    };
    let both = |most: u64| Rlimit {
        current: Some(most),
        maximum: Some(most),
    };
    let set = |resource, most| prlimit(Some(process), resource, both(most)).is_ok();
    let mut all = set(Resource::Core, 0);
    if let Some(memory) = limits.memory {
        all &= set(Resource::As, seen.address_space.saturating_add(memory));
    }
    if let Some(time) = limits.cpu_time {
        // Whole seconds, above what the host itself allows: the host's error is the better one.
        let used = seen.measure.cpu_time.unwrap_or_default();
        all &= set(Resource::Cpu, (used + time).as_secs() + 2);
    }
    (seen.measure, all)
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn cap(_pid: u32, _limits: &Limits) -> (GuestMeasure, bool) {
    (GuestMeasure::default(), false)
}

/// What the kernel says of a process.
#[cfg(target_os = "linux")]
struct Seen {
    measure: GuestMeasure,
    /// In bytes.
    address_space: u64,
    /// CPU time of its children that have ended.
    ended_children: Duration,
}

#[cfg(target_os = "linux")]
fn look(pid: u32) -> Option<Seen> {
    // One read: this is done for every program, and the kernel makes the text anew each time.
    let mut text = [0; 1024];
    let mut file = std::fs::File::open(format!("/proc/{pid}/stat")).ok()?;
    let length = file.read(&mut text).ok()?;
    let stat = std::str::from_utf8(&text[..length]).ok()?;
    // The name, in parentheses, may hold anything.
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    // As `man proc_pid_stat` counts, less the two that are gone: 14 and 15 are CPU time in
    // hundredths of a second, 16 and 17 that of children that ended, 23 is the address space in bytes, 24 the resident memory in pages.
    let mut skip = |fields_between: usize| fields.nth(fields_between)?.parse::<u64>().ok();
    let hundredths = skip(11)? + skip(0)?;
    let of_children = skip(0)? + skip(0)?;
    let address_space = skip(5)?;
    let resident = skip(0)? * rustix::param::page_size() as u64;
    Some(Seen {
        measure: GuestMeasure {
            cpu_time: Some(Duration::from_millis(hundredths * 10)),
            memory: Some(resident),
        },
        address_space,
        ended_children: Duration::from_millis(of_children * 10),
    })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_and_a_processor() {
        let own = measure(std::process::id());
        assert!(own.memory > Some(100_000));
        assert!(own.cpu_time.is_some());
        let seen = look(std::process::id()).unwrap();
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
        let pages: u64 = statm.split(' ').next().unwrap().parse().unwrap();
        let apart = seen
            .address_space
            .abs_diff(pages * rustix::param::page_size() as u64);
        assert!(apart < 64 << 20, "{apart}");
        assert_eq!(measure(u32::MAX), GuestMeasure::default());
    }
}
