//! From the words of a script to its syntax tree.

use super::Problem;
use super::ast::{Block, Expression, ExpressionKind as E, Statement, StatementKind};
use super::lexer::{Kind, Token};

/// How deep a script may nest, and how many operators may stand in a row.
const MAX_NESTING: usize = 100;
/// Binary operators, from the loosest to the tightest.
const LEVELS: [&[&str]; 6] = [
    &["||", "??"],
    &["&&"],
    &["==", "!="],
    &["<", "<=", ">", ">="],
    &["+", "-"],
    &["*", "/", "%"],
];
const WORDS: [&str; 10] = [
    "if", "else", "for", "in", "return", "break", "continue", "true", "false", "null",
];

/// Parses a script of `length` bytes.
pub(super) fn parse(tokens: &[Token], length: usize) -> Result<Block, Problem> {
    let mut parser = Parser {
        tokens,
        at: 0,
        nesting: 0,
        loops: 0,
        length,
    };
    let block = parser.statements(false)?;
    Ok(block)
}

struct Parser<'t> {
    tokens: &'t [Token],
    at: usize,
    nesting: usize,
    loops: usize,
    length: usize,
}

type Parsed<T> = Result<T, Problem>;

impl Parser<'_> {
    fn kind(&self) -> &Kind {
        self.tokens
            .get(self.at)
            .map_or(&Kind::End, |token| &token.kind)
    }

    fn place(&self) -> usize {
        self.tokens
            .get(self.at)
            .map_or(self.length, |token| token.at)
    }

    fn is_first(&self) -> bool {
        self.tokens.get(self.at).is_none_or(|token| token.first)
    }

    fn is_sign(&self, sign: &str) -> bool {
        matches!(self.kind(), Kind::Sign(found) if *found == sign)
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.kind(), Kind::Name(found) if found == word)
    }

    fn follows(&self, sign: &str) -> bool {
        let next = self.tokens.get(self.at + 1);
        next.is_some_and(|token| matches!(token.kind, Kind::Sign(found) if found == sign))
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        let found = self.is_sign(sign);
        self.at += usize::from(found);
        found
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &str, context: &str) -> Parsed<()> {
        if self.take_sign(sign) {
            return Ok(());
        }
        Err(self.unexpected(&format!("`{sign}` {context}")))
    }

    fn unexpected(&self, expected: &str) -> Problem {
        let found = match self.kind() {
            Kind::Name(name) => format!("`{name}`"),
            Kind::Number(number) => format!("the number {number}"),
            Kind::Text(_) | Kind::Template(..) => "a text".to_owned(),
            Kind::Sign(sign) => format!("`{sign}`"),
            Kind::End => "the end".to_owned(),
        };
        Problem::new(self.place(), format!("expected {expected}, found {found}"))
    }

    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.nesting >= MAX_NESTING {
            let message = format!("the script nests deeper than {MAX_NESTING} levels");
            return Err(Problem::new(self.place(), message));
        }
        self.nesting += 1;
        let parsed = parse(self);
        self.nesting -= 1;
        parsed
    }

    /// Statements up to the end, or up to the `}` of a block.
    fn statements(&mut self, block: bool) -> Parsed<Block> {
        let mut statements = Vec::new();
        loop {
            while self.take_sign(";") {}
            let ended = matches!(self.kind(), Kind::End);
            if block && self.take_sign("}") || !block && ended {
                return Ok(statements);
            }
            if block && ended {
                return Err(self.unexpected("`}` at the end of the block"));
            }
            statements.push(self.nested(Self::statement)?);
            let separated = self.is_first() || self.is_sign(";") || self.is_sign("}");
            if !separated && !matches!(self.kind(), Kind::End) {
                return Err(self
                    .unexpected("the end of the statement")
                    .hint("one statement stands on one line; `;` separates two"));
            }
        }
    }

    fn block(&mut self, context: &str) -> Parsed<Block> {
        self.expect("{", context)?;
        self.statements(true)
    }

    fn statement(&mut self) -> Parsed<Statement> {
        let at = self.place();
        let kind = if self.take_word("if") {
            self.if_statement()?
        } else if self.take_word("for") {
            self.for_statement()?
        } else if self.take_word("return") {
            self.return_statement()?
        } else if self.is_word("break") || self.is_word("continue") {
            self.leave()?
        } else {
            self.other_statement()?
        };
        Ok(Statement { at, kind })
    }

    fn if_statement(&mut self) -> Parsed<StatementKind> {
        let condition = self.expression()?;
        let then = self.block("before what is done then")?;
        let otherwise = if self.take_word("else") {
            if self.is_word("if") {
                let at = self.place();
                self.at += 1;
                let kind = self.nested(Self::if_statement)?;
                Some(vec![Statement { at, kind }])
            } else {
                Some(self.block("after `else`")?)
            }
        } else {
            None
        };
        Ok(StatementKind::If(condition, then, otherwise))
    }

    fn for_statement(&mut self) -> Parsed<StatementKind> {
        let bracket = self.take_sign("(");
        let mut names = vec![self.name("a name after `for`")?];
        if self.take_sign(",") {
            names.push(self.name("a second name")?);
        }
        if !self.take_word("in") {
            return Err(self
                .unexpected("`in`")
                .hint("write `for item in list { .. }`"));
        }
        let list = self.expression()?;
        if bracket {
            self.expect(")", "after the list")?;
        }
        self.loops += 1;
        let body = self.block("before what is done for each");
        self.loops -= 1;
        Ok(StatementKind::For(names, list, body?))
    }

    fn return_statement(&mut self) -> Parsed<StatementKind> {
        let empty = self.is_first() || self.is_sign("}") || self.is_sign(";");
        if empty || matches!(self.kind(), Kind::End) {
            return Ok(StatementKind::Return(None));
        }
        Ok(StatementKind::Return(Some(self.expression()?)))
    }

    fn leave(&mut self) -> Parsed<StatementKind> {
        if self.loops == 0 {
            return Err(Problem::new(
                self.place(),
                "there is no `for` around this to leave",
            ));
        }
        if self.take_word("break") {
            return Ok(StatementKind::Break);
        }
        self.at += 1;
        Ok(StatementKind::Continue)
    }

    fn other_statement(&mut self) -> Parsed<StatementKind> {
        // `let x = 1` is what other languages say.
        for word in ["let", "const", "var"] {
            if self.is_word(word)
                && matches!(
                    self.tokens.get(self.at + 1).map(|t| &t.kind),
                    Some(Kind::Name(_))
                )
            {
                return Err(
                    Problem::new(self.place(), format!("`{word}` is not needed"))
                        .hint("bind a variable with `name := value`"),
                );
            }
        }
        let target = self.expression()?;
        let at = self.place();
        if self.take_sign(":=") {
            let E::Name(name) = target.kind else {
                return Err(Problem::new(at, "`:=` binds a name")
                    .hint("use `=` to change a part of a value"));
            };
            return Ok(StatementKind::Bind(name, self.expression()?));
        }
        if self.take_sign("=") {
            if !matches!(target.kind, E::Name(_) | E::Member(..) | E::Index(..)) {
                return Err(Problem::new(at, "this cannot be assigned to"));
            }
            return Ok(StatementKind::Assign(target, self.expression()?));
        }
        Ok(StatementKind::Expression(target))
    }

    fn name(&mut self, what: &str) -> Parsed<String> {
        match self.kind() {
            Kind::Name(name) if !WORDS.contains(&name.as_str()) => {
                let name = name.clone();
                self.at += 1;
                Ok(name)
            }
            _ => Err(self.unexpected(what)),
        }
    }

    fn expression(&mut self) -> Parsed<Expression> {
        self.nested(|parser| parser.binary(0))
    }

    fn binary(&mut self, level: usize) -> Parsed<Expression> {
        let Some(signs) = LEVELS.get(level) else {
            return self.unary();
        };
        let mut left = self.binary(level + 1)?;
        let mut row = 0;
        while let Some(sign) = signs.iter().copied().find(|sign| self.is_sign(sign)) {
            // A line that begins with `-` is a statement of its own.
            if self.is_first() && sign == "-" {
                break;
            }
            row += 1;
            if row > MAX_NESTING {
                return Err(Problem::new(
                    self.place(),
                    format!("more than {MAX_NESTING} operators in a row"),
                )
                .hint("split the expression"));
            }
            self.at += 1;
            let right = self.binary(level + 1)?;
            left = Expression {
                at: left.at,
                kind: E::Binary(sign, Box::new(left), Box::new(right)),
            };
        }
        Ok(left)
    }

    fn unary(&mut self) -> Parsed<Expression> {
        let at = self.place();
        let kind = if self.take_sign("!") {
            E::Not(Box::new(self.nested(Self::unary)?))
        } else if self.take_sign("-") {
            E::Negate(Box::new(self.nested(Self::unary)?))
        } else {
            return self.postfix();
        };
        Ok(Expression { at, kind })
    }

    fn postfix(&mut self) -> Parsed<Expression> {
        let mut value = self.primary()?;
        let mut row = 0;
        loop {
            let at = self.place();
            let kind = if self.take_sign(".") {
                E::Member(Box::new(value), self.key("a name after `.`")?)
            } else if self.is_sign("[") && !self.is_first() {
                self.at += 1;
                let index = self.expression()?;
                self.expect("]", "after the index")?;
                E::Index(Box::new(value), Box::new(index))
            } else if self.is_sign("(") && !self.is_first() {
                self.at += 1;
                E::Call(Box::new(value), self.list(")")?)
            } else {
                return Ok(value);
            };
            row += 1;
            if row > MAX_NESTING {
                return Err(Problem::new(
                    at,
                    format!("more than {MAX_NESTING} steps in a row"),
                ));
            }
            value = Expression { at, kind };
        }
    }

    /// A name that may be any word.
    fn key(&mut self, what: &str) -> Parsed<String> {
        match self.kind() {
            Kind::Name(name) => {
                let name = name.clone();
                self.at += 1;
                Ok(name)
            }
            _ => Err(self.unexpected(what)),
        }
    }

    fn list(&mut self, close: &str) -> Parsed<Vec<Expression>> {
        let mut items = Vec::new();
        while !self.take_sign(close) {
            items.push(self.expression()?);
            if !self.is_sign(close) {
                self.expect(",", &format!("or `{close}`"))?;
            }
        }
        Ok(items)
    }

    fn primary(&mut self) -> Parsed<Expression> {
        let at = self.place();
        if let Some(function) = self.function()? {
            return Ok(Expression { at, kind: function });
        }
        let kind = match self.kind().clone() {
            Kind::Number(number) => E::Number(number),
            Kind::Text(text) => E::Text(text),
            Kind::Template(texts, values) => E::Template(texts, self.values(&values)?),
            Kind::Name(name) if name == "true" || name == "false" => E::Bool(name == "true"),
            Kind::Name(name) if name == "null" => E::Null,
            Kind::Name(name) if !WORDS.contains(&name.as_str()) => E::Name(name),
            Kind::Sign("(") => {
                self.at += 1;
                let inner = self.expression()?;
                self.expect(")", "to close the bracket")?;
                return Ok(inner);
            }
            Kind::Sign("[") => {
                self.at += 1;
                let kind = E::List(self.list("]")?);
                return Ok(Expression { at, kind });
            }
            Kind::Sign("{") => {
                self.at += 1;
                let kind = self.object()?;
                return Ok(Expression { at, kind });
            }
            _ => return Err(self.unexpected("a value")),
        };
        self.at += 1;
        Ok(Expression { at, kind })
    }

    /// The values that stand in a template.
    fn values(&self, values: &[Vec<Token>]) -> Parsed<Vec<Expression>> {
        let value = |tokens: &Vec<Token>| {
            let mut parser = Parser {
                tokens,
                at: 0,
                nesting: self.nesting,
                loops: 0,
                length: self.length,
            };
            let value = parser.expression()?;
            match parser.kind() {
                Kind::End => Ok(value),
                _ => Err(parser.unexpected("`}` after the value")),
            }
        };
        values.iter().map(value).collect()
    }

    /// `name => value` and `(a, b) => value`.
    fn function(&mut self) -> Parsed<Option<E>> {
        let start = self.at;
        let names = if matches!(self.kind(), Kind::Name(_)) && self.follows("=>") {
            vec![self.name("a name")?]
        } else if self.is_sign("(") {
            let Some(names) = self.names() else {
                self.at = start;
                return Ok(None);
            };
            names
        } else {
            return Ok(None);
        };
        self.expect("=>", "before the value of the function")?;
        Ok(Some(E::Function(names, Box::new(self.expression()?))))
    }

    /// `(a, b)`, when `=>` follows.
    fn names(&mut self) -> Option<Vec<String>> {
        self.at += 1;
        let mut names = Vec::new();
        while !self.take_sign(")") {
            names.push(self.name("").ok()?);
            if !self.is_sign(")") && !self.take_sign(",") {
                return None;
            }
        }
        self.is_sign("=>").then_some(names)
    }

    fn object(&mut self) -> Parsed<E> {
        let mut entries = Vec::new();
        while !self.take_sign("}") {
            let at = self.place();
            let (key, named) = match self.kind().clone() {
                Kind::Name(name) => (name, true),
                Kind::Text(text) => (text, false),
                _ => return Err(self.unexpected("a key or `}`")),
            };
            self.at += 1;
            let short = named && (self.is_sign(",") || self.is_sign("}"));
            let value = if short {
                Expression {
                    at,
                    kind: E::Name(key.clone()),
                }
            } else {
                self.expect(":", "after the key")?;
                self.expression()?
            };
            entries.push((key, value));
            if !self.is_sign("}") {
                self.expect(",", "or `}`")?;
            }
        }
        Ok(E::Object(entries))
    }
}
