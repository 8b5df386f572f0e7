//! What is said on the stream to the host.

use std::io::{Read, Write, stdin, stdout};

use serde_json::Value;
use toolexec_wire::{
    FrameReader, GuestUsage, Hello, Language, MAX_FRAME, Op, PROTOCOL, ToGuest, ToHost, encode,
};

use crate::sys::end;

pub(crate) fn hello() -> ToHost {
    ToHost::Hello(Hello {
        protocol: PROTOCOL,
        version: "hostile".to_owned(),
        languages: vec![Language::JavaScript],
        max_frame: MAX_FRAME,
    })
}

pub(crate) fn done(value: &Value) {
    send(&outcome(value));
}

pub(crate) fn outcome(value: &Value) -> ToHost {
    ToHost::Done {
        value: value.clone(),
        usage: GuestUsage::default(),
    }
}

pub(crate) fn call(id: u32, ms: u64) {
    send(&ToHost::Call {
        id,
        op: Op::Sleep { ms },
    });
}

pub(crate) fn frame(text: &[u8]) {
    let length = u32::try_from(text.len()).unwrap_or_default();
    raw(&length.to_le_bytes());
    raw(text);
}

pub(crate) fn send(message: &ToHost) {
    let mut bytes = Vec::new();
    if encode(message, MAX_FRAME, &mut bytes).is_ok() {
        raw(&bytes);
    }
}

pub(crate) fn raw(bytes: &[u8]) {
    let mut stdout = stdout();
    // The host has hung up: nothing is left to do.
    if stdout
        .write_all(bytes)
        .and_then(|()| stdout.flush())
        .is_err()
    {
        end(0);
    }
}

pub(crate) fn receive(reader: &mut FrameReader) -> Option<ToGuest> {
    let mut piece = [0; 4096];
    loop {
        if let Some(message) = reader.next_message().ok()? {
            return Some(message);
        }
        match stdin().read(&mut piece) {
            Ok(read) if read > 0 => reader.push(&piece[..read]),
            _ => return None,
        }
    }
}
