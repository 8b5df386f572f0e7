//! `toolexec image`: what can be said without making one, which takes minutes.

use crate::program::{Place, assert_transcript};

#[test]
fn what_is_wrong_is_said_before_anything_is_made() {
    let place = Place::new();
    let cases: [&[&str]; 6] = [
        &["image", "build", "--with", "rust"],
        &["image", "build", "--with", "go", "--name", "../go"],
        &["image", "build", "--with", "go", "--pip", "numpy"],
        &["image", "build", "--with", "go", "--suite=--force"],
        &["image", "build", "--name", "go"],
        &["image", "build", "--with", "go", "--kernel", "/"],
    ];
    let all = cases.map(|args| place.transcript(args));
    assert_transcript!(all.join("\n"));
}

#[test]
fn there_are_none_at_first() {
    let place = Place::new();
    let cases: [&[&str]; 5] = [
        &["image", "ls"],
        &["image", "ls", "--format", "json"],
        &["image", "rm", "go"],
        &["image", "export", "go"],
        &["image", "export", "../go"],
    ];
    let all = cases.map(|args| place.transcript(args));
    assert_transcript!(all.join("\n"));
}
