//! Interrupts.

use std::io::Read;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::program::Place;

#[expect(clippy::disallowed_methods, reason = "the kill of the system")]
pub(crate) fn send(signal: &str, pid: u32) {
    let pid = pid.to_string();
    let kill = std::process::Command::new("kill")
        .args([signal, &pid])
        .status();
    assert!(kill.unwrap().success());
}

fn ended_by(signal: &str) -> (Option<i32>, String, Duration) {
    let place = Place::new();
    let mut child = place
        .command(&[
            "run",
            "demo:count",
            "to=1000",
            "--stream",
            "--format",
            "jsonl",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It runs once the first event is there.
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0; 16]).unwrap();
    let started = Instant::now();
    send(signal, child.id());
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    let status = child.wait().unwrap();
    let last = rest.lines().last().unwrap_or_default().to_owned();
    (status.code(), last, started.elapsed())
}

#[test]
fn an_interrupt_cancels_the_call_and_says_so() {
    let (code, last, took) = ended_by("-INT");
    assert_eq!(code, Some(130));
    let event: serde_json::Value = serde_json::from_str(&last).unwrap();
    assert_eq!(event["error"]["code"], "cancelled", "{event}");
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[test]
fn a_termination_does_too() {
    let (code, _, _) = ended_by("-TERM");
    assert_eq!(code, Some(143));
}
