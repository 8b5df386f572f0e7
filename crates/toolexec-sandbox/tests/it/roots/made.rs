//! How a root is made, what is in it, and what is left of one that was not.

use std::fs;
use std::path::Path;

use toolexec_core::ErrorKind;
use toolexec_sandbox::roots::{Recipe, Roots, Toolchain};
use toolexec_testkit::{daemons, require};

use crate::shared_root::{NAME, root, roots};

#[tokio::test]
async fn a_root_is_made_once_and_has_one_name() {
    let Some(made) = root().await else { return };
    assert_eq!(roots().find(NAME).unwrap(), made);
    let recipe = made.recipe().clone();
    assert_eq!(roots().build(&recipe, Some(NAME)).await.unwrap(), made);
    let other = Recipe::new([Toolchain::Bash]);
    let error = roots().build(&other, Some(NAME)).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.guest_message()),
        (
            ErrorKind::InvalidInput,
            "there is a root tests that was made of something else"
        )
    );
    let files = made.directory();
    for gone in [
        "etc/resolv.conf",
        "etc/hostname",
        "var/lib/apt/lists/lock",
        "debootstrap",
    ] {
        assert!(!files.join(gone).exists(), "{gone}");
    }
    assert!(
        made.packages()
            .iter()
            .any(|package| package.starts_with("golang-go="))
    );
}

#[tokio::test]
async fn a_build_that_fails_leaves_nothing() {
    if require(daemons::debootstrap()).is_none() {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let roots = Roots::new(scratch.path().join("roots"));
    // Nobody listens there.
    let nowhere = "http://127.0.0.1:1/debian".to_owned();
    let mut recipe = Recipe {
        mirror: nowhere,
        ..Recipe::new([Toolchain::Bash])
    };
    let error = roots.build(&recipe, None).await.unwrap_err();
    assert_eq!(
        error.guest_message(),
        "debootstrap failed: the packages cannot be downloaded"
    );
    recipe.suite = "nosuchrelease".to_owned();
    let error = roots.build(&recipe, None).await.unwrap_err();
    assert_eq!(
        error.guest_message(),
        "debootstrap failed: it does not know the release"
    );
    let left = fs::read_dir(scratch.path().join("roots")).unwrap().count();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn an_archive_holds_what_a_root_holds() {
    let Some(made) = root().await else { return };
    let mut archive = tempfile::tempfile().unwrap();
    made.export(&archive).unwrap();
    std::io::Seek::rewind(&mut archive).unwrap();
    let mut found = [false; 3];
    for entry in tar::Archive::new(archive).entries().unwrap() {
        let entry = entry.unwrap();
        let path = entry.path().unwrap().into_owned();
        let header = entry.header();
        found[0] |= path == Path::new("usr/bin/python3") && header.entry_type().is_symlink();
        found[1] |= path == Path::new("tmp") && header.mode().unwrap() & 0o7777 == 0o1777;
        found[2] |= path == Path::new("usr/bin/bash") && header.mode().unwrap() & 0o7777 == 0o755;
    }
    assert_eq!(found, [true; 3]);
}
