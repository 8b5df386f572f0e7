//! A program that is a WebAssembly module, as bytes or as base64 text.

use std::sync::Arc;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::error::{Error, ErrorKind, Result};

/// The largest module, in bytes.
pub const MAX_MODULE: usize = 8 << 20;

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// Reads base64 text: either alphabet, padded or not, with line breaks or without.
pub(super) fn decode(text: &str) -> Result<Arc<[u8]>> {
    let text: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    // Four characters are three bytes.
    check_size(text.len() / 4 * 3)?;
    let engine = if text.contains(['-', '_']) {
        URL_SAFE
    } else {
        STANDARD
    };
    let decoded = engine
        .decode(&text)
        .map_err(|error| not_base64(&text, &error))?;
    check_size(decoded.len())?;
    Ok(decoded.into())
}

/// Refuses what is too large to be compiled.
pub(super) fn check_size(size: usize) -> Result<()> {
    if size <= MAX_MODULE {
        return Ok(());
    }
    let message = format!("the module has {size} bytes; at most {MAX_MODULE} are allowed");
    Err(Error::new(ErrorKind::InvalidInput, message)
        .with_hint("strip it (wasm-strip, wasm-opt -Os), or get its data from a tool"))
}

fn not_base64(text: &str, error: &base64::DecodeError) -> Error {
    if text.starts_with("(module") || text.starts_with("(component") {
        let message = "the module is in the text format, which is not supported";
        return Error::new(ErrorKind::InvalidInput, message)
            .with_hint("compile it: wat2wasm, or wasm-tools parse");
    }
    let message = format!("the module is no base64 text: {error}");
    Error::new(ErrorKind::InvalidInput, message.to_lowercase())
        .with_hint("the code of a wasm program is the module's bytes in base64")
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: [u8; 8] = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];

    #[test]
    fn base64_is_read_in_every_usual_form() {
        for text in ["AGFzbQEAAAA=", "AGFzbQEAAAA", " AGFz\r\nbQEA\nAAA=\n"] {
            assert_eq!(&*decode(text).unwrap(), EMPTY, "{text:?}");
        }
        assert_eq!(&*decode("-_8").unwrap(), [0xfb, 0xff]);
        assert_eq!(&*decode("+/8").unwrap(), [0xfb, 0xff]);
        assert_eq!(&*decode("").unwrap(), [0_u8; 0]);
    }

    #[test]
    fn what_is_no_base64_is_told_apart() {
        for (text, expected) in [
            (
                "(module\n  (func))",
                "the module is in the text format, which is not supported",
            ),
            (
                "AGFz!",
                "the module is no base64 text: invalid symbol 33, offset 4.",
            ),
        ] {
            let error = decode(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert_eq!(error.guest_message(), expected);
        }
        let long = "A".repeat(MAX_MODULE / 3 * 4 + 8);
        assert_eq!(
            decode(&long).unwrap_err().guest_message(),
            "the module has 8388612 bytes; at most 8388608 are allowed"
        );
    }
}
