//! `code` with files: what a program is given, and where what it leaves goes.

use std::fs;

use serde_json::{Value, json};

use crate::code::DEV;
use crate::program::Place;

/// Reads what it is given and writes a table and a picture.
const REPORT: &str = "\
const csv = await tools.files.read({name: 'sales.csv'});
const rows = csv.trim().split('\\n').length;
await tools.files.write({name: 'out/rows.txt', text: String(rows)});
await tools.files.write({name: 'plot.png', base64: 'iVBORw0KGgoAAAANSUhEUg=='});
return (await tools.files.list({})).map(file => file.name)";

/// The exit code, stdout and stderr.
fn code(place: &Place, args: &[&str]) -> (Option<i32>, String, String) {
    let output = place
        .command(&[&["code"], args, &DEV].concat())
        .env("TOOLEXEC_GUEST", toolexec_testkit::build::guest())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn place() -> Place {
    let place = Place::new();
    place.write("report.js", REPORT);
    place.write("sales.csv", "a,1\nb,2\n");
    place
}

#[test]
fn files_go_in_and_come_out_and_none_is_overwritten() {
    let place = place();
    let args = [
        "report.js",
        "--file",
        "sales.csv",
        "--output-dir",
        "kept",
        "--format",
        "json",
    ];
    let (status, out, err) = code(&place, &args);
    assert_eq!(status, Some(0), "{err}");
    let outcome: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&outcome["value"], &outcome["artifacts"]),
        (
            &json!(["out/rows.txt", "plot.png", "sales.csv"]),
            &json!([
                {"name": "out/rows.txt", "media_type": "text/plain", "size": 1},
                {"name": "plot.png", "media_type": "image/png", "size": 16},
            ])
        )
    );
    let kept = place.path().join("kept");
    let listed = "kept/out/rows.txt  text/plain, 1 bytes\nkept/plot.png  image/png, 16 bytes\n";
    assert!(err.ends_with(listed), "{err}");
    assert_eq!(fs::read(kept.join("out/rows.txt")).unwrap(), b"2");
    // What is there stays, and what is new is not lost.
    fs::write(kept.join("plot.png"), "mine").unwrap();
    let (status, _, err) = code(&place, &args);
    assert_eq!(status, Some(0), "{err}");
    assert!(
        err.contains("kept/plot.png is there already and was kept\n"),
        "{err}"
    );
    assert_eq!(fs::read(kept.join("plot.png")).unwrap(), b"mine");
    assert_eq!(fs::read(kept.join("plot.1.png")).unwrap().len(), 16);
    let (status, _, err) = code(&place, &[args.as_slice(), &["--force"]].concat());
    assert_eq!(status, Some(0), "{err}");
    assert_eq!(fs::read(kept.join("plot.png")).unwrap().len(), 16);
}

#[test]
fn a_directory_is_given_with_its_paths_and_files_by_other_names() {
    let place = place();
    fs::create_dir_all(place.path().join("data/more")).unwrap();
    place.write("data/one.txt", "1");
    place.write("data/more/two.txt", "2");
    let list = "return (await tools.files.list({})).map(file => [file.name, file.size])";
    let (status, out, err) = code(
        &place,
        &[
            "-e",
            list,
            "--input-dir",
            "data",
            "--file",
            "named.csv=sales.csv",
            "--format",
            "json",
        ],
    );
    assert_eq!(status, Some(0), "{err}");
    let outcome: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        outcome["value"],
        json!([["more/two.txt", 1], ["named.csv", 8], ["one.txt", 1]])
    );
}

#[test]
fn wrong_files_are_told_before_anything_runs() {
    let place = place();
    place.write("file", "");
    fs::create_dir(place.path().join("links")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", place.path().join("links/one")).unwrap();
    let run = |args: &[&str]| {
        let (status, _, err) = code(&place, &[&["-e", "print('ran')"], args].concat());
        (status, err)
    };
    let told = |text: &str| (Some(2), text.to_owned());
    assert_eq!(
        run(&["--file", "nope.csv"]),
        told("error: nope.csv cannot be read: No such file or directory (os error 2)\n")
    );
    assert_eq!(
        run(&["--file", "sales.csv", "--file", "data/../sales.csv"]),
        told(
            "error: there are two files with the name \"sales.csv\"\nhint: name one of them: --file NAME=PATH\n"
        )
    );
    assert_eq!(
        run(&["--input-dir", "links"]),
        told(
            "error: links/one is neither a file nor a directory\nhint: remove it, or give files with --file\n"
        )
    );
    assert_eq!(
        run(&["--output-dir", "file"]),
        told(
            "error: file cannot be a directory: File exists (os error 17)\nhint: choose another with --output-dir\n"
        )
    );
    assert_eq!(
        run(&["--file", "../up=sales.csv"]),
        (
            Some(3),
            "error: \"../up\" is no name of a file: it has an empty part, . or ..\nhint: write it like report.csv or plots/one.png\n".to_owned()
        )
    );
}

#[test]
fn a_quota_says_what_was_exceeded_and_keeps_what_came_before() {
    let place = place();
    let args = [
        "report.js",
        "--file",
        "sales.csv",
        "--output-dir",
        "kept",
        "--max-file-bytes",
        "10",
    ];
    let (status, _, err) = code(&place, &args);
    assert_eq!(status, Some(5), "{err}");
    let first = err.lines().next().unwrap_or_default();
    assert_eq!(
        first,
        "error: the program exceeded its file_bytes limit of 10 bytes (17 bytes used)"
    );
    let kept = place.path().join("kept");
    assert_eq!(fs::read(kept.join("out/rows.txt")).unwrap(), b"2");
    assert!(!kept.join("plot.png").exists());
}
