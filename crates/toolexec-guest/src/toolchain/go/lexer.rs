//! Go's tokens, as far as it takes to see its statements.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name or a keyword.
    Word,
    /// A number, a character or a text.
    Literal,
    /// An operator or a bracket.
    Sign,
    /// The end of a statement: a semicolon, or a line's end that stands for one.
    End,
}

/// A token, and where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
    pub(super) start: usize,
    // How many brackets are open before it; of a closing one, after it.
    pub(super) depth: usize,
}

impl Token<'_> {
    pub(super) fn end(&self) -> usize {
        self.start + self.text.len()
    }

    pub(super) fn is(&self, text: &str) -> bool {
        self.text == text && matches!(self.kind, Kind::Word | Kind::Sign)
    }
}

/// Operators of more than one character, the longest first.
const SIGNS: [&str; 28] = [
    "<<=", ">>=", "&^=", "...", "&&", "||", "<-", "++", "--", "==", "!=", "<=", ">=", ":=", "+=",
    "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<", ">>", "&^", "~", "->", "::",
];
/// Words after which the end of a line ends the statement, besides names.
const ENDING: [&str; 4] = ["break", "continue", "fallthrough", "return"];
/// All other keywords.
const GOING_ON: [&str; 21] = [
    "case",
    "chan",
    "const",
    "default",
    "defer",
    "else",
    "for",
    "func",
    "go",
    "goto",
    "if",
    "import",
    "interface",
    "map",
    "package",
    "range",
    "select",
    "struct",
    "switch",
    "type",
    "var",
];

/// Whether a word is no name.
pub(super) fn is_keyword(word: &str) -> bool {
    ENDING.contains(&word) || GOING_ON.contains(&word)
}

/// The tokens of a text. What is no Go ends in tokens too; the compiler says what is wrong.
pub(super) fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut lexer = Lexer {
        source,
        at: 0,
        depth: 0,
        tokens: Vec::new(),
    };
    while lexer.step() {}
    lexer.end_of_line(source.len());
    lexer.tokens
}

struct Lexer<'a> {
    source: &'a str,
    at: usize,
    depth: usize,
    tokens: Vec<Token<'a>>,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.source.get(self.at..).unwrap_or_default()
    }

    fn step(&mut self) -> bool {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else {
            return false;
        };
        let length = match first {
            '\n' => {
                self.end_of_line(self.at);
                self.at += 1;
                return true;
            }
            _ if first.is_whitespace() => {
                self.at += first.len_utf8();
                return true;
            }
            _ if rest.starts_with("//") => {
                self.at += rest.find('\n').unwrap_or(rest.len());
                return true;
            }
            _ if rest.starts_with("/*") => {
                let length = rest.find("*/").map_or(rest.len(), |end| end + 2);
                let comment = rest.get(..length).unwrap_or_default();
                if comment.contains('\n') {
                    self.end_of_line(self.at);
                }
                self.at += length;
                return true;
            }
            '`' => rest
                .get(1..)
                .and_then(|inner| inner.find('`'))
                .map_or(rest.len(), |end| end + 2),
            '"' | '\'' => quoted(rest, first),
            _ if first.is_ascii_digit() => number(rest),
            _ if first.is_alphabetic() || first == '_' => rest
                .find(|c: char| !(c.is_alphanumeric() || c == '_'))
                .unwrap_or(rest.len()),
            _ => sign(rest),
        };
        let kind = match first {
            ';' => Kind::End,
            '`' | '"' | '\'' => Kind::Literal,
            _ if first.is_ascii_digit() => Kind::Literal,
            _ if first.is_alphabetic() || first == '_' => Kind::Word,
            _ => Kind::Sign,
        };
        self.push(kind, length);
        true
    }

    fn push(&mut self, kind: Kind, length: usize) {
        let text = self.rest().get(..length).unwrap_or_default();
        if kind == Kind::Sign && matches!(text, ")" | "]" | "}") {
            self.depth = self.depth.saturating_sub(1);
        }
        self.tokens.push(Token {
            kind,
            text,
            start: self.at,
            depth: self.depth,
        });
        if kind == Kind::Sign && matches!(text, "(" | "[" | "{") {
            self.depth += 1;
        }
        self.at += length;
    }

    /// A line's end is the end of a statement after what can be the end of one.
    fn end_of_line(&mut self, at: usize) {
        let ends = self.tokens.last().is_some_and(|last| match last.kind {
            Kind::Word => !GOING_ON.contains(&last.text),
            Kind::Literal => true,
            Kind::Sign => matches!(last.text, ")" | "]" | "}" | "++" | "--"),
            Kind::End => false,
        });
        if ends {
            let depth = self.depth;
            self.tokens.push(Token {
                kind: Kind::End,
                text: "",
                start: at,
                depth,
            });
        }
    }
}

fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            '\n' => return at,
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

fn number(rest: &str) -> usize {
    let mut last = ' ';
    for (at, c) in rest.char_indices() {
        let exponent = matches!(last, 'e' | 'E' | 'p' | 'P') && matches!(c, '+' | '-');
        // In 0x1E+1 the E is a digit.
        let hexadecimal = rest.starts_with("0x") || rest.starts_with("0X");
        let signed = exponent && !(hexadecimal && matches!(last, 'e' | 'E'));
        if !(c.is_alphanumeric() || c == '.' || c == '_' || signed) {
            return at;
        }
        last = c;
    }
    rest.len()
}

fn sign(rest: &str) -> usize {
    let long = SIGNS.iter().find(|sign| rest.starts_with(**sign));
    long.map_or_else(
        || rest.chars().next().map_or(1, char::len_utf8),
        |sign| sign.len(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_of_a_program() {
        let source = "x, err := f(`a\n\"`, 'é', 0x1E+1) // c\nreturn\n}";
        let texts: Vec<_> = tokens(source).iter().map(|token| token.text).collect();
        assert_eq!(
            texts,
            [
                "x", ",", "err", ":=", "f", "(", "`a\n\"`", ",", "'é'", ",", "0x1E", "+", "1", ")",
                "", "return", "", "}", ""
            ]
        );
    }

    #[test]
    fn every_text_has_an_end() {
        for source in ["\"abc", "`abc", "/* abc", "'", "1e", ")))", "é·", "\u{0}"] {
            let covered = tokens(source).iter().map(Token::end).max();
            assert!(covered.unwrap_or_default() <= source.len());
        }
    }
}
