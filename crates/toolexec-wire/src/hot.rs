//! The messages that come by the thousand, read in one pass.
//!
//! Enums that are told apart by a field are read twice: the fields are kept until the field is
//! there. A call of a tool and its answer, written as [`encode`](crate::encode) writes them, need
//! not; any other form, and any mistake, is left to the general way.

use serde::Deserialize;
use serde_json::Value;

use crate::{FrameError, Op, Outcome, ToGuest, ToHost, decode};

const CALL: &[u8] = br#"{"type":"call","#;
const ANSWER: &[u8] = br#"{"type":"answer","#;

#[derive(Deserialize)]
struct RunCall {
    id: u32,
    #[serde(rename = "op")]
    _op: Run,
    tool: String,
    args: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Run {
    Run,
}

#[derive(Deserialize)]
struct Answered {
    id: u32,
    ok: Value,
}

impl ToHost {
    /// Reads the message in the bytes of one frame, without its length.
    ///
    /// # Errors
    /// When there is none in it.
    pub fn decode(frame: &[u8]) -> Result<Self, FrameError> {
        if frame.starts_with(CALL)
            && let Ok(RunCall { id, tool, args, .. }) = serde_json::from_slice(frame)
        {
            let op = Op::Run { tool, args };
            return Ok(Self::Call { id, op });
        }
        decode(frame)
    }
}

impl ToGuest {
    /// Reads the message in the bytes of one frame, without its length.
    ///
    /// # Errors
    /// When there is none in it.
    pub fn decode(frame: &[u8]) -> Result<Self, FrameError> {
        if frame.starts_with(ANSWER)
            && let Ok(Answered { id, ok }) = serde_json::from_slice(frame)
        {
            let outcome = Outcome::Ok(ok);
            return Ok(Self::Answer { id, outcome });
        }
        decode(frame)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{CallError, MAX_FRAME, encode};

    fn frame(message: &impl serde::Serialize) -> Vec<u8> {
        let mut buffer = Vec::new();
        encode(message, MAX_FRAME, &mut buffer).unwrap();
        buffer.split_off(4)
    }

    #[test]
    fn messages_read_alike_in_both_ways() {
        let ops = [
            Op::Run {
                tool: "a:b".into(),
                args: json!({"id": 1, "op": [1.5, null]}),
            },
            Op::Run {
                tool: "a:b".into(),
                args: json!(null),
            },
            Op::Examples { tool: "a:b".into() },
            Op::Namespaces,
        ];
        for (id, op) in (0..).zip(ops) {
            let call = ToHost::Call { id, op };
            assert_eq!(ToHost::decode(&frame(&call)).unwrap(), call);
            assert!(frame(&call).starts_with(CALL));
        }
        let outcomes = [
            Outcome::Ok(json!(null)),
            Outcome::Ok(json!({"ok": {"error": 1}})),
            Outcome::Error(CallError::default()),
        ];
        for (id, outcome) in (0..).zip(outcomes) {
            let answer = ToGuest::Answer { id, outcome };
            assert_eq!(ToGuest::decode(&frame(&answer)).unwrap(), answer);
            assert!(frame(&answer).starts_with(ANSWER));
        }
    }

    #[test]
    fn other_forms_are_left_to_the_general_way() {
        for (text, expected) in [
            (
                r#"{"op":"run","tool":"a:b","args":1,"id":7,"type":"call"}"#,
                Some(ToHost::Call {
                    id: 7,
                    op: Op::Run {
                        tool: "a:b".into(),
                        args: json!(1),
                    },
                }),
            ),
            (r#"{"type":"call","id":7,"op":"run","tool":"a:b"}"#, None),
            (
                r#"{"type":"call","id":-1,"op":"run","tool":"","args":1}"#,
                None,
            ),
            (r#"{"type":"call","id":1,"op":"fly"}"#, None),
            (r#"{"type":"call","#, None),
        ] {
            let read = ToHost::decode(text.as_bytes());
            let general = decode::<ToHost>(text.as_bytes());
            assert_eq!(read.as_ref().ok(), expected.as_ref(), "{text}");
            assert_eq!(general.ok(), expected, "{text}");
        }
    }
}
