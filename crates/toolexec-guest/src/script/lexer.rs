//! The words of a script.

use super::Problem;

/// Longer ones before those they begin with.
const SIGNS: [&str; 30] = [
    ":=", "==", "!=", "<=", ">=", "&&", "||", "??", "=>", "+", "-", "*", "/", "%", "!", "<", ">",
    "=", "(", ")", "[", "]", "{", "}", ",", ".", ":", ";", "?", "$",
];

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Name(String),
    Number(String),
    Text(String),
    /// Texts, and the tokens between them.
    Template(Vec<String>, Vec<Vec<Token>>),
    Sign(&'static str),
    End,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) at: usize,
    /// Whether it is the first of its line.
    pub(super) first: bool,
}

/// The tokens of a script; the last one is the end.
pub(super) fn tokens(source: &str) -> Result<Vec<Token>, Problem> {
    let mut lexer = Lexer {
        source,
        at: 0,
        depth: 0,
    };
    let tokens = lexer.until(None)?;
    Ok(tokens)
}

/// How deep templates may stand in templates.
const MAX_TEMPLATES: usize = 16;

struct Lexer<'s> {
    source: &'s str,
    at: usize,
    depth: usize,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        self.source.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn skip(&mut self, c: char) {
        self.at += c.len_utf8();
    }

    /// Tokens up to the end, or up to the `}` that ends a value in a template (whose start is
    /// given).
    fn until(&mut self, template: Option<usize>) -> Result<Vec<Token>, Problem> {
        let mut tokens = Vec::new();
        let mut braces = 0_usize;
        loop {
            let first = self.blanks()? || tokens.is_empty();
            let at = self.at;
            if template.is_some() && braces == 0 && self.rest().starts_with('}') {
                self.at += 1;
                tokens.push(Token {
                    kind: Kind::End,
                    at,
                    first,
                });
                return Ok(tokens);
            }
            let kind = self.token()?;
            match (&kind, template) {
                (Kind::Sign("{"), _) => braces += 1,
                (Kind::Sign("}"), _) => braces = braces.saturating_sub(1),
                (Kind::End, Some(start)) => {
                    return Err(Problem::new(start, "`${` is not closed").hint("end it with `}`"));
                }
                _ => {}
            }
            let ended = kind == Kind::End;
            tokens.push(Token { kind, at, first });
            if ended {
                return Ok(tokens);
            }
        }
    }

    /// Skips blanks and comments; whether a line ended.
    fn blanks(&mut self) -> Result<bool, Problem> {
        let mut line_ended = false;
        loop {
            match self.peek() {
                Some(c) if c.is_whitespace() => {
                    line_ended |= c == '\n';
                    self.skip(c);
                }
                Some('/') if self.rest().starts_with("//") => {
                    let end = self.rest().find('\n').unwrap_or(self.rest().len());
                    self.at += end;
                }
                Some('/') if self.rest().starts_with("/*") => {
                    let Some(end) = self.rest().find("*/") else {
                        return Err(Problem::new(self.at, "the comment is not closed")
                            .hint("end it with `*/`"));
                    };
                    line_ended |= self.rest()[..end].contains('\n');
                    self.at += end + 2;
                }
                _ => return Ok(line_ended),
            }
        }
    }

    fn token(&mut self) -> Result<Kind, Problem> {
        let Some(c) = self.peek() else {
            return Ok(Kind::End);
        };
        if c.is_alphabetic() || c == '_' {
            return Ok(Kind::Name(self.take(|c| c.is_alphanumeric() || c == '_')));
        }
        if c.is_ascii_digit() {
            return self.number();
        }
        if c == '"' || c == '\'' {
            return self.text(c).map(Kind::Text);
        }
        if c == '`' {
            return self.template();
        }
        for sign in SIGNS {
            if self.rest().starts_with(sign) {
                self.at += sign.len();
                return Ok(Kind::Sign(sign));
            }
        }
        Err(Problem::new(self.at, format!("`{c}` has no meaning here")))
    }

    fn take(&mut self, part: impl Fn(char) -> bool) -> String {
        let rest = self.rest();
        let end = rest.find(|c| !part(c)).unwrap_or(rest.len());
        let taken = rest.get(..end).unwrap_or_default().to_owned();
        self.at += end;
        taken
    }

    fn number(&mut self) -> Result<Kind, Problem> {
        let start = self.at;
        let mut number = self.take(|c| c.is_ascii_digit());
        let mut after = self.rest().chars();
        if after.next() == Some('.') && after.next().is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
            number.push('.');
            number.push_str(&self.take(|c| c.is_ascii_digit()));
        }
        let rest = self.rest();
        if rest.starts_with(['e', 'E']) {
            let digits = rest[1..].trim_start_matches(['+', '-']);
            if digits.starts_with(|c: char| c.is_ascii_digit()) {
                let sign = rest.len() - digits.len();
                number.push_str(&rest[..sign]);
                self.at += sign;
                number.push_str(&self.take(|c| c.is_ascii_digit()));
            }
        }
        match self.peek() {
            Some(c) if c.is_alphanumeric() || c == '_' => {
                Err(Problem::new(start, "this is neither a number nor a name"))
            }
            // Leading zeros are no octal numbers here.
            _ => Ok(Kind::Number(match number.parse::<f64>() {
                Ok(value) if value.is_finite() => format!("{value:?}"),
                _ => return Err(Problem::new(start, "the number is too large")),
            })),
        }
    }

    fn text(&mut self, quote: char) -> Result<String, Problem> {
        let start = self.at;
        self.skip(quote);
        let mut text = String::new();
        loop {
            match self.peek() {
                None | Some('\n') => {
                    let message = "the text is not closed";
                    return Err(Problem::new(start, message).hint(format!(
                        "end it with `{quote}`; text of several lines stands between backquotes"
                    )));
                }
                Some(c) if c == quote => {
                    self.skip(c);
                    return Ok(text);
                }
                Some('\\') => text.push(self.escape()?),
                Some(c) => {
                    self.skip(c);
                    text.push(c);
                }
            }
        }
    }

    fn escape(&mut self) -> Result<char, Problem> {
        let start = self.at;
        self.at += 1;
        let Some(c) = self.peek() else {
            return Err(Problem::new(start, "the text is not closed"));
        };
        self.skip(c);
        Ok(match c {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            '0' => '\0',
            'u' => {
                let digits = self.rest().get(..4).unwrap_or_default();
                let code = u32::from_str_radix(digits, 16)
                    .ok()
                    .and_then(char::from_u32);
                let Some(c) = code else {
                    return Err(Problem::new(start, "`\\u` takes four hexadecimal digits"));
                };
                self.at += 4;
                c
            }
            '\\' | '"' | '\'' | '`' | '$' | '\n' => c,
            _ => {
                return Err(Problem::new(start, format!("`\\{c}` has no meaning"))
                    .hint("write `\\\\` for a backslash"));
            }
        })
    }

    fn template(&mut self) -> Result<Kind, Problem> {
        let start = self.at;
        if self.depth >= MAX_TEMPLATES {
            return Err(Problem::new(start, "templates stand too deep in templates"));
        }
        self.at += 1;
        let (mut texts, mut values) = (vec![String::new()], Vec::new());
        loop {
            let text = texts.last_mut();
            match (self.peek(), text) {
                (None, _) | (_, None) => {
                    return Err(Problem::new(start, "the template is not closed")
                        .hint("end it with a backquote"));
                }
                (Some('`'), _) => {
                    self.at += 1;
                    return Ok(Kind::Template(texts, values));
                }
                (Some('$'), _) if self.rest().starts_with("${") => {
                    let open = self.at;
                    self.at += 2;
                    self.depth += 1;
                    values.push(self.until(Some(open))?);
                    self.depth -= 1;
                    texts.push(String::new());
                }
                (Some('\\'), Some(text)) => text.push(self.escape()?),
                (Some(c), Some(text)) => {
                    self.skip(c);
                    text.push(c);
                }
            }
        }
    }
}
