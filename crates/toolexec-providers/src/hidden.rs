//! Credentials that were sent are taken out of what comes back.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderValue;

/// What stands in place of a credential that an answer repeats.
const HIDDEN: &str = "[hidden]";
/// A shorter credential is not looked for: it would be found where it is none.
const MIN_HIDDEN: usize = 6;

/// The credentials that were sent. Longer ones come first: one may be a part of another.
#[derive(Default, Clone)]
pub(crate) struct Hidden(Vec<Vec<u8>>);

impl Hidden {
    /// Keeps a credential, its part after a scheme such as `Bearer`, and what `Basic` encodes.
    pub(crate) fn remember(&mut self, value: &HeaderValue) {
        let whole = value.as_bytes();
        self.keep(whole);
        let Some(space) = whole.iter().position(|&byte| byte == b' ') else {
            return;
        };
        let (scheme, rest) = whole.split_at(space);
        let part = rest.trim_ascii();
        self.keep(part);
        if scheme.eq_ignore_ascii_case(b"basic")
            && let Ok(pair) = STANDARD.decode(part)
        {
            self.keep(&pair);
            if let Some(colon) = pair.iter().position(|&byte| byte == b':') {
                self.keep(pair.get(colon + 1..).unwrap_or_default());
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A text without them.
    pub(crate) fn text(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.bytes(text.as_bytes())).into_owned()
    }

    /// Bytes without them.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> Vec<u8> {
        let mut scrubber = self.scrubber();
        let mut clean = scrubber.push(bytes);
        clean.extend(scrubber.finish());
        clean
    }

    /// For bytes that come in pieces.
    pub(crate) fn scrubber(&self) -> Scrubber {
        Scrubber {
            hidden: self.clone(),
            held: Vec::new(),
        }
    }

    fn keep(&mut self, secret: &[u8]) {
        if secret.len() >= MIN_HIDDEN && !self.0.iter().any(|known| known == secret) {
            self.0.push(secret.to_vec());
            self.0.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        }
    }

    /// The length of the credential that bytes begin with.
    fn at_start(&self, bytes: &[u8]) -> Option<usize> {
        let found = self.0.iter().find(|secret| bytes.starts_with(secret));
        found.map(Vec::len)
    }

    /// Whether bytes are the beginning of a credential, and not all of it.
    fn may_follow(&self, bytes: &[u8]) -> bool {
        let longer = |secret: &&Vec<u8>| secret.len() > bytes.len();
        self.0
            .iter()
            .filter(longer)
            .any(|secret| secret.starts_with(bytes))
    }
}

/// Takes credentials out of a stream. A piece that may be the beginning of one waits for the next.
pub(crate) struct Scrubber {
    hidden: Hidden,
    held: Vec<u8>,
}

impl Scrubber {
    /// What may go on, now that a piece came.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(piece);
        self.clean(false)
    }

    /// What was held back, at the end.
    pub(crate) fn finish(&mut self) -> Vec<u8> {
        self.clean(true)
    }

    fn clean(&mut self, is_last: bool) -> Vec<u8> {
        let all = std::mem::take(&mut self.held);
        let mut clean = Vec::with_capacity(all.len());
        let mut rest = all.as_slice();
        while let Some(&first) = rest.first() {
            let begins = |secret: &Vec<u8>| secret.first() == Some(&first);
            let is_candidate = self.hidden.0.iter().any(begins);
            if is_candidate && !is_last && self.hidden.may_follow(rest) {
                self.held = rest.to_vec();
                break;
            }
            let found = is_candidate.then(|| self.hidden.at_start(rest)).flatten();
            if found.is_some() {
                clean.extend_from_slice(HIDDEN.as_bytes());
            } else {
                clean.push(first);
            }
            rest = rest.get(found.unwrap_or(1)..).unwrap_or_default();
        }
        clean
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(values: &[&'static str]) -> Hidden {
        let mut hidden = Hidden::default();
        for value in values {
            hidden.remember(&HeaderValue::from_static(value));
        }
        hidden
    }

    #[test]
    fn values_parts_and_what_basic_encodes_are_taken_out() {
        let hidden = hidden(&["Bearer s3cret-t0ken", "Basic dXNlcjpwYXNzd29yZA==", "a b"]);
        let said = "Bearer s3cret-t0ken, s3cret-t0ken; dXNlcjpwYXNzd29yZA== is user:password, \
                    password; a b s3cret";
        assert_eq!(
            hidden.text(said),
            "[hidden], [hidden]; [hidden] is [hidden], [hidden]; a b s3cret"
        );
    }

    #[test]
    fn pieces_of_any_size_come_to_the_same() {
        let hidden = hidden(&["abcabcabd", "cabdef", "abcabcabdxyz"]);
        let said = b"abcabcabcabdxy abcabcabdxyz cabde cabdefcabdef abcabcab";
        let whole = hidden.bytes(said);
        for size in 1..said.len() {
            let mut scrubber = hidden.scrubber();
            let mut clean = Vec::new();
            for piece in said.chunks(size) {
                clean.extend(scrubber.push(piece));
            }
            clean.extend(scrubber.finish());
            assert_eq!(
                String::from_utf8_lossy(&clean),
                String::from_utf8_lossy(&whole),
                "pieces of {size}"
            );
        }
        assert_eq!(
            String::from_utf8_lossy(&whole),
            "abc[hidden]xy [hidden] cabde [hidden][hidden] abcabcab"
        );
    }

    #[test]
    fn only_what_may_be_a_credential_waits() {
        let mut scrubber = hidden(&["secret-1"]).scrubber();
        assert_eq!(scrubber.push(b"data: one\n\n"), b"data: one\n\n");
        assert_eq!(scrubber.push(b"data: sec"), b"data: ");
        assert_eq!(scrubber.push(b"ond\n\n"), b"second\n\n");
        assert_eq!(scrubber.push(b"secret-"), b"");
        assert_eq!(scrubber.finish(), b"secret-");
    }
}
