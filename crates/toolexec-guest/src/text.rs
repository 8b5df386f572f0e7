//! Positions in a program's text, and the way back from the text that runs to the text as written.

/// Where the lines of a text begin.
#[derive(Debug, Clone)]
pub struct Lines {
    starts: Vec<usize>,
}

/// A place: line and column from 1, the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

/// How deep a value that stands in the text of a program is looked at.
pub const MAX_LITERAL_DEPTH: usize = 24;

/// A number as JSON has it: whole where it is whole and exact. Not the infinities.
pub fn number(number: f64) -> Option<serde_json::Value> {
    /// The integers up to here are exact.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "whole, and in range")]
        return Some((number as i64).into());
    }
    serde_json::Number::from_f64(number).map(Into::into)
}

impl Lines {
    /// The lines of a text.
    pub fn new(text: &str) -> Self {
        let after = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let starts = std::iter::once(0).chain(after.map(|(at, _)| at + 1));
        Self {
            starts: starts.collect(),
        }
    }

    /// The place of a byte of the text. What is past the end is at the end.
    pub fn place(&self, text: &str, offset: usize) -> Place {
        let offset = text.floor_char_boundary(offset);
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self
            .starts
            .get(line.saturating_sub(1))
            .copied()
            .unwrap_or(0);
        let column = text
            .get(start..offset)
            .map_or(0, |before| before.chars().count());
        Place {
            line: to_u32(line),
            column: to_u32(column + 1),
        }
    }

    /// The byte at a place. What is past the end of a line is at its end.
    pub fn offset(&self, text: &str, place: Place) -> usize {
        let line = place.line.saturating_sub(1) as usize;
        let Some(&start) = self.starts.get(line) else {
            return text.len();
        };
        let end = self
            .starts
            .get(line + 1)
            .map_or(text.len(), |next| next - 1);
        let columns = place.column.saturating_sub(1) as usize;
        let in_line = text.get(start..end).unwrap_or_default();
        let width = in_line
            .char_indices()
            .nth(columns)
            .map_or(in_line.len(), |(at, _)| at);
        start + width
    }
}

fn to_u32(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Text made from another text, that knows where each part of it comes from.
#[derive(Debug, Clone, Default)]
pub struct Derived {
    /// The text.
    pub text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone)]
struct Part {
    // Where it begins in the new text, and in the one it comes from.
    start: usize,
    source: usize,
    // Whether it is the same text, byte by byte; else all of it stands for `source`.
    same: bool,
}

impl Derived {
    /// Adds text that stands in the source at `at`.
    pub fn copy(&mut self, source: &str, at: usize) {
        self.part(at, true);
        self.text.push_str(source);
    }

    /// Adds text that stands for what is in the source at `at`.
    pub fn put(&mut self, text: &str, at: usize) {
        self.part(at, false);
        self.text.push_str(text);
    }

    fn part(&mut self, source: usize, same: bool) {
        self.parts.push(Part {
            start: self.text.len(),
            source,
            same,
        });
    }

    /// Where a byte of this text comes from.
    pub fn source(&self, offset: usize) -> usize {
        let after = self.parts.partition_point(|part| part.start <= offset);
        match after.checked_sub(1).and_then(|at| self.parts.get(at)) {
            Some(part) if part.same => part.source + (offset - part.start),
            Some(part) => part.source,
            None => 0,
        }
    }
}

/// Changes to a text, made all at once.
#[derive(Debug, Default)]
pub struct Edits {
    edits: Vec<(usize, usize, String)>,
}

impl Edits {
    /// Puts other text in the place of a part.
    pub fn replace(&mut self, start: usize, end: usize, text: impl Into<String>) {
        self.edits.push((start, end, text.into()));
    }

    /// Puts text before a byte.
    pub fn insert(&mut self, at: usize, text: impl Into<String>) {
        self.replace(at, at, text);
    }

    /// Adds other changes, after these where both are at one place.
    pub fn append(&mut self, mut other: Self) {
        self.edits.append(&mut other.edits);
    }

    /// Blanks a part; its line breaks stay, so nothing after it moves.
    pub fn blank(&mut self, source: &str, start: usize, end: usize) {
        let part = source.get(start..end).unwrap_or_default();
        let blank = part
            .chars()
            .map(|c| if matches!(c, '\n' | '\r') { c } else { ' ' });
        self.replace(start, end, blank.collect::<String>());
    }

    /// The changed text. Of changes that overlap, the one that begins first is made.
    pub fn apply(mut self, source: &str) -> Derived {
        self.edits.sort_by_key(|(start, _, _)| *start);
        let mut derived = Derived::default();
        let mut at = 0;
        for (start, end, text) in self.edits {
            let Some(kept) = source.get(at..start) else {
                continue;
            };
            derived.copy(kept, at);
            derived.put(&text, start);
            at = end.max(start);
        }
        derived.copy(source.get(at..).unwrap_or_default(), at);
        derived
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_offsets_are_each_others_inverse() {
        let text = "ab\nçé\n\nx";
        let lines = Lines::new(text);
        for (offset, _) in text.char_indices() {
            assert_eq!(lines.offset(text, lines.place(text, offset)), offset);
        }
        assert_eq!(lines.place(text, 5), Place { line: 2, column: 2 });
        assert_eq!(lines.place(text, 99), Place { line: 4, column: 2 });
        let nowhere = Place { line: 9, column: 1 };
        assert_eq!(lines.offset(text, nowhere), text.len());
    }

    #[test]
    fn changed_text_knows_where_it_comes_from() {
        let source = "let x: number = 1;\nreturn x";
        let mut edits = Edits::default();
        edits.replace(19, 25, "out(");
        edits.blank(source, 5, 13);
        edits.insert(source.len(), ")");
        let derived = edits.apply(source);
        assert_eq!(derived.text, "let x         = 1;\nout( x)");
        let of = |part: &str| derived.source(derived.text.find(part).unwrap());
        assert_eq!(of("= 1"), 14);
        assert_eq!(of("out"), 19);
        assert_eq!(of("x)"), 26);
    }

    #[test]
    fn blanks_keep_line_breaks() {
        let source = "a/*é\n*/b";
        let mut edits = Edits::default();
        edits.blank(source, 1, source.len() - 1);
        assert_eq!(edits.apply(source).text, "a   \n  b");
    }
}
