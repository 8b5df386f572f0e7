//! `types`, and `describe --detail signature`.

use crate::program::{Place, assert_transcript};

#[test]
fn signatures_in_both_languages() {
    let place = Place::new();
    let typescript = place.transcript(&["describe", "math:add", "--detail", "signature"]);
    let python = place.transcript(&[
        "describe",
        "math:add",
        "--detail",
        "signature",
        "--lang",
        "python",
    ]);
    let json = place.transcript(&[
        "describe",
        "math:add",
        "--detail",
        "signature",
        "--format",
        "json",
    ]);
    assert_transcript!(format!("{typescript}\n{python}\n{json}"));
}

#[test]
fn a_namespace_in_typescript() {
    assert_transcript!(Place::new().transcript(&["types", "math"]));
}

#[test]
fn a_namespace_in_python() {
    assert_transcript!(Place::new().transcript(&["types", "--lang", "python", "math"]));
}

#[test]
fn a_namespace_that_is_not_there() {
    assert_transcript!(Place::new().transcript(&["types", "maths"]));
}

#[test]
fn as_json_it_says_its_version_and_how_many() {
    let output = Place::new().output(&["types", "math", "text", "--format", "json"], "");
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["v"], 1);
    assert_eq!(document["language"], "typescript");
    let text = document["declarations"].as_str().unwrap();
    let declared = text.matches("Calls[\"").count() as u64;
    assert_eq!(document["tools"].as_u64(), Some(declared));
}
