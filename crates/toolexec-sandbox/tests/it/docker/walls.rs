//! What native code can do in a container: less than its limits say, and nothing outside.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use toolexec_core::CallContext;
use toolexec_core::code::Submission;
use toolexec_core::sandbox::{
    Ended, Guest, Language, LimitName, Limits, Sandbox, Session, SessionSpec,
};
use toolexec_sandbox::linux_guest::LinuxGuest;

use super::api::{Api, attacker};
use super::{RUNTIMES, daemon, executor, sandbox, sandbox_of};

const PATIENCE: Duration = Duration::from_secs(60);

/// An attacker that waits for its order.
async fn start(daemon: &Api, runtime: Option<&str>, limits: Limits) -> BufReader<Session> {
    let sandbox = sandbox_of(daemon, LinuxGuest::at(attacker(), None));
    let sandbox = match runtime {
        Some(runtime) => sandbox.runtime(runtime),
        None => sandbox,
    };
    let spec = SessionSpec::new(Language::JavaScript, limits);
    let session = sandbox.build().unwrap().start(spec).await;
    let mut session = BufReader::new(session.map_err(|error| error.report()).unwrap());
    assert_eq!(said(&mut session).await, "ready");
    session
}

async fn said(session: &mut BufReader<Session>) -> String {
    let mut line = String::new();
    let read = tokio::time::timeout(PATIENCE, session.read_line(&mut line)).await;
    read.unwrap().unwrap();
    line.trim_end().to_owned()
}

async fn order(session: &mut BufReader<Session>, what: &str) {
    session
        .get_mut()
        .write_all(format!("{what}\n").as_bytes())
        .await
        .unwrap();
    session.get_mut().flush().await.unwrap();
}

/// What an attacker says about what it could do.
async fn report(runtime: Option<&str>, limits: Limits, what: &str) -> Option<String> {
    let mut session = start(&daemon()?, runtime, limits).await;
    order(&mut session, what).await;
    Some(said(&mut session).await)
}

/// How an attacker ended.
async fn end(runtime: Option<&str>, limits: Limits, what: &str) -> Option<Ended> {
    let mut session = start(&daemon()?, runtime, limits).await;
    order(&mut session, what).await;
    let look = async {
        let mut rest = Vec::new();
        session.read_to_end(&mut rest).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&rest), "");
    };
    tokio::time::timeout(PATIENCE, look).await.unwrap();
    session.get_mut().ended()
}

fn memory(mib: u64) -> Limits {
    Limits {
        memory: Some(mib << 20),
        ..Limits::default()
    }
}

#[tokio::test]
async fn memory_beyond_the_limit_ends_the_guest() {
    for runtime in RUNTIMES {
        let Some(ended) = end(runtime, memory(64), "memory").await else {
            return;
        };
        assert_eq!(ended, Ended::OutOfMemory, "{runtime:?}");
    }
}

#[tokio::test]
async fn cpu_time_beyond_the_limit_ends_the_guest() {
    let limits = Limits {
        cpu_time: Some(Duration::from_millis(100)),
        ..memory(64)
    };
    let Some(ended) = end(None, limits, "cpu").await else {
        return;
    };
    assert_eq!(ended, Ended::OutOfCpu);
}

#[tokio::test]
async fn the_host_counts_cpu_time_whatever_the_runtime() {
    let Some(daemon) = daemon() else { return };
    for runtime in RUNTIMES {
        let mut sandbox = sandbox(&daemon);
        if let Some(runtime) = runtime {
            sandbox = sandbox.runtime(runtime);
        }
        let executor = executor(sandbox.build().unwrap(), &[]);
        let limits = Limits {
            cpu_time: Some(Duration::from_millis(300)),
            run_time: Some(PATIENCE),
            ..Limits::default()
        };
        let endless = Submission::new(Language::JavaScript, "while (true) {}").limits(limits);
        let outcome = executor.execute(endless, &CallContext::new()).await;
        let excess = outcome.unwrap().error.and_then(|error| error.limit);
        let name = excess.map(|excess| excess.name);
        assert_eq!(name, Some(LimitName::CpuTime), "{runtime:?}");
    }
}

#[tokio::test]
async fn processes_are_counted() {
    let limits = Limits {
        pids: Some(5),
        ..memory(64)
    };
    for runtime in RUNTIMES {
        let Some(started) = report(runtime, limits, "pids").await else {
            return;
        };
        // Besides the eight of the guest itself.
        let started: u32 = started.parse().unwrap();
        assert!((5..=13).contains(&started), "{runtime:?} {started}");
    }
}

#[tokio::test]
async fn only_so_many_bytes_can_be_written_and_only_in_one_place() {
    for runtime in RUNTIMES {
        for (disk, expected) in [(1 << 20, "1048576"), (10_000, "8192"), (0, "0")] {
            let limits = Limits {
                disk: Some(disk),
                ..memory(64)
            };
            let Some(written) = report(runtime, limits, "disk").await else {
                return;
            };
            assert_eq!(written, expected, "{runtime:?} {disk}");
        }
        let places = report(runtime, memory(64), "places").await;
        assert_eq!(places.as_deref(), Some("/tmp"), "{runtime:?}");
    }
}

#[tokio::test]
async fn there_is_no_network() {
    for runtime in RUNTIMES {
        let Some(network) = report(runtime, memory(64), "network").await else {
            return;
        };
        assert_eq!(network, "lo false", "{runtime:?}");
    }
}

#[tokio::test]
async fn a_guest_has_no_rights() {
    let none = "Uid:65534 Gid:65534 CapEff:0000000000000000 CapBnd:0000000000000000";
    for runtime in RUNTIMES {
        let Some(status) = report(runtime, memory(64), "status").await else {
            return;
        };
        let expected = match runtime {
            None => format!("{none} NoNewPrivs:1 Seccomp:2"),
            // Its kernel is another one and says less.
            Some(_) => format!("{none} Seccomp:0"),
        };
        assert_eq!(status, expected, "{runtime:?}");
    }
}

#[tokio::test]
async fn what_a_guest_says_is_bounded_and_what_it_complains_is_not_its_answer() {
    let Some(daemon) = daemon() else { return };
    let mut session = start(&daemon, None, memory(64)).await;
    order(&mut session, "complain").await;
    assert_eq!(said(&mut session).await, "complained");
    let mut session = start(&daemon, None, memory(64)).await;
    order(&mut session, "flood").await;
    let mut piece = vec![0; 1 << 16];
    session.read_exact(&mut piece).await.unwrap();
    assert!(piece.iter().all(|byte| *byte == b'x'));
    session.get_mut().kill();
    assert_eq!(session.get_mut().ended(), Some(Ended::Killed));
}

#[tokio::test]
async fn a_guest_that_breaks_says_how() {
    let Some(ended) = end(None, memory(64), "fail").await else {
        return;
    };
    let how = "exited with status 3".to_owned();
    assert_eq!(ended, Ended::Crashed { how });
}
