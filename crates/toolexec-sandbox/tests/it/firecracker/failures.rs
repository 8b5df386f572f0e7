//! What is said of a Firecracker that does not do what it should, and what happens then.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use serde_json::{Value, json};
use toolexec_core::sandbox::Sandbox;
use toolexec_sandbox::firecracker::FirecrackerSandbox;

use super::{Double, names, start};

/// What is said, without the causes, which name this machine.
async fn refusal(sandbox: FirecrackerSandbox) -> String {
    let report = sandbox.probe().await.unwrap_err().report();
    assert_eq!(report.code, "sandbox_unavailable");
    format!("{}\n  {}", report.message, report.hints.join("\n  "))
}

/// The same, of one that does this. Only what is waited for in vain is not given much time.
async fn refusal_of(script: Value) -> String {
    let is_silent = ["no_api", "mute", "refuses"]
        .iter()
        .any(|what| script[what] == json!(true));
    let patience = Duration::from_secs(if is_silent { 6 } else { 60 });
    let double = Double::new(script);
    let sandbox = double.builder().patience(patience).build();
    let said = refusal(sandbox).await;
    assert_eq!(double.machines(), Vec::<String>::new());
    said
}

#[tokio::test]
async fn what_is_not_there_is_told_apart() {
    let double = Double::new(json!({}));
    let other = double.work.path().join("other");
    fs::write(&other, "#!/bin/sh\necho QEMU emulator version 7.2.22\n").unwrap();
    fs::set_permissions(&other, fs::Permissions::from_mode(0o755)).unwrap();
    let mut said = Vec::new();
    for sandbox in [
        double.builder().program("/nowhere/firecracker"),
        double.builder().program(other),
        double.builder().kvm("/nowhere/kvm"),
        double.builder().image("/nowhere/image"),
    ] {
        said.push(refusal(sandbox.build()).await);
    }
    insta::assert_snapshot!(said.join("\n"));
}

#[tokio::test]
async fn what_firecracker_does_not_do_is_told_apart() {
    let scripts = [
        json!({ "no_api": true }),
        json!({ "faults": { "/boot-source": "The kernel file cannot be opened" } }),
        json!({ "faults": { "/actions": "Cannot open /dev/kvm" } }),
        json!({ "faults": { "/entropy": "unknown field" } }),
        json!({ "dies": "/actions" }),
        json!({ "mute": true }),
        json!({ "refuses": true }),
        json!({ "ready": "S" }),
        json!({ "forgets": true }),
    ];
    let said = scripts.map(|script| async move {
        let text = script.to_string();
        format!("{text}\n  {}", refusal_of(script).await)
    });
    let said = futures_util::future::join_all(said).await;
    insta::assert_snapshot!(said.join("\n"));
}

#[tokio::test]
async fn what_firecracker_says_is_a_cause_and_not_in_the_message() {
    let fault = "open /var/lib/secret: Permission denied";
    let double = Double::new(json!({ "faults": { "/vsock": fault } }));
    let error = double.sandbox().probe().await.unwrap_err();
    assert_eq!(
        error.guest_message(),
        "Firecracker refuses the virtual machine"
    );
    let causes = error.report().causes;
    let wanted = format!("/vsock was refused with status 400: {fault}");
    assert_eq!(causes, [wanted]);
}

#[tokio::test]
async fn a_machine_saved_by_another_version_is_not_restored_but_made_anew() {
    let double = Double::new(json!({}));
    drop(start(&double.sandbox()).await.unwrap());
    double.tell(json!({ "version": "1.18.0" }));
    drop(start(&double.sandbox()).await.unwrap());
    let calls = double.calls();
    assert_eq!(calls[..8], calls[8..]);
    // Each version has its own.
    assert_eq!(names(&double.state().join("snapshots")).len(), 2);
}

#[tokio::test]
async fn a_saved_machine_that_does_not_fit_is_made_anew() {
    let change = |double: &Double, file: &str, text: &str| {
        let snapshots = double.state().join("snapshots");
        let name = names(&snapshots).remove(0);
        let path = snapshots.join(name).join(file);
        fs::remove_file(&path).unwrap();
        fs::write(path, text).unwrap();
    };
    let cases = [
        // Firecracker itself refuses it.
        ("state", "saved by 1.16.0-dev", true),
        // It is described as another one.
        ("snapshot.json", "{}", false),
        // It was cut off.
        ("memory", "", false),
    ];
    for (file, text, is_tried) in cases {
        let double = Double::new(json!({}));
        drop(start(&double.sandbox()).await.unwrap());
        change(&double, file, text);
        for _ in 0..2 {
            drop(start(&double.sandbox()).await.unwrap());
        }
        let calls = double.calls();
        let first = calls[..8].to_vec();
        let load = "/snapshot/load".to_owned();
        let tried = if is_tried {
            vec![load.clone()]
        } else {
            Vec::new()
        };
        let wanted = [first.clone(), tried, first, vec![load]].concat();
        assert_eq!(calls, wanted, "{file}");
    }
}

#[tokio::test]
async fn a_machine_that_cannot_be_saved_runs_all_the_same() {
    let fault = "Cannot create snapshot: No space left on device";
    let double = Double::new(json!({ "faults": { "/snapshot/create": fault } }));
    let sandbox = double.sandbox();
    for _ in 0..2 {
        drop(start(&sandbox).await.unwrap());
    }
    let calls = double.calls();
    // It was tried once.
    let saved = calls.iter().filter(|path| *path == "/snapshot/create");
    assert_eq!(saved.count(), 1);
    let booted = calls.iter().filter(|path| *path == "/actions");
    assert_eq!(booted.count(), 3);
    assert_eq!(double.machines(), Vec::<String>::new());
}
