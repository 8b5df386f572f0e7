//! The life of machines, and what Firecracker is asked for in it.

use serde_json::json;
use toolexec_core::sandbox::{Language, Limits, Sandbox, SessionSpec};
use toolexec_sandbox::roots::{Recipe, Roots, Toolchain};
use toolexec_testkit::contract::sandbox::{Programs, all};

use super::{Double, names, start, start_with};

/// What the first machine of the usual limits is asked for.
const FIRST: [&str; 8] = [
    "/machine-config",
    "/boot-source",
    "/vsock",
    "/entropy",
    "/actions",
    "/vm",
    "/snapshot/create",
    "/vm",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_keeps_the_contract() {
    let double = Double::new(json!({}));
    let programs = Programs {
        language: Language::JavaScript,
        two: "return 1 + 1",
        endless: "while (true) {}",
    };
    all(&double.sandbox(), &programs).await;
    all(
        &double.builder().warm(2).snapshots(false).build(),
        &programs,
    )
    .await;
}

#[tokio::test]
async fn a_machine_is_made_saved_and_restored_by_these_calls() {
    let double = Double::new(json!({}));
    let sandbox = double.sandbox();
    for _ in 0..2 {
        drop(start(&sandbox).await.unwrap());
    }
    insta::assert_snapshot!(
        double
            .asked()
            .iter()
            .filter(|asked| asked["word"].is_null())
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    );
}

#[tokio::test]
async fn a_machine_is_as_large_as_the_limits_say_and_only_usual_ones_are_saved() {
    let double = Double::new(json!({}));
    let limits = Limits {
        memory: Some(32 << 20),
        cpus: Some(1.5),
        ..Limits::standard()
    };
    // Where there are no control groups, nobody keeps a program to a share of processors.
    let cpus = super::FirecrackerSandbox::describe(&double.sandbox())
        .enforcement
        .iter()
        .any(|(name, _)| *name == toolexec_core::sandbox::LimitName::Cpus);
    let limits = Limits {
        cpus: limits.cpus.filter(|_| cpus),
        ..limits
    };
    drop(start_with(&double.sandbox(), limits).await.unwrap());
    let config = json!({
        "vcpu_count": if cpus { 2 } else { 1 },
        "mem_size_mib": 32 + 64 + 128,
        "smt": false,
        "track_dirty_pages": false,
    });
    assert_eq!(double.asked()[0]["body"], config);
    assert_eq!(double.calls(), FIRST[..5]);
}

#[tokio::test]
async fn sandboxes_share_a_saved_machine_and_no_two_machines_are_alike() {
    let double = Double::new(json!({}));
    for _ in 0..3 {
        drop(start(&double.sandbox()).await.unwrap());
    }
    let load = "/snapshot/load";
    let calls = [&FIRST[..], &[load, load]].concat();
    assert_eq!(double.calls(), calls);
    assert_eq!(names(&double.state().join("snapshots")).len(), 1);
    let asked = double.asked();
    let words = asked.iter().filter_map(|asked| asked["word"].as_str());
    let mut seeds: Vec<&str> = words
        .filter_map(|word| word.split(' ').find(|field| field.starts_with("seed=")))
        .collect();
    seeds.sort_unstable();
    seeds.dedup();
    assert_eq!(seeds.len(), 3);
}

#[tokio::test]
async fn a_machine_with_a_root_has_it_as_a_disk_also_where_it_is_restored() {
    let double = Double::new(json!({}));
    let directory = double.work.path().join("roots");
    let small = directory.join("small");
    std::fs::create_dir_all(small.join("root/bin")).unwrap();
    std::fs::write(small.join("root/bin/bash"), "bash").unwrap();
    let manifest = json!({
        "recipe": Recipe::new([Toolchain::Bash]), "packages": [], "bytes": 4, "contents": "0",
    });
    std::fs::write(small.join("root.json"), manifest.to_string()).unwrap();
    let sandbox = || {
        let builder = double.builder().roots(Roots::new(&directory));
        builder.root("small").build()
    };
    let limits = Limits {
        disk: Some(1 << 20),
        ..Limits::standard()
    };
    let saved = SessionSpec::new(Language::Bash, Limits::standard());
    let other = SessionSpec::new(Language::Bash, limits);
    for spec in [saved.clone(), saved, other] {
        drop(sandbox().start(spec).await.unwrap());
    }
    let with_disk = [&FIRST[..4], &["/drives/root"], &FIRST[4..]].concat();
    let calls = [&with_disk[..], &["/snapshot/load"], &with_disk[..6]].concat();
    assert_eq!(double.calls(), calls);
    let asked = double.asked();
    let drive = json!({
        "drive_id": "root", "path_on_host": "disk", "is_root_device": false, "is_read_only": true,
    });
    assert_eq!(asked[4]["body"], drive);
    let words = asked.iter().filter_map(|asked| asked["word"].as_str());
    let disk = |word: &str| {
        word.split(' ')
            .find(|field| field.starts_with("disk="))
            .map(str::to_owned)
    };
    let disks: Vec<_> = words.filter_map(disk).collect();
    assert_eq!(disks, ["disk=67108864", "disk=67108864", "disk=1048576"]);
    let made = small.join("disk.ext4");
    assert!(std::fs::metadata(made).unwrap().permissions().readonly());
}

#[tokio::test]
async fn without_saved_machines_each_is_booted() {
    let double = Double::new(json!({}));
    let sandbox = double.builder().snapshots(false).build();
    for _ in 0..2 {
        drop(start(&sandbox).await.unwrap());
    }
    assert_eq!(double.calls(), [&FIRST[..5], &FIRST[..5]].concat());
}
