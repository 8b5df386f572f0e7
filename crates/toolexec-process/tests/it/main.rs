//! Tests with real processes.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failure of a test's own steps is a failure of the test"
)]

mod child;
mod orphans;

use std::path::Path;
use std::time::{Duration, Instant};

/// Whether a process is there and is no zombie.
fn is_running(pid: u32) -> bool {
    let stat = Path::new("/proc").join(pid.to_string()).join("stat");
    match std::fs::read_to_string(stat) {
        Ok(stat) => !stat.rsplit(") ").next().unwrap_or("").starts_with('Z'),
        Err(_) => false,
    }
}

/// The processes of `pids` that still run when `limit` passed, or none as soon as all are gone.
async fn left_after(limit: Duration, pids: &[u32]) -> Vec<u32> {
    let start = Instant::now();
    loop {
        let left: Vec<u32> = pids
            .iter()
            .copied()
            .filter(|pid| is_running(*pid))
            .collect();
        if left.is_empty() || start.elapsed() > limit {
            return left;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
