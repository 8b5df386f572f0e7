//! Pages of a list and the cursors between them.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::id::ToolKey;

/// How many items a page has when the caller does not say.
pub const DEFAULT_LIMIT: usize = 20;
/// The most items a page has; a larger limit gives this many and a cursor.
pub const MAX_LIMIT: usize = 100;

const FORMAT: u8 = 1;
// Format, kind, fingerprint and score come before the key.
const HEAD: usize = 1 + 1 + 8 + 4;

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page begins; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// The same page with every item changed by `change`.
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(change).collect(),
            next: self.next,
        }
    }
}

/// Where a page begins: an opaque text to be given back with the same query.
///
/// It names the last item seen, so it stays valid while tools come and go: what was seen is not
/// seen again, and what is new appears where it belongs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(String);

impl Cursor {
    /// The text of the cursor.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for Cursor {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Cursor {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a cursor pages through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CursorKind {
    Search = 1,
    List = 2,
}

/// What a cursor belongs to: the kind of list, and the query without its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Binding {
    kind: CursorKind,
    fingerprint: u64,
}

/// The last item seen.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Position {
    /// Its score; 0 in a list that is not scored.
    pub(crate) score: f32,
    /// Its key.
    pub(crate) key: ToolKey,
}

impl Binding {
    /// Binds to `kind` and the parts of a query, in a fixed order.
    pub(crate) fn new<'a>(kind: CursorKind, parts: impl IntoIterator<Item = &'a str>) -> Self {
        // FNV-1a: the same on every platform and in every release. It guards against mistakes,
        // not against forgery: a forged cursor only pages oddly.
        let mut fingerprint = 0xcbf2_9ce4_8422_2325_u64;
        let mut mix = |byte: u8| {
            fingerprint = (fingerprint ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        };
        for part in parts {
            part.bytes().for_each(&mut mix);
            // No byte of UTF-8, so that parts cannot run into each other.
            mix(0xff);
        }
        Self { kind, fingerprint }
    }

    /// The cursor for what follows `position`.
    pub(crate) fn cursor(self, position: &Position) -> Cursor {
        let key = position.key.as_str();
        let mut bytes = Vec::with_capacity(HEAD + key.len());
        bytes.push(FORMAT);
        bytes.push(self.kind as u8);
        bytes.extend(self.fingerprint.to_be_bytes());
        bytes.extend(position.score.to_bits().to_be_bytes());
        bytes.extend(key.as_bytes());
        Cursor(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Reads a cursor of the same kind and query.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] when it is malformed or belongs to something else.
    pub(crate) fn position(self, cursor: &Cursor) -> Result<Position> {
        let bytes = URL_SAFE_NO_PAD
            .decode(cursor.as_str())
            .map_err(|error| malformed().with_source(error))?;
        let (head, key) = bytes.split_at_checked(HEAD).ok_or_else(malformed)?;
        let mut head = head.iter().copied();
        let (format, kind) = (head.next(), head.next());
        if format != Some(FORMAT) {
            return Err(malformed());
        }
        let fingerprint = head
            .by_ref()
            .take(8)
            .fold(0, |sum, byte| sum << 8 | u64::from(byte));
        if kind != Some(self.kind as u8) || fingerprint != self.fingerprint {
            return Err(foreign());
        }
        let score = f32::from_bits(head.fold(0, |sum, byte| sum << 8 | u32::from(byte)));
        let key = std::str::from_utf8(key)
            .ok()
            .and_then(|key| key.split_once(':').or(Some(("", key))))
            .and_then(|(namespace, name)| ToolKey::new(namespace, name).ok());
        match key {
            Some(key) if score.is_finite() => Ok(Position { score, key }),
            _ => Err(malformed()),
        }
    }
}

/// Checks the number of items asked for and brings it to at most [`MAX_LIMIT`].
///
/// # Errors
/// [`ErrorKind::InvalidInput`] for zero.
pub(crate) fn page_limit(limit: usize) -> Result<usize> {
    if limit == 0 {
        return Err(Error::new(ErrorKind::InvalidInput, "limit is 0")
            .with_hint(format!("ask for 1 to {MAX_LIMIT} items a page")));
    }
    Ok(limit.min(MAX_LIMIT))
}

fn malformed() -> Error {
    Error::new(
        ErrorKind::InvalidInput,
        "cursor is not one that a page named as its next",
    )
    .with_hint("give the next cursor back unchanged, or leave it out to begin anew")
}

fn foreign() -> Error {
    Error::new(ErrorKind::InvalidInput, "cursor belongs to another query")
        .with_hint("repeat the query that the cursor came from, or leave the cursor out")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(key: &str) -> Position {
        let (namespace, name) = key.split_once(':').unwrap_or(("", key));
        Position {
            score: 1.5,
            key: ToolKey::new(namespace, name).unwrap(),
        }
    }

    fn search() -> Binding {
        Binding::new(CursorKind::Search, ["add", "math"])
    }

    #[test]
    fn a_cursor_gives_its_position_back() {
        for key in ["math:add", "add"] {
            let cursor = search().cursor(&position(key));
            assert_eq!(search().position(&cursor).unwrap(), position(key));
        }
    }

    #[test]
    fn a_cursor_of_another_query_is_refused() {
        let cursor = search().cursor(&position("math:add"));
        let others = [
            Binding::new(CursorKind::List, ["add", "math"]),
            Binding::new(CursorKind::Search, ["addm", "ath"]),
            Binding::new(CursorKind::Search, ["add"]),
        ];
        for other in others {
            let error = other.position(&cursor).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert_eq!(error.to_string(), "cursor belongs to another query");
            assert_eq!(error.hints().len(), 1);
        }
    }

    #[test]
    fn a_malformed_cursor_is_refused() {
        let whole = search().cursor(&position("math:add"));
        let bad_key = {
            let mut bytes = URL_SAFE_NO_PAD.decode(whole.as_str()).unwrap();
            bytes.push(b' ');
            URL_SAFE_NO_PAD.encode(bytes)
        };
        for text in [
            "",
            "!",
            "AA",
            &whole.as_str()[..8],
            &whole.as_str()[1..],
            &bad_key,
        ] {
            let error = search().position(&Cursor::from(text)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text}");
        }
    }

    #[test]
    fn limits_are_capped_and_zero_is_refused() {
        assert_eq!(page_limit(0).unwrap_err().to_string(), "limit is 0");
        assert_eq!(page_limit(7).unwrap(), 7);
        assert_eq!(page_limit(usize::MAX).unwrap(), MAX_LIMIT);
    }
}
