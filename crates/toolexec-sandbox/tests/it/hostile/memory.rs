//! What a host holds while programs do their worst, measured from outside of it.

use std::process::{Command, Stdio};
use std::time::Duration;

use toolexec_core::code::Submission;
use toolexec_core::sandbox::{Language, Limits};
use toolexec_testkit::{Missing, require};

use crate::support::{Tools, Way, run};

/// What each program may use.
const MEMORY: u64 = 64 << 20;
/// What the host may hold besides, as `docs/limits` says: frames, arguments, records, output.
const CEILING: u64 = 96 << 20;
/// What may be left once they have ended: what an allocator keeps, not what a program left.
const LEFT: u64 = 48 << 20;

/// Programs that fill what they can, and make the host hold what they can.
const BARRAGE: &[(Language, &str)] = &[
    (
        Language::JavaScript,
        "const all = []; while (true) all.push(new Array(10000).fill(all.length))",
    ),
    (Language::JavaScript, "let s = 'x'; while (true) s += s"),
    (
        Language::JavaScript,
        "const v = 'x'.repeat(7e6); for (let i = 0; i < 50; i++) tools.test.slow({ms: 60000, v}); await new Promise(() => {})",
    ),
    (
        Language::JavaScript,
        "for (let i = 0; i < 1e6; i++) tools.run('test:slow', {ms: 60000, i}); await new Promise(() => {})",
    ),
    (
        Language::JavaScript,
        "for (let i = 0; i < 20; i++) await tools.test.echo({v: 'x'.repeat(7e6)}); return 1",
    ),
    (
        Language::JavaScript,
        "while (true) { console.log('x'.repeat(1e6)); log('info', 'x'.repeat(1e6)) }",
    ),
    (
        Language::JavaScript,
        "return new Array(9e5).fill(0).map((_, i) => ({i}))",
    ),
    (
        Language::Python,
        "all = []\nwhile True:\n    all.append([len(all)] * 10000)",
    ),
    (
        Language::Python,
        "v = 'x' * 7000000\nfor i in range(20):\n    tools.test.echo(v=v)",
    ),
    (Language::Python, "while True:\n    print('x' * 1000000)"),
    (Language::Python, "return [[i] for i in range(400000)]"),
];

in_every_sandbox!(a_barrage_keeps_the_host_under_its_ceiling);

async fn a_barrage_keeps_the_host_under_its_ceiling(way: Way) {
    // The instance of wasm is in the host's own memory.
    let most = if way.name == "wasm" {
        MEMORY + CEILING
    } else {
        CEILING
    };
    tokio::task::spawn_blocking(move || measured(way.name, most))
        .await
        .unwrap();
}

/// Runs the barrage in a process of its own, whose memory nothing else changes.
#[expect(clippy::disallowed_methods, reason = "this test, as a process")]
fn measured(way: &str, most: u64) {
    let proc = if cfg!(target_os = "linux") {
        Ok(())
    } else {
        let remedy = "run this test on Linux";
        Err(Missing::new("linux", "there is no /proc", remedy))
    };
    if require(proc).is_none() {
        return;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "hostile::memory::barrage",
            "--exact",
            "--ignored",
            "--nocapture",
        ])
        .env("TOOLEXEC_BARRAGE", way)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find_map(|line| line.split_once("held: "));
    let (_, figures) = line.unwrap_or_else(|| {
        panic!("{text}{}", String::from_utf8_lossy(&output.stderr));
    });
    let figures: Vec<u64> = figures
        .split_whitespace()
        .map(|figure| figure.parse().unwrap())
        .collect();
    let [peak, left] = figures[..] else {
        panic!("{figures:?}");
    };
    assert!(
        peak <= most,
        "{way}: {peak} bytes at most, {most} are allowed"
    );
    assert!(
        left <= LEFT,
        "{way}: {left} bytes are left, {LEFT} are allowed"
    );
}

/// Not a test by itself: what [`measured`] runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by the tests above in a process of its own"]
async fn barrage() {
    let Ok(name) = std::env::var("TOOLEXEC_BARRAGE") else {
        return;
    };
    let way = Way::named(&name).found().await.unwrap();
    let executor = way.executor(&Tools::new());
    for language in [Language::JavaScript, Language::Python] {
        // What is set up once is no part of what programs cost.
        let _ = run(&executor, Submission::new(language, "return 1")).await;
    }
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = status("VmRSS:");
    for (language, source) in BARRAGE {
        let limits = Limits {
            run_time: Some(Duration::from_secs(20)),
            wait_time: Some(Duration::from_millis(200)),
            memory: Some(MEMORY),
            ..Limits::default()
        };
        let _ = run(
            &executor,
            Submission::new(*language, *source).limits(limits),
        )
        .await;
    }
    let peak = status("VmHWM:").saturating_sub(before);
    let left = status("VmRSS:").saturating_sub(before);
    println!("held: {peak} {left}");
}

/// A figure of `/proc/self/status`, in bytes.
fn status(name: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.unwrap().trim().trim_end_matches(" kB");
    kib.parse::<u64>().unwrap() << 10
}
