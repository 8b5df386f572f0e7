//! Many programs: at once, and one after the other with a host that does not grow.

use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;
use toolexec_core::code::Submission;
use toolexec_core::sandbox::{Language, Limits};

use crate::support::ways::Program;
use crate::support::{Guests, Tools, Way, run};

in_every_sandbox!(
    fifty_programs_at_once_all_end,
    thousands_of_programs_leave_the_host_as_it_was,
);

/// How many run at once.
const FIFTY: usize = 50;
/// How many guests wait, and how many programs run at the same time in the long run.
const WARM: usize = 4;
/// How many programs run before the host is measured: what is made once is made then.
const FIRST: usize = 100;
/// What an allocator may keep besides, over all of them.
const GROWTH: u64 = 24 << 20;

const SOURCE: &str = "return await tools.math.add({a: 1, b: 2})";

async fn fifty_programs_at_once_all_end(way: Way) {
    let executor = way.executor(&Tools::new());
    let limits = Limits {
        run_time: Some(Duration::from_mins(5)),
        ..Limits::default()
    };
    let mut running = JoinSet::new();
    for _ in 0..FIFTY {
        let executor = executor.clone();
        let program = Submission::new(Language::JavaScript, SOURCE).limits(limits);
        running.spawn(async move { run(&executor, program).await });
    }
    let ended = running.join_all().await;
    let ended: Vec<_> = ended
        .into_iter()
        .map(|one| (one.error, one.value))
        .collect();
    assert_eq!(ended, vec![(None, json!(3)); FIFTY]);
}

async fn thousands_of_programs_leave_the_host_as_it_was(way: Way) {
    let guests = Guests {
        program: Program::Carried,
        warm: WARM,
    };
    let executor = way.executor_of(guests, &Tools::new());
    let serve = async |programs: usize| {
        let mut running = JoinSet::new();
        for _ in 0..WARM {
            let executor = executor.clone();
            running.spawn(async move {
                for _ in 0..programs / WARM {
                    let program = Submission::new(Language::JavaScript, SOURCE);
                    let outcome = run(&executor, program).await;
                    assert_eq!((outcome.error, outcome.value), (None, json!(3)));
                }
            });
        }
        running.join_all().await;
    };
    serve(FIRST.min(way.programs)).await;
    let before = resident();
    serve(way.programs).await;
    let grown = resident().saturating_sub(before);
    assert!(
        grown <= GROWTH,
        "{grown} bytes more after {} programs",
        way.programs
    );
}

/// The memory of this process, in bytes.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.unwrap().trim().trim_end_matches(" kB");
    kib.parse::<u64>().unwrap() << 10
}
