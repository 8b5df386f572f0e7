//! What is wrong with what a guest says.
#![expect(unsafe_code, reason = "writes past the standard library")]

use serde_json::json;
use toolexec_wire::{FrameReader, MAX_FRAME, Op, Stream, ToHost, encode};

use crate::die::endless;
use crate::wire::{call, frame, hello, outcome, raw, receive, send};

/// Bytes that are no message.
const BYTES: &[(&str, &[u8])] = &[
    ("half a frame", &[200, 0, 0, 0, b'{']),
    ("half a length", &[200, 0]),
    ("a frame without end", &[255; 4]),
    ("an empty frame", &[0; 4]),
    ("noise", b"\x05\0\0\0\xff\xfe\xfd\xfc\xfb"),
    ("no message", b"\x02\0\0\0[]"),
];

/// Frames that are no message, or one that is not for the host.
const FRAMES: &[(&str, &[u8])] = &[
    ("a message that nobody knows", br#"{"type":"root"}"#),
    (
        "an answer to a call never made",
        br#"{"type":"answer","id":7,"ok":"forged"}"#,
    ),
    (
        "a start sent back",
        br#"{"type":"start","language":"python","source":"1"}"#,
    ),
    ("a number that is none", br#"{"type":"done","value":1e999}"#),
    (
        "a text that is not Unicode",
        b"{\"type\":\"done\",\"value\":\"\xff\"}",
    ),
    (
        "the same name twice",
        br#"{"type":"done","value":1,"type":"print"}"#,
    ),
];

/// Says what has that name and waits for its end; `false` where nobody knows it.
pub(crate) fn attempt(name: &str, reader: &mut FrameReader) -> bool {
    if let Some((_, bytes)) = BYTES.iter().find(|one| one.0 == name) {
        raw(bytes);
    } else if let Some((_, text)) = FRAMES.iter().find(|one| one.0 == name) {
        frame(text);
    } else if !forged(name) && !flooded(name, reader) {
        return false;
    }
    // What was sent is an end by itself, or the host must make one.
    endless()
}

/// Messages at the wrong time, or of the wrong size.
fn forged(name: &str) -> bool {
    match name {
        "hello twice" => send(&hello()),
        "done twice" => {
            let mut both = Vec::new();
            for value in ["first", "second"] {
                let _ = encode(&outcome(&json!(value)), MAX_FRAME, &mut both);
            }
            raw(&both);
        }
        "a frame byte by byte" => {
            let mut bytes = Vec::new();
            let _ = encode(&outcome(&json!("slow")), MAX_FRAME, &mut bytes);
            for byte in bytes {
                raw(&[byte]);
            }
        }
        "a check that nobody asked for" => send(&ToHost::Checked {
            problems: Vec::new(),
            calls: Vec::new(),
        }),
        "the same call twice" => {
            call(1, 2000);
            call(1, 2000);
        }
        "waiting for nothing" => send(&ToHost::Waiting),
        "a deep value" => {
            let deep = "[".repeat(5000) + &"]".repeat(5000);
            done_with(&deep);
        }
        "a value of many parts" => done_with(&format!("[{}1]", "1,".repeat(3_000_000))),
        _ => return false,
    }
    true
}

fn done_with(value: &str) {
    frame(format!("{{\"type\":\"done\",\"value\":{value}}}").as_bytes());
}

/// More than anybody wants to hear.
fn flooded(name: &str, reader: &mut FrameReader) -> bool {
    let text = || "x".repeat(1000);
    match name {
        "a flood of calls" => (0..100_000).for_each(|id| call(id, 2000)),
        "calls of a tool that is not there" => loop {
            send(&ToHost::Call {
                id: 1,
                op: Op::Run {
                    tool: "math:none".to_owned(),
                    args: json!({}),
                },
            });
            receive(reader);
        },
        "a flood of prints" => loop {
            send(&print(Stream::Stdout, text()));
        },
        "a flood of empty prints" => loop {
            send(&print(Stream::Stderr, String::new()));
        },
        "progress without end" => loop {
            send(&ToHost::Progress {
                progress: 1.0,
                total: None,
                message: Some(text()),
            });
        },
        "a flood of errors" => loop {
            // SAFETY: writes bytes of a constant.
            unsafe { libc::write(2, b"x".as_ptr().cast(), 1) };
        },
        _ => return false,
    }
    true
}

fn print(stream: Stream, text: String) -> ToHost {
    ToHost::Print { stream, text }
}
