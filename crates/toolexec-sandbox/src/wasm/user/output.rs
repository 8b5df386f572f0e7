//! What a module prints: bytes that are text in the end, and the line that is its value.

/// The longest line that can be a value.
const MAX_LINE: usize = 4 << 20;
/// How the line that is the value begins.
const NAME: &[u8] = b"__out";

/// Bytes as text, where a character may come in two pieces.
#[derive(Debug, Default)]
pub(super) struct Utf8 {
    // The beginning of a character; at most three bytes.
    begun: Vec<u8>,
}

impl Utf8 {
    /// The text of these bytes; a character that is not whole yet is kept.
    pub(super) fn take(&mut self, bytes: &[u8]) -> String {
        let mut all = std::mem::take(&mut self.begun);
        all.extend_from_slice(bytes);
        let last = all.utf8_chunks().last();
        let open = last.map_or(0, |chunk| {
            let end = chunk.invalid();
            if is_begun(end) { end.len() } else { 0 }
        });
        self.begun = all.split_off(all.len() - open);
        String::from_utf8_lossy(&all).into_owned()
    }

    /// What is left when nothing more comes.
    pub(super) fn rest(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.begun)).into_owned()
    }
}

/// Whether bytes that are no character are the beginning of one.
fn is_begun(bytes: &[u8]) -> bool {
    let whole = match bytes.first() {
        Some(0xc2..=0xdf) => 2,
        Some(0xe0..=0xef) => 3,
        Some(0xf0..=0xf4) => 4,
        _ => 0,
    };
    bytes.len() < whole
}

/// Finds the last line that begins with `__out =`.
#[derive(Debug, Default)]
pub(super) struct OutLine {
    // The line that is being written, while it may be the one.
    line: Vec<u8>,
    // It is not the one.
    other: bool,
    last: Option<Vec<u8>>,
}

impl OutLine {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece, false),
            };
            self.extend(text);
            if ends {
                self.end();
            }
        }
    }

    /// The text after the `=`.
    pub(super) fn value(&mut self) -> Option<Vec<u8>> {
        self.end();
        self.last.take()
    }

    fn extend(&mut self, text: &[u8]) {
        if self.other {
            return;
        }
        self.line
            .extend_from_slice(&text[..text.len().min(MAX_LINE + 1)]);
        let known = self.line.len().min(NAME.len());
        if self.line[..known] != NAME[..known] || self.line.len() > MAX_LINE {
            self.other = true;
            self.line = Vec::new();
        }
    }

    fn end(&mut self) {
        let line = std::mem::take(&mut self.line);
        self.other = false;
        let text = line.strip_prefix(NAME).map(<[u8]>::trim_ascii);
        if let Some(value) = text.and_then(|text| text.strip_prefix(b"=")) {
            self.last = Some(value.trim_ascii().to_vec());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_survive_any_split() {
        let text = "aé€😀z\u{fffd}";
        for at in 0..=text.len() {
            let mut utf8 = Utf8::default();
            let (first, second) = text.as_bytes().split_at(at);
            let both = utf8.take(first) + &utf8.take(second) + &utf8.rest();
            assert_eq!(both, text, "{at}");
        }
        let mut utf8 = Utf8::default();
        assert_eq!(utf8.take(&[b'a', 0xff, 0xe2, 0x82]), "a\u{fffd}");
        assert_eq!(utf8.take(b"b"), "\u{fffd}b");
        assert_eq!(utf8.take(&[0xe2]), "");
        assert_eq!(utf8.rest(), "\u{fffd}");
    }

    #[test]
    fn the_last_line_with_the_name_counts() {
        for (printed, expected) in [
            ("", None),
            ("__out", None),
            ("x __out = 1\n", None),
            ("__output = 1\n", None),
            ("__out = 1", Some("1")),
            ("a\n__out={\"a\": 1}\r\nb\n", Some("{\"a\": 1}")),
            ("__out = 1\n__out = 2\n__out\n", Some("2")),
        ] {
            for at in 0..=printed.len() {
                let mut out = OutLine::default();
                out.push(&printed.as_bytes()[..at]);
                out.push(&printed.as_bytes()[at..]);
                let value = out.value().map(|value| String::from_utf8(value).unwrap());
                assert_eq!(value.as_deref(), expected, "{printed:?} {at}");
            }
        }
        let mut out = OutLine::default();
        out.push(b"__out = ");
        out.push(&vec![b'1'; MAX_LINE]);
        assert_eq!(out.line.len(), 0);
        assert_eq!(out.value(), None);
    }
}
