//! Guests that are packed with Zstandard.

use std::borrow::Cow;
use std::io::{self, Read};

/// How a Zstandard frame begins.
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Unpacks what is packed; the rest stays as it is.
///
/// # Errors
/// When it is damaged, or larger than `most` bytes.
pub(crate) fn unpack(bytes: &[u8], most: u64) -> io::Result<Cow<'_, [u8]>> {
    if !bytes.starts_with(&ZSTD) {
        return Ok(Cow::Borrowed(bytes));
    }
    let decoder = ruzstd::decoding::StreamingDecoder::new(bytes).map_err(io::Error::other)?;
    let mut unpacked = Vec::new();
    decoder.take(most + 1).read_to_end(&mut unpacked)?;
    if unpacked.len() as u64 > most {
        let message = format!("the guest is larger than {most} bytes");
        return Err(io::Error::other(message));
    }
    Ok(Cow::Owned(unpacked))
}
