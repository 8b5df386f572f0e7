//! Files of programs: inputs, artifacts, and their quota.

use serde_json::{Value, json};
use toolexec_core::code::{Artifact, CodeErrorKind, Outcome, Submission};
use toolexec_core::sandbox::{Enforcer, LimitName};
use toolexec_core::{CallContext, ErrorKind};
use toolexec_testkit::fake::sandbox::{FakeGuest, ScriptedSandbox};
use toolexec_wire::{FileOp, Op, Outcome as Answer, ToHost};

use super::{answer, call, executor, kind_and_message, limits, program, run, scripted};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";

/// A guest that makes these calls one after the other and returns what became of each.
fn calling(calls: Vec<(&'static str, Value)>) -> ScriptedSandbox {
    scripted(move |mut guest: FakeGuest| {
        let calls = calls.clone();
        async move {
            guest.started().await;
            let mut all = Vec::new();
            for (id, (tool, args)) in (0..).zip(calls) {
                guest.send(&call(id, tool, args)).await;
                match answer(&mut guest).await {
                    Some((_, Answer::Ok(value))) => all.push(value),
                    Some((_, Answer::Error(error))) => {
                        all.push(json!([error.code, error.message, error.hints]));
                    }
                    None => return,
                }
            }
            guest.done(Value::from(all)).await;
        }
    })
}

fn left(outcome: &Outcome) -> Vec<(&str, &str, &[u8])> {
    let artifacts = outcome.artifacts.iter();
    artifacts
        .map(|one| (one.name.as_str(), one.media_type, &*one.bytes))
        .collect()
}

#[tokio::test]
async fn files_are_read_and_written() {
    let sandbox = calling(vec![
        ("files:read", json!({"name": "data.csv"})),
        ("files:read", json!({"name": "in/pic.png", "as": "base64"})),
        (
            "files:write",
            json!({"name": "out/sum.json", "text": "[1]"}),
        ),
        ("files:write", json!({"name": "log", "text": "one\n"})),
        (
            "files:write",
            json!({"name": "log", "text": "two\n", "append": true}),
        ),
        (
            "files:write",
            json!({"name": "pic.png", "base64": "iVBORw0KGgoAAAANSUhEUg=="}),
        ),
        (
            "files:write",
            json!({"name": "pic.png", "base64": "iVBORw0KGgoAAAANSUhEUg=="}),
        ),
        ("files:read", json!({"name": "log"})),
        ("files:list", json!({})),
    ]);
    let given = program()
        .file("data.csv", *b"a,b\n")
        .file("in/pic.png", PNG);
    let outcome = run(&sandbox, given).await;
    assert_eq!(outcome.error, None);
    let png = json!({"name": "pic.png", "size": 16, "media_type": "image/png"});
    assert_eq!(
        outcome.value,
        json!([
            "a,b\n",
            "iVBORw0KGgoAAAANSUhEUg==",
            {"name": "out/sum.json", "size": 3, "media_type": "application/json"},
            {"name": "log", "size": 4, "media_type": "text/plain"},
            {"name": "log", "size": 8, "media_type": "text/plain"},
            png,
            png,
            "one\ntwo\n",
            [
                {"name": "data.csv", "size": 4, "media_type": "text/csv", "written": false},
                {"name": "in/pic.png", "size": 16, "media_type": "image/png", "written": false},
                {"name": "log", "size": 8, "media_type": "text/plain", "written": true},
                {"name": "out/sum.json", "size": 3, "media_type": "application/json", "written": true},
                {"name": "pic.png", "size": 16, "media_type": "image/png", "written": true},
            ],
        ])
    );
    assert_eq!(
        left(&outcome),
        [
            ("log", "text/plain", b"one\ntwo\n".as_slice()),
            ("out/sum.json", "application/json", b"[1]"),
            ("pic.png", "image/png", PNG),
        ]
    );
    let images: Vec<bool> = outcome.artifacts.iter().map(Artifact::is_image).collect();
    assert_eq!(images, [false, false, true]);
    assert_eq!(outcome.usage.tool_calls, 9);
    // The bytes are for libraries; their size is what JSON has.
    assert_eq!(
        serde_json::to_value(&outcome).unwrap()["artifacts"][0],
        json!({"name": "log", "media_type": "text/plain", "size": 8})
    );
    let by = |name| {
        outcome
            .enforced
            .get(name)
            .map(|limit| (limit.limit, limit.by.clone()))
    };
    assert_eq!(
        (by(LimitName::FileBytes), by(LimitName::Files)),
        (
            Some((f64::from(16 << 20), vec![Enforcer::Host])),
            Some((100.0, vec![Enforcer::Host]))
        )
    );
}

#[tokio::test]
async fn pieces_of_a_text_come_together_again() {
    let text = "aé€😀b";
    for length in 1..=text.len() {
        let offsets = (0..text.len()).step_by(length);
        let calls = offsets.map(|offset| {
            let args = json!({"name": "t", "offset": offset, "length": length});
            ("files:read", args)
        });
        let outcome = run(
            &calling(calls.collect()),
            program().file("t", text.as_bytes()),
        )
        .await;
        let pieces = outcome.value.as_array().unwrap().iter();
        let all: String = pieces.map(|piece| piece.as_str().unwrap()).collect();
        assert_eq!(all, text, "pieces of {length}");
    }
}

#[tokio::test]
async fn what_cannot_be_is_told() {
    let text = |name: &str| json!({"name": name, "text": ""});
    let sandbox = calling(vec![
        ("files:read", json!({"name": "nope"})),
        ("files:read", json!({"name": "pic.png"})),
        ("files:write", text("data.csv")),
        ("files:write", text("../up")),
        ("files:write", text("/etc/passwd")),
        ("files:write", text("data.csv/x")),
        ("files:write", json!({"name": "x"})),
        ("files:write", json!({"name": "x", "base64": "?"})),
        ("files:remove", text("data.csv")),
    ]);
    let given = program().file("data.csv", *b"a,b\n").file("pic.png", PNG);
    let outcome = run(&sandbox, given).await;
    let name = "write it like report.csv or plots/one.png";
    assert_eq!(
        outcome.value,
        json!([
            [
                "not_found",
                "there is no file \"nope\"",
                ["there are: data.csv, pic.png"]
            ],
            [
                "invalid_input",
                "\"pic.png\" is no text, but image/png",
                ["read it with as: \"base64\""]
            ],
            [
                "denied",
                "\"data.csv\" is an input, which cannot be written",
                ["write to a file of another name"]
            ],
            [
                "invalid_input",
                "\"../up\" is no name of a file: it has an empty part, . or ..",
                [name]
            ],
            [
                "invalid_input",
                "\"/etc/passwd\" is no name of a file: it is absolute",
                [name]
            ],
            [
                "invalid_input",
                "\"data.csv/x\" and \"data.csv\" cannot both be: one is a directory",
                []
            ],
            [
                "invalid_input",
                "a file is written from either text or base64",
                []
            ],
            ["invalid_input", "base64 is no base64", []],
            [
                "not_found",
                "there is no tool files:remove",
                ["search for it by what it does"]
            ],
        ])
    );
    assert_eq!(outcome.artifacts, []);
}

#[tokio::test]
async fn a_quota_ends_the_program_and_what_it_wrote_before_is_kept() {
    let write = |name: &str, size: usize| {
        let args = json!({"name": name, "text": "x".repeat(size), "append": true});
        ("files:write", args)
    };
    let bytes = limits(|limits| limits.file_bytes = Some(10));
    let sandbox = calling(vec![
        write("a", 6),
        write("b", 4),
        write("a", 1),
        write("c", 0),
    ]);
    let outcome = run(&sandbox, program().with_files().limits(bytes)).await;
    assert_eq!(
        kind_and_message(&outcome),
        (
            CodeErrorKind::Limit,
            "the program exceeded its file_bytes limit of 10 bytes (11 bytes used)"
        )
    );
    assert_eq!(
        left(&outcome),
        [
            ("a", "text/plain", b"xxxxxx".as_slice()),
            ("b", "text/plain", b"xxxx")
        ]
    );
    let files = limits(|limits| limits.files = Some(2));
    let sandbox = calling(vec![
        write("a", 1),
        write("b", 1),
        write("a", 1),
        write("c", 1),
    ]);
    let outcome = run(&sandbox, program().with_files().limits(files)).await;
    assert_eq!(
        kind_and_message(&outcome).1,
        "the program exceeded its files limit of 2 (3 used)"
    );
    assert_eq!(outcome.artifacts.len(), 2);
    // Overwriting frees what was there.
    let again = |size: usize| {
        (
            "files:write",
            json!({"name": "a", "text": "x".repeat(size)}),
        )
    };
    let sandbox = calling(vec![again(10), again(9), again(10)]);
    let outcome = run(&sandbox, program().with_files().limits(bytes)).await;
    assert_eq!(outcome.error, None);
}

#[tokio::test]
async fn a_program_without_files_has_no_such_tools() {
    let sandbox = calling(vec![("files:list", json!({}))]);
    let outcome = run(&sandbox, program()).await;
    assert_eq!(outcome.value[0][0], "not_found");
    assert_eq!(outcome.enforced.get(LimitName::Files), None);
}

#[tokio::test]
async fn the_tools_are_found_and_described() {
    let sandbox = scripted(async |mut guest| {
        guest.started().await;
        let ops = [
            Op::Search {
                query: "write a file".to_owned(),
                limit: Some(1),
            },
            Op::Namespaces,
            Op::Describe {
                tool: "files:read".to_owned(),
                detail: None,
            },
        ];
        let mut all = Vec::new();
        for (id, op) in (0..).zip(ops) {
            guest.send(&ToHost::Call { id, op }).await;
            let Some((_, Answer::Ok(value))) = answer(&mut guest).await else {
                return;
            };
            all.push(value);
        }
        guest.done(Value::from(all)).await;
    });
    let outcome = run(&sandbox, program().with_files()).await;
    assert_eq!(outcome.value[0][0]["id"], "files:write");
    let namespaces = outcome.value[1].as_array().unwrap();
    assert!(namespaces.contains(&json!("files")), "{namespaces:?}");
    assert_eq!(outcome.value[2]["id"], "files:read");
}

/// A guest that itself does this with the files of its program.
fn handling(ops: Vec<FileOp>) -> ScriptedSandbox {
    scripted(move |mut guest: FakeGuest| {
        let ops = ops.clone();
        async move {
            let start = guest.started().await;
            let mut all = vec![Value::Bool(start.is_some_and(|start| start.files))];
            for (id, op) in (0..).zip(ops) {
                guest.send(&ToHost::File { id, op }).await;
                match answer(&mut guest).await {
                    Some((_, Answer::Ok(value))) => all.push(value),
                    Some((_, Answer::Error(error))) => all.push(json!([error.code])),
                    None => return,
                }
            }
            guest.done(Value::from(all)).await;
        }
    })
}

fn write(name: &str, base64: &str, append: bool) -> FileOp {
    FileOp::Write {
        name: name.to_owned(),
        base64: base64.to_owned(),
        append,
    }
}

#[tokio::test]
async fn a_guest_handles_the_files_of_its_program_without_calls() {
    let read = |name: &str, offset, length| FileOp::Read {
        name: name.to_owned(),
        offset,
        length,
    };
    let sandbox = handling(vec![
        FileOp::List,
        read("in/a", 1, 2),
        read("in/a", 9, u64::MAX),
        read("b", 0, 1),
        write("out", "AAE=", false),
        write("out", "Ag==", true),
        write("in/a", "AAE=", false),
        write("../x", "AAE=", false),
        write("c", "no base64", false),
    ]);
    let outcome = run(&sandbox, program().file("in/a", *b"text")).await;
    let expected = json!([
        true, [{"name": "in/a", "size": 4}], "ZXg=", "", ["not_found"], 2, 3, ["denied"],
        ["invalid_input"], ["invalid_input"]
    ]);
    assert_eq!(outcome.value, expected, "{outcome:?}");
    assert_eq!(
        left(&outcome),
        [("out", "application/octet-stream", &[0, 1, 2][..])]
    );
    assert_eq!((outcome.calls.len(), outcome.usage.tool_calls), (0, 0));
}

#[tokio::test]
async fn a_guest_gets_no_files_that_its_program_has_not_and_no_more_than_it_may() {
    let outcome = run(&handling(vec![FileOp::List]), program()).await;
    let (kind, message) = kind_and_message(&outcome);
    assert_eq!(kind, CodeErrorKind::Protocol, "{message}");
    assert!(message.ends_with("it wants files of a program that has none"));
    let sandbox = handling(vec![write("a", "AAEC", false), write("b", "AAEC", false)]);
    let few = program()
        .with_files()
        .limits(limits(|limits| limits.file_bytes = Some(5)));
    let outcome = run(&sandbox, few).await;
    let limit = outcome
        .error
        .as_ref()
        .and_then(|error| error.limit.as_ref());
    assert_eq!(limit.map(|limit| limit.name), Some(LimitName::FileBytes));
    assert_eq!(left(&outcome).len(), 1);
}

#[tokio::test]
async fn files_that_cannot_be_given_are_refused_before_anything_runs() {
    let sandbox = calling(Vec::new());
    let refused = async |submission: Submission| {
        let executed = executor(&sandbox)
            .execute(submission, &CallContext::new())
            .await;
        let error = executed.unwrap_err();
        (error.kind(), error.guest_message().to_owned())
    };
    let wrong = ErrorKind::InvalidInput;
    assert_eq!(
        refused(program().file("a/../b", [])).await,
        (
            wrong,
            "\"a/../b\" is no name of a file: it has an empty part, . or ..".to_owned()
        )
    );
    assert_eq!(
        refused(program().file("a", []).file("a/b", [])).await,
        (
            wrong,
            "\"a/b\" and \"a\" cannot both be: one is a directory".to_owned()
        )
    );
    assert_eq!(
        refused(program().file("a", vec![0; (256 << 20) + 1])).await,
        (
            wrong,
            "the files have 268435457 bytes; at most 268435456 are allowed".to_owned()
        )
    );
    assert_eq!(sandbox.started(), 0);
}
