//! Control groups of guests, as the kernel shows them. `cargo xtask vm` runs this where there are
//! none but those of version 2, as root and as a user to whom some were delegated.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use toolexec_core::DocStore;
use toolexec_core::code::{CodeExecutor, Submission};
use toolexec_core::sandbox::{
    Enforcer, Language, LimitName, Limits, Sandbox, Sandboxes, SessionSpec,
};
use toolexec_sandbox::process::ProcessSandbox;
use toolexec_testkit::{Missing, require};

use crate::leftovers::{cgroups, family, host, left, line};
use crate::support::{Tools, run};

const MEMORY: u64 = 64 << 20;

fn sandbox() -> ProcessSandbox {
    ProcessSandbox::with_warm(toolexec_testkit::build::guest(), 0)
}

/// The sandbox, where it may make groups that control everything. `TOOLEXEC_CGROUPS` says that
/// this is such a place.
fn controlled() -> Option<ProcessSandbox> {
    let sandbox = sandbox();
    let enforcement = sandbox.describe().enforcement;
    let is_there = enforcement.contains(&(LimitName::Cpus, Enforcer::Kernel))
        && !enforcement.contains(&(LimitName::Memory, Enforcer::Host));
    if is_there {
        return Some(sandbox);
    }
    assert_eq!(
        std::env::var_os("TOOLEXEC_CGROUPS"),
        None,
        "{enforcement:?}"
    );
    require(Err(Missing::new(
        "cgroups",
        "this process may not make control groups",
        "run the tests as root, or in a directory of version 2 that is delegated to you",
    )))
}

fn limits() -> Limits {
    Limits {
        memory: Some(MEMORY),
        cpus: Some(0.25),
        run_time: Some(Duration::from_secs(60)),
        wait_time: Some(Duration::from_secs(60)),
        ..Limits::default()
    }
}

/// What the kernel says of the groups of a guest, by file.
fn settings(groups: &[PathBuf]) -> BTreeMap<String, String> {
    let wanted = |name: &str| {
        let is_limit = [".max", "quota_us"].iter().any(|end| name.ends_with(end));
        is_limit || ["memory.limit_in_bytes", "cgroup.procs"].contains(&name)
    };
    let mut all = BTreeMap::new();
    for entry in groups.iter().flat_map(|group| fs::read_dir(group).unwrap()) {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if wanted(&name) {
            let text = fs::read_to_string(entry.path()).unwrap_or_default();
            all.insert(name, text.trim().to_owned());
        }
    }
    all
}

#[tokio::test]
async fn the_kernel_has_the_limits_of_a_guest_and_forgets_them_with_it() {
    let Some(sandbox) = controlled() else { return };
    let spec = SessionSpec {
        language: Language::JavaScript,
        limits: limits(),
        module: None,
        image: None,
    };
    let session = sandbox.start(spec).await.unwrap();
    let groups = cgroups(std::process::id());
    let is_second = groups
        .iter()
        .all(|group| group.join("cgroup.controllers").is_file());
    let version = std::env::var("TOOLEXEC_CGROUPS").unwrap_or_default();
    assert!(is_second || version != "2", "{groups:?}");
    let set = settings(&groups);
    assert_eq!(set["pids.max"], "8");
    let (memory, quota) = if is_second {
        assert_eq!(groups.len(), 1);
        assert_eq!(set["memory.swap.max"], "0");
        (&set["memory.max"], &set["cpu.max"])
    } else {
        (&set["memory.limit_in_bytes"], &set["cpu.cfs_quota_us"])
    };
    assert_eq!(quota.split(' ').next(), Some("25000"));
    // Its engine and headroom besides.
    let memory: u64 = memory.parse().unwrap();
    assert!((MEMORY..4 * MEMORY).contains(&memory), "{memory}");
    // The guest, and not its supervisor.
    let inside: Vec<u32> = set["cgroup.procs"]
        .lines()
        .map(|pid| pid.parse().unwrap())
        .collect();
    assert_eq!(inside.len(), 1);
    assert!(family(std::process::id()).contains(&inside[0]));
    drop(session);
    drop(sandbox);
    assert_eq!(left(&inside.into_iter().collect()).await, [0_u32; 0]);
    for _ in 0..100 {
        if cgroups(std::process::id()).is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(cgroups(std::process::id()), [] as [PathBuf; 0]);
}

#[tokio::test]
async fn a_share_of_the_processors_is_all_a_guest_gets() {
    let Some(sandbox) = controlled() else { return };
    let executor = CodeExecutor::builder(
        Tools::new().runner,
        Arc::new(DocStore::default()),
        Sandboxes::new().with(Arc::new(sandbox)),
    )
    .build();
    let limits = Limits {
        run_time: Some(Duration::from_secs(2)),
        ..limits()
    };
    let submission = Submission::new(Language::JavaScript, "while (true) {}").limits(limits);
    let outcome = run(&executor, submission.check(false)).await;
    let error = outcome.error.unwrap();
    let limit = error.limit.as_ref().map(|limit| limit.name);
    assert_eq!(limit, Some(LimitName::RunTime), "{error:?}");
    let used = outcome.usage.cpu_time.unwrap();
    assert!(
        used < outcome.usage.run_time / 2,
        "{used:?} of {:?}",
        outcome.usage.run_time
    );
}

#[tokio::test]
async fn the_next_host_sweeps_what_nobody_could_remove() {
    if controlled().is_none() {
        return;
    }
    let mut host = host("wait");
    line(&mut host).await;
    let family = family(host.pid());
    assert_ne!(cgroups(host.pid()), [] as [PathBuf; 0]);
    // All of them stand still before the first is killed, and the host is the last: the kernel
    // lets a group go on that nobody is left to wait for.
    let mut all: Vec<u32> = family.iter().copied().collect();
    all.sort_unstable();
    all.push(host.pid());
    for signal in [Signal::STOP, Signal::KILL] {
        for pid in &all {
            let pid = Pid::from_raw(pid.cast_signed()).unwrap();
            // One that ended with another is not there any more.
            let _ = kill_process(pid, signal);
        }
    }
    host.wait().await.unwrap();
    assert_eq!(left(&family).await, [0_u32; 0]);
    assert_ne!(cgroups(host.pid()), [] as [PathBuf; 0]);
    let mut next = crate::leftovers::host("tidy");
    line(&mut next).await;
    next.wait().await.unwrap();
    assert_eq!(cgroups(host.pid()), [] as [PathBuf; 0]);
}
