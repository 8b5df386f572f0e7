//! The syntax tree of a script. Every node knows the byte where it begins.

/// A list of statements.
pub(super) type Block = Vec<Statement>;

#[derive(Debug)]
pub(super) struct Statement {
    pub(super) at: usize,
    pub(super) kind: StatementKind,
}

#[derive(Debug)]
pub(super) enum StatementKind {
    /// `name := value`.
    Bind(String, Expression),
    /// `target = value`.
    Assign(Expression, Expression),
    /// `if condition { .. } else { .. }`; an `else if` is a block with one statement.
    If(Expression, Block, Option<Block>),
    /// `for name in list { .. }`, `for key, value in list { .. }`.
    For(Vec<String>, Expression, Block),
    Return(Option<Expression>),
    Break,
    Continue,
    Expression(Expression),
}

#[derive(Debug)]
pub(super) struct Expression {
    pub(super) at: usize,
    pub(super) kind: ExpressionKind,
}

#[derive(Debug)]
pub(super) enum ExpressionKind {
    Null,
    Bool(bool),
    /// As written.
    Number(String),
    Text(String),
    /// Texts and what stands between them: one more text than values.
    Template(Vec<String>, Vec<Expression>),
    Name(String),
    List(Vec<Expression>),
    Object(Vec<(String, Expression)>),
    /// `name => value`.
    Function(Vec<String>, Box<Expression>),
    Not(Box<Expression>),
    Negate(Box<Expression>),
    Binary(&'static str, Box<Expression>, Box<Expression>),
    Member(Box<Expression>, String),
    Index(Box<Expression>, Box<Expression>),
    Call(Box<Expression>, Vec<Expression>),
}
