//! Frames: a length and that many bytes of JSON.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The bytes of a length.
const PREFIX: usize = 4;

/// Why a peer's bytes are no frame. The connection cannot be used any more.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// A frame says that it is larger than allowed. Nothing of it was kept.
    #[error("a frame of {size} bytes is larger than the {limit} allowed")]
    TooLarge {
        /// What it says.
        size: usize,
        /// What is allowed.
        limit: usize,
    },
    /// What is in the frame is no message.
    #[error("a frame holds no message: {0}")]
    Malformed(#[source] serde_json::Error),
    /// The stream ended inside a frame.
    #[error("the stream ended {missing} bytes before the end of a frame")]
    Truncated {
        /// How many bytes are missing, as far as is known.
        missing: usize,
    },
}

/// Writes a message as a frame at the end of `buffer`.
///
/// # Errors
/// When the message is larger than `limit` bytes; the buffer is then as it was.
pub fn encode<T: Serialize>(
    message: &T,
    limit: usize,
    buffer: &mut Vec<u8>,
) -> Result<(), FrameError> {
    let start = buffer.len();
    buffer.extend([0; PREFIX]);
    let written = serde_json::to_writer(&mut *buffer, message);
    let size = buffer.len() - start - PREFIX;
    let too_large = FrameError::TooLarge { size, limit };
    let outcome = match (written, u32::try_from(size)) {
        (Err(error), _) => Err(FrameError::Malformed(error)),
        (Ok(()), Ok(length)) if size <= limit => {
            buffer[start..start + PREFIX].copy_from_slice(&length.to_le_bytes());
            return Ok(());
        }
        _ => Err(too_large),
    };
    buffer.truncate(start);
    outcome
}

/// Reads the message in the bytes of one frame, without its length.
pub fn decode<T: DeserializeOwned>(frame: &[u8]) -> Result<T, FrameError> {
    serde_json::from_slice(frame).map_err(FrameError::Malformed)
}

/// Cuts a stream of bytes into frames. Bytes are pushed as they come, in any pieces.
#[derive(Debug)]
pub struct FrameReader {
    limit: usize,
    buffer: Vec<u8>,
    // What was taken out of `buffer` already.
    taken: usize,
}

impl FrameReader {
    /// A reader of frames of at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            buffer: Vec::new(),
            taken: 0,
        }
    }

    /// Adds bytes. At most one frame and what came with it is kept, so a caller that takes all
    /// frames before it pushes more keeps memory within the limit and one piece.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.taken > 0 {
            self.buffer.drain(..self.taken);
            self.taken = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Takes the next whole frame, if it is there.
    pub fn next_frame(&mut self) -> Result<Option<&[u8]>, FrameError> {
        let Some(size) = self.size()? else {
            return Ok(None);
        };
        let start = self.taken + PREFIX;
        if self.buffer.len() < start + size {
            return Ok(None);
        }
        self.taken = start + size;
        Ok(Some(&self.buffer[start..self.taken]))
    }

    /// Takes the next message, if it is there whole.
    pub fn next_message<T: DeserializeOwned>(&mut self) -> Result<Option<T>, FrameError> {
        self.next_frame()?.map(decode).transpose()
    }

    /// Says that the stream ended.
    ///
    /// # Errors
    /// When it ended inside a frame.
    pub fn finish(&self) -> Result<(), FrameError> {
        let left = self.buffer.len() - self.taken;
        if left == 0 {
            return Ok(());
        }
        let whole = self.size()?.map_or(PREFIX, |size| PREFIX + size);
        Err(FrameError::Truncated {
            missing: whole.saturating_sub(left),
        })
    }

    fn size(&self) -> Result<Option<usize>, FrameError> {
        let Some(prefix) = self.buffer[self.taken..].first_chunk::<PREFIX>() else {
            return Ok(None);
        };
        let size = u32::from_le_bytes(*prefix) as usize;
        if size > self.limit {
            return Err(FrameError::TooLarge {
                size,
                limit: self.limit,
            });
        }
        Ok(Some(size))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{Op, ToGuest, ToHost};

    fn frame(message: &Value) -> Vec<u8> {
        let mut buffer = Vec::new();
        encode(message, 1000, &mut buffer).unwrap();
        buffer
    }

    #[test]
    fn frames_survive_any_split() {
        let bytes: Vec<u8> = (0..4).flat_map(|n| frame(&json!({"n": n}))).collect();
        for piece in 1..bytes.len() {
            let mut reader = FrameReader::new(1000);
            let mut seen = Vec::new();
            for bytes in bytes.chunks(piece) {
                reader.push(bytes);
                while let Some(message) = reader.next_message::<Value>().unwrap() {
                    seen.push(message);
                }
            }
            assert_eq!(
                seen,
                [
                    json!({"n": 0}),
                    json!({"n": 1}),
                    json!({"n": 2}),
                    json!({"n": 3})
                ]
            );
            reader.finish().unwrap();
        }
    }

    #[test]
    fn a_frame_that_is_too_large_is_refused_by_its_length_alone() {
        let mut reader = FrameReader::new(10);
        reader.push(&u32::MAX.to_le_bytes());
        assert!(matches!(
            reader.next_frame(),
            Err(FrameError::TooLarge {
                size: 0xffff_ffff,
                limit: 10
            })
        ));
        let mut buffer = vec![7];
        assert!(encode(&json!("too long for it"), 10, &mut buffer).is_err());
        assert_eq!(buffer, [7]);
    }

    #[test]
    fn an_end_inside_a_frame_is_told_from_one_between_frames() {
        let bytes = frame(&json!(1));
        let mut reader = FrameReader::new(10);
        reader.push(&bytes[..4]);
        assert!(matches!(
            reader.finish(),
            Err(FrameError::Truncated { missing: 1 })
        ));
        reader.push(&bytes[4..]);
        assert_eq!(reader.next_message::<Value>().unwrap(), Some(json!(1)));
        reader.finish().unwrap();
    }

    #[test]
    fn json_that_is_too_deep_is_malformed() {
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        assert!(matches!(
            decode::<Value>(deep.as_bytes()),
            Err(FrameError::Malformed(_))
        ));
    }

    #[test]
    fn a_double_keeps_its_last_bit() {
        let text = "[94.52706955539223,23.308445025757262,5e-324,1.7976931348623157e308]";
        let read: [f64; 4] = decode(text.as_bytes()).unwrap();
        let exact = [
            94.527_069_555_392_23,
            23.308_445_025_757_262,
            f64::from_bits(1),
            f64::MAX,
        ];
        assert_eq!(read.map(f64::to_bits), exact.map(f64::to_bits));
    }

    #[test]
    fn messages_read_as_documented() {
        let call = ToHost::Call {
            id: 7,
            op: Op::Run {
                tool: "a:b".into(),
                args: json!({}),
            },
        };
        let text = json!({"type": "call", "id": 7, "op": "run", "tool": "a:b", "args": {}});
        assert_eq!(serde_json::to_value(&call).unwrap(), text);
        assert_eq!(serde_json::from_value::<ToHost>(text).unwrap(), call);
        let answer = json!({"type": "answer", "id": 7, "ok": null});
        let read: ToGuest = serde_json::from_value(answer.clone()).unwrap();
        assert_eq!(serde_json::to_value(read).unwrap(), answer);
    }
}
