//! Roots that `image build` makes, and what is left of a build that does not come to its end.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use toolexec_testkit::{daemons, require};

use crate::confined::wait_until;
use crate::program::Place;

/// What it says on both streams.
fn said(place: &Place, args: &[&str]) -> (Option<i32>, String) {
    let output = place.output(args, "");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    (output.status.code(), said)
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

/// How many processes have a directory in their command line, or as their root.
fn processes_in(directory: &Path) -> usize {
    let name = directory.to_string_lossy();
    let is_there = |process: &Path| {
        let line = fs::read_to_string(process.join("cmdline")).unwrap_or_default();
        let root = fs::read_link(process.join("root")).unwrap_or_default();
        line.contains(&*name) || root.starts_with(directory)
    };
    let own = PathBuf::from(format!("/proc/{}", std::process::id()));
    let all = entries(Path::new("/proc"));
    all.iter()
        .filter(|process| **process != own && is_there(process))
        .count()
}

#[test]
fn what_is_asked_for_wrongly_is_told() {
    let place = Place::new();
    let (code, text) = said(&place, &["image", "rm", "nowhere"]);
    assert_ne!(code, Some(0), "{text}");
    assert!(text.contains("nowhere"), "{text}");
    for (args, told) in [
        (["--with", "perl"], "python, node, go, bash"),
        (["--with", ""], "python, node, go, bash"),
        (["--name", "bash"], "--with"),
    ] {
        let all = [&["image", "build"][..], &args].concat();
        let (code, text) = said(&place, &all);
        assert_eq!(code, Some(2), "{all:?} {text}");
        assert!(text.contains(told), "{all:?} {text}");
    }
    let (_, text) = said(&place, &["image", "ls"]);
    assert!(text.contains("no images"), "{text}");
}

#[test]
fn a_build_that_is_killed_leaves_no_process_and_the_next_sweeps_up() {
    if require(daemons::debootstrap()).is_none() {
        return;
    }
    let place = Place::new();
    let roots = place.path().join(".cache/toolexec/guests/roots");
    let mut build = place
        .command(&["image", "build", "--with", "bash", "--name", "cut"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // The first packages are unpacked.
    let is_half_there = || {
        entries(&roots)
            .iter()
            .any(|root| root.join("root/usr/bin").is_dir())
    };
    wait_until("packages are unpacked", is_half_there);
    assert!(processes_in(&roots) > 0);
    build.kill().unwrap();
    build.wait().unwrap();
    wait_until("nothing runs there", || processes_in(&roots) == 0);
    let (_, text) = said(&place, &["image", "ls"]);
    assert!(text.contains("no images"), "{text}");
    let mounts = fs::read_to_string("/proc/mounts").unwrap();
    assert!(!mounts.contains(&*roots.to_string_lossy()), "{mounts}");
    // Nobody listens there.
    let nowhere = ["--mirror", "http://127.0.0.1:1/debian"];
    let next = [&["image", "build", "--with", "bash"][..], &nowhere].concat();
    let (code, text) = said(&place, &next);
    assert_ne!(code, Some(0), "{text}");
    assert!(text.contains("cannot be downloaded"), "{text}");
    assert_eq!(entries(&roots), Vec::<PathBuf>::new());
}
