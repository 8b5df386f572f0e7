//! A host that breaks the protocol: the guest hangs up, and never panics.

use std::io;

use proptest::prelude::*;
use serde_json::json;
use toolexec_guest::host::Channel;
use toolexec_guest::session::serve;
use toolexec_wire::{Language, MAX_FRAME, Outcome, ToGuest, encode};

use crate::harness::{Guest, program};

/// Gives bytes in pieces, and takes everything.
struct Pieces(Vec<Vec<u8>>);

impl Channel for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.retain(|piece| !piece.is_empty());
        let Some(piece) = self.0.first_mut() else {
            return Ok(0);
        };
        let size = piece.len().min(buffer.len());
        buffer[..size].copy_from_slice(&piece[..size]);
        piece.drain(..size);
        Ok(size)
    }

    fn write(&mut self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn ready(&mut self) -> bool {
        self.0.iter().any(|piece| !piece.is_empty())
    }
}

fn frame(message: &ToGuest) -> Vec<u8> {
    let mut frame = Vec::new();
    encode(message, MAX_FRAME, &mut frame).unwrap();
    frame
}

fn waiting_program() -> ToGuest {
    let (language, source) = if cfg!(feature = "javascript") {
        (Language::JavaScript, "await tools.a.b({})")
    } else {
        (Language::Python, "await tools.a.b()")
    };
    ToGuest::Start(program(language, source))
}

/// Messages, and bytes that are none.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let messages = vec![
        frame(&waiting_program()),
        frame(&ToGuest::Cancel { reason: "r".into() }),
        frame(&ToGuest::Answer {
            id: 0,
            outcome: Outcome::Ok(json!(1)),
        }),
        frame(&ToGuest::Answer {
            id: 7,
            outcome: Outcome::Ok(json!(null)),
        }),
        vec![0xff, 0xff, 0xff, 0xff],
        vec![2, 0, 0, 0, b'{', b'}'],
        vec![1, 0, 0, 0, 0xff],
    ];
    prop_oneof![
        8 => prop::sample::select(messages),
        2 => prop::collection::vec(any::<u8>(), 0..40),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_bytes_of_a_host_bring_the_guest_down(
        sent in prop::collection::vec(pieces(), 0..12),
        cut in 1_usize..50,
    ) {
        let bytes = sent.concat();
        // That it returns is what is tested; a panic would fail this test.
        let _ = serve(Pieces(bytes.chunks(cut).map(<[u8]>::to_vec).collect()));
    }
}

#[test]
fn a_host_out_of_turn_is_hung_up_on() {
    let answer = ToGuest::Answer {
        id: 99,
        outcome: Outcome::Ok(json!(1)),
    };
    for wrong in [answer, waiting_program()] {
        let mut guest = Guest::new();
        guest.send(&waiting_program());
        guest.send(&wrong);
        while guest.next().is_some() {}
        assert!(!guest.hang_up());
    }
}

#[test]
fn frames_that_are_none_end_the_session() {
    for bytes in [
        u32::MAX.to_le_bytes().to_vec(),
        vec![3, 0, 0, 0, 0xc3, 0x28, b'"'],
        vec![4, 0, 0, 0, b'n', b'u', b'l', b'l'],
    ] {
        let guest = Guest::new();
        guest.send_bytes(bytes);
        assert!(!guest.hang_up());
    }
}

#[test]
fn an_end_inside_a_frame_is_no_end_in_peace() {
    let guest = Guest::new();
    guest.send_bytes(frame(&waiting_program())[..9].to_vec());
    assert!(!guest.hang_up());
    assert!(Guest::new().hang_up());
}
