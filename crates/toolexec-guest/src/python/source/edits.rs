//! Edits of a text, and the way back from the edited text to the one that was written.

use std::ops::Range;

/// Changes to a text, collected in any order.
#[derive(Debug, Default)]
pub(super) struct Edits {
    edits: Vec<Edit>,
}

#[derive(Debug)]
struct Edit {
    span: Range<usize>,
    text: String,
    // Keeps the order of what is inserted at one place.
    order: i32,
}

impl Edits {
    /// Puts text at a place; what is put there later comes after it.
    pub(super) fn insert(&mut self, at: usize, text: impl Into<String>) {
        self.replace(at..at, text);
    }

    /// Puts text at the end of something that ends here: before all that is put at this place.
    pub(super) fn close(&mut self, at: usize, text: impl Into<String>) {
        let order = -1 - i32::try_from(self.edits.len()).unwrap_or(i32::MAX - 1);
        self.edits.push(Edit {
            span: at..at,
            text: text.into(),
            order,
        });
    }

    /// Replaces a span, which no other edit may touch.
    pub(super) fn replace(&mut self, span: Range<usize>, text: impl Into<String>) {
        let order = i32::try_from(self.edits.len()).unwrap_or(i32::MAX);
        self.edits.push(Edit {
            span,
            text: text.into(),
            order,
        });
    }

    /// The edited text, and the map back to this one.
    pub(super) fn apply(mut self, source: &str) -> (String, Map) {
        self.edits
            .sort_by_key(|edit| (edit.span.start, edit.span.end, edit.order));
        let mut text = String::with_capacity(source.len() + 64);
        let mut pieces = Vec::with_capacity(self.edits.len() + 1);
        let mut done = 0;
        for edit in self.edits {
            // Edits of spans that overlap would be a mistake of the caller; the first wins.
            if edit.span.start < done {
                continue;
            }
            text.push_str(source.get(done..edit.span.start).unwrap_or_default());
            pieces.push(Piece {
                edited: text.len(),
                len: edit.text.len(),
                written: edit.span.start,
                after: edit.span.end,
            });
            text.push_str(&edit.text);
            done = edit.span.end;
        }
        text.push_str(source.get(done..).unwrap_or_default());
        (text, Map { pieces })
    }
}

/// The way back from an edited text.
#[derive(Debug, Clone, Default)]
pub(in crate::python) struct Map {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone)]
struct Piece {
    // Where it stands in the edited text, and how much of it is new.
    edited: usize,
    len: usize,
    // Where it stands in the text as written: its start, and where the text goes on.
    written: usize,
    after: usize,
}

impl Map {
    /// The offset, in the text as written, of an offset in the edited text.
    pub(in crate::python) fn written(&self, offset: usize) -> usize {
        let count = self.pieces.partition_point(|piece| piece.edited <= offset);
        let Some(piece) = count.checked_sub(1).and_then(|at| self.pieces.get(at)) else {
            return offset;
        };
        match offset.checked_sub(piece.edited + piece.len) {
            Some(beyond) => piece.after + beyond,
            None => piece.written,
        }
    }

    /// As [`written`](Self::written), for an offset where something ends.
    pub(in crate::python) fn written_end(&self, offset: usize) -> usize {
        let count = self.pieces.partition_point(|piece| piece.edited < offset);
        let Some(piece) = count.checked_sub(1).and_then(|at| self.pieces.get(at)) else {
            return offset;
        };
        match offset.checked_sub(piece.edited + piece.len) {
            Some(beyond) => piece.after + beyond,
            None => piece.after,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_nest_and_lead_back() {
        let source = "await x.y";
        let mut edits = Edits::default();
        edits.insert(6, "f(");
        edits.insert(6, "g(");
        edits.close(7, ")");
        edits.close(9, ")");
        let (text, map) = edits.apply(source);
        assert_eq!(text, "await f(g(x).y)");
        let back: Vec<_> = (0..=text.len()).map(|at| map.written(at)).collect();
        assert_eq!(back, [0, 1, 2, 3, 4, 5, 6, 6, 6, 6, 6, 7, 7, 8, 9, 9]);
        assert_eq!(map.written_end(11), 7);
        assert_eq!(map.written_end(14), 9);
    }

    #[test]
    fn replaced_spans_lead_back_to_their_start() {
        let mut edits = Edits::default();
        edits.replace(0..4, "");
        edits.replace(5..6, ".pop(");
        let (text, map) = edits.apply("del d[k]");
        assert_eq!(text, "d.pop(k]");
        assert_eq!([0, 1, 3, 6, 7].map(|at| map.written(at)), [4, 5, 5, 6, 7]);
    }
}
