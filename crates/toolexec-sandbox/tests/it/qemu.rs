//! The sandbox `qemu`: machines that really boot, and what is said where they cannot.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use toolexec_core::code::Submission;
use toolexec_core::error::ErrorReport;
use toolexec_core::sandbox::{Language, LimitName, Limits, Sandbox};
use toolexec_sandbox::linux_guest::LinuxGuest;
use toolexec_sandbox::qemu::{Accel, Builder, QemuSandbox};
use toolexec_sandbox::vm::Images;
use toolexec_testkit::contract::sandbox as rules;
use toolexec_testkit::{daemons, require};

use crate::support::{Guests, Tools, run, ways};
use crate::{contract, machines, programs};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_keeps_the_contract() {
    let Some(way) = ways::qemu().found().await else {
        return;
    };
    let sandbox = way.sandbox(Guests::REAL);
    // All rules but one: QEMU takes what is written to a guest that has ended, and throws it away,
    // until the machine is off.
    rules::probing_is_repeatable(&*sandbox).await;
    for programs in [contract::JAVASCRIPT, contract::PYTHON] {
        rules::every_guest_is_fresh(&*sandbox, &programs).await;
        rules::a_killed_guest_is_at_its_end(&*sandbox, &programs).await;
        rules::only_what_is_described_is_enforced(&*sandbox, &programs).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn programs_run_as_everywhere() {
    if let Some(way) = ways::qemu().found().await {
        programs::a_program_calls_a_tool_and_answers(way).await;
        programs::a_failing_tool_is_caught(way).await;
        programs::doubles_keep_their_last_bit(way).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_program_does_to_its_machine_ends_with_it() {
    let Some(way) = ways::qemu().found().await else {
        return;
    };
    let executor = way.executor(&Tools::new());
    let limits = Limits {
        run_time: Some(Duration::from_secs(20)),
        wait_time: Some(Duration::from_mins(1)),
        memory: Some(32 << 20),
        ..Limits::default()
    };
    let programs = [
        (
            "const all = []; while (true) all.push(new Array(10000).fill(all.length))",
            LimitName::Memory,
        ),
        ("while (true) {}", LimitName::CpuTime),
        (
            "while (true) console.log('x'.repeat(100000))",
            LimitName::Output,
        ),
    ];
    let mut ends = Vec::new();
    for (source, name) in programs {
        let cpu_time = (name == LimitName::CpuTime).then_some(Duration::from_millis(500));
        let limits = Limits {
            cpu_time,
            output: Some(1 << 20),
            ..limits
        };
        let submission = Submission::new(Language::JavaScript, source).limits(limits);
        let outcome = run(&executor, submission.check(false)).await;
        let limit = outcome
            .error
            .as_ref()
            .and_then(|error| error.limit.as_ref());
        ends.push((limit.map(|limit| limit.name), Some(name)));
        assert_eq!(
            ends.last().map(|(is, must)| is == must),
            Some(true),
            "{outcome:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clock_of_a_machine_is_that_of_its_host() {
    let Some(way) = ways::qemu().found().await else {
        return;
    };
    let executor = way.executor(&Tools::new());
    let source = "const from = Date.now(); await tools.test.slow({ms: 2000}); return [from, Date.now() - from]";
    let before = std::time::SystemTime::now();
    let outcome = run(&executor, Submission::new(Language::JavaScript, source)).await;
    let seen = outcome.value;
    let epoch = std::time::UNIX_EPOCH;
    let from = epoch + Duration::from_millis(seen[0].as_u64().unwrap());
    assert!(
        from >= before - Duration::from_millis(100),
        "{from:?} {before:?}"
    );
    assert!(from <= std::time::SystemTime::now());
    // It neither stands nor runs away: the call took two seconds and its own way.
    let passed = seen[1].as_f64().unwrap();
    let most = outcome.usage.wait_time + outcome.usage.run_time;
    assert!(
        passed >= 1990.0 && passed <= most.as_secs_f64() * 1020.0,
        "{passed} {most:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn machines_started_from_one_image_are_not_alike() {
    let Some(way) = ways::qemu().found().await else {
        return;
    };
    let executor = way.executor(&Tools::new());
    let source = "return Math.random()";
    let mut seen = Vec::new();
    for _ in 0..2 {
        let outcome = run(&executor, Submission::new(Language::JavaScript, source)).await;
        assert_eq!(outcome.error, None);
        seen.push(outcome.value);
    }
    assert_ne!(seen[0], seen[1]);
}

/// What a sandbox says that cannot be used, without the causes, which name this machine.
async fn refusal(sandbox: QemuSandbox) -> (String, Vec<String>) {
    let error = sandbox.probe().await.unwrap_err();
    let report: ErrorReport = error.report();
    assert_eq!(report.code, "sandbox_unavailable");
    (report.message, report.hints)
}

fn builder(work: &TempDir) -> Builder {
    let guest = LinuxGuest::built_in(Some(work.path().join("guest")));
    QemuSandbox::builder(guest, Images::new(work.path().join("images")))
        .accel(Accel::Tcg)
        .warm(0)
}

/// An image of this kernel, with a program that is no guest.
fn image(work: &TempDir, kernel: &[u8]) -> PathBuf {
    machines::image(work.path(), kernel)
}

#[tokio::test]
async fn without_qemu_it_is_said_how_to_get_it() {
    let work = tempfile::tempdir().unwrap();
    let sandbox = builder(&work).program("/nowhere/qemu").build();
    let install = "install QEMU: apt-get install qemu-system-x86".to_owned();
    let wanted = ("QEMU is not installed".to_owned(), vec![install]);
    assert_eq!(refusal(sandbox).await, wanted);
}

#[tokio::test]
async fn an_image_that_was_cut_off_is_not_started() {
    if require(daemons::qemu()).is_none() {
        return;
    }
    let work = tempfile::tempdir().unwrap();
    let image = image(&work, b"\x7fELF kernel");
    fs::write(image.join("kernel"), b"\x7fELF").unwrap();
    let message = "the image of the virtual machine is damaged: its file kernel has 4 bytes \
                   instead of 11";
    let hint = "make it anew: toolexec image build".to_owned();
    let sandbox = builder(&work).image(image).build();
    assert_eq!(refusal(sandbox).await, (message.to_owned(), vec![hint]));
}

#[tokio::test]
async fn a_kernel_that_is_none_is_told_from_one_that_hangs() {
    if require(daemons::qemu()).is_none() {
        return;
    }
    let work = tempfile::tempdir().unwrap();
    let image = image(&work, b"\x7fELF kernel");
    let sandbox = builder(&work).image(&image).build();
    let (message, hints) = refusal(sandbox).await;
    assert_eq!(message, "the virtual machine does not start");
    // Whether QEMU refuses it or the machine stays silent depends on QEMU's version.
    assert!(hints.concat().contains("toolexec image build"), "{hints:?}");
}

#[tokio::test]
async fn a_machine_that_never_speaks_is_given_up() {
    let work = tempfile::tempdir().unwrap();
    let image = image(&work, b"\x7fELF kernel");
    let silent = script(work.path());
    let sandbox = builder(&work)
        .program(silent)
        .image(image)
        .patience(Duration::from_millis(500))
        .build();
    let (message, hints) = refusal(sandbox).await;
    assert_eq!(
        json!([message, hints.len()]),
        json!(["the virtual machine does not start", 1])
    );
}

/// A QEMU that says its version and then nothing.
fn script(dir: &Path) -> PathBuf {
    let path = dir.join("qemu");
    let text = "#!/bin/sh\n[ \"$1\" = --version ] && exec echo QEMU emulator version 7.2.0\nexec /bin/sleep 60\n";
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}
