//! The statements of a snippet, and what they are.

use super::lexer::{Kind, Token};

/// Packages whose functions are called for their value.
const FOR_VALUE: [&str; 9] = [
    "errors", "filepath", "math", "path", "reflect", "slices", "strconv", "strings", "utf8",
];
/// Functions of the language that are called for their value.
const BUILT_IN: [&str; 21] = [
    "append", "bool", "byte", "cap", "complex", "float32", "float64", "imag", "int", "int32",
    "int64", "len", "make", "max", "min", "new", "real", "rune", "string", "uint", "uint64",
];
/// What is told and has no value.
const TOLD: [&str; 4] = ["Log", "Progress", "Println", "Printf"];
/// What makes a statement of expressions.
const ASSIGNING: [&str; 15] = [
    "=", ":=", "++", "--", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>=", "&^=",
];

/// The statements at the top of a snippet, without their ends. The semicolons between `if`, `for`
/// or `switch` and its block end none.
pub(super) fn statements<'t, 'a>(tokens: &'t [Token<'a>]) -> impl Iterator<Item = &'t [Token<'a>]> {
    let (mut begins, mut has_block_to_come) = (true, false);
    tokens.split(move |token| {
        if token.depth > 0 {
            return false;
        }
        if token.is("{") {
            has_block_to_come = false;
        }
        has_block_to_come |= begins && matches!(token.text, "if" | "for" | "switch");
        let ends = token.kind == Kind::End && !(has_block_to_come && token.text == ";");
        begins = ends || token.is("else") || token.is(":");
        has_block_to_come &= !ends;
        ends
    })
}

/// Whether a statement declares a function or a method.
pub(super) fn is_function(statement: &[Token<'_>]) -> bool {
    let [word, name, ..] = statement else {
        return false;
    };
    if !word.is("func") {
        return false;
    }
    if name.kind == Kind::Word {
        return true;
    }
    // A method's name stands between its receiver and its parameters.
    let receiver = closing(statement, 1);
    let after = |by: usize| receiver.and_then(|end| statement.get(end + by));
    after(1).is_some_and(|name| name.kind == Kind::Word)
        && after(2).is_some_and(|sign| sign.is("("))
}

/// Whether a statement, the last of a snippet, is an expression whose value is meant.
pub(super) fn is_value(statement: &[Token<'_>]) -> bool {
    let (Some(first), Some(last)) = (statement.first(), statement.last()) else {
        return false;
    };
    let is_statement = first.kind == Kind::Word
        && super::lexer::is_keyword(first.text)
        && !matches!(first.text, "map" | "struct" | "func" | "interface");
    let top = |token: &&Token<'_>| token.depth == 0 && token.kind == Kind::Sign;
    let assigns = statement
        .iter()
        .filter(top)
        .any(|token| ASSIGNING.contains(&token.text));
    let labels = statement.get(1).is_some_and(|second| second.is(":"));
    if is_statement || assigns || labels || first.is("<-") {
        return false;
    }
    let sends = statement.iter().filter(top).any(|token| token.is("<-"));
    if sends {
        return false;
    }
    let computes = statement
        .iter()
        .skip(1)
        .filter(top)
        .any(|token| !matches!(token.text, "(" | ")" | "[" | "]" | "{" | "}" | "." | ","));
    !last.is(")") || computes || first.is("(") || calls_for_value(statement)
}

/// Whether the call that a statement is has a value that is meant.
fn calls_for_value(statement: &[Token<'_>]) -> bool {
    let text = |at: usize| statement.get(at).map_or("", |token| token.text);
    match text(0) {
        "tools" => !TOLD.contains(&text(2)),
        "fmt" => text(2).starts_with('S') || text(2) == "Errorf",
        "json" => text(2).starts_with("Marshal"),
        // A conversion such as `[]byte(x)`.
        "[" | "map" => true,
        name if text(1) == "(" => BUILT_IN.contains(&name),
        package => FOR_VALUE.contains(&package) && text(1) == ".",
    }
}

/// The `return`s of a statement that are not those of a function in it; each with the end of what
/// it returns.
pub(super) fn own_returns<'a>(statement: &[Token<'a>]) -> Vec<(Token<'a>, usize)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(token) = statement.get(at) {
        if token.is("func")
            && let Some(end) = function_end(statement, at)
        {
            at = end;
        } else if token.is("return") {
            let rest = statement.get(at + 1..).unwrap_or_default();
            let is_end = |next: &&Token<'_>| {
                next.depth == token.depth && next.kind == Kind::End || next.depth < token.depth
            };
            let count = rest
                .iter()
                .position(|next| is_end(&next))
                .unwrap_or(rest.len());
            let last = rest.get(..count).and_then(<[_]>::last);
            found.push((*token, last.map_or(token.end(), Token::end)));
        }
        at += 1;
    }
    found
}

/// Where the body of the function that begins at `at` ends; `None` for the type of one.
fn function_end(tokens: &[Token<'_>], at: usize) -> Option<usize> {
    let depth = tokens.get(at)?.depth;
    let mut next = closing(tokens, at + 1)? + 1;
    loop {
        let token = tokens.get(next)?;
        let before = tokens.get(next - 1)?;
        if token.depth < depth || token.kind == Kind::End {
            return None;
        }
        if token.depth == depth {
            if token.is("{") && !before.is("struct") && !before.is("interface") {
                return closing(tokens, next);
            }
            if ["=", ":=", ",", "+", "=="]
                .iter()
                .any(|sign| token.is(sign))
            {
                return None;
            }
        }
        next = match token.text {
            "(" | "[" | "{" if token.kind == Kind::Sign => closing(tokens, next)? + 1,
            _ => next + 1,
        };
    }
}

/// Where the bracket closes that opens at `at`.
fn closing(tokens: &[Token<'_>], at: usize) -> Option<usize> {
    let open = tokens.get(at)?;
    let is_open = open.kind == Kind::Sign && matches!(open.text, "(" | "[" | "{");
    let rest = tokens.get(at + 1..).filter(|_| is_open)?;
    let is_close = |token: &Token<'_>| {
        token.depth == open.depth
            && token.kind == Kind::Sign
            && matches!(token.text, ")" | "]" | "}")
    };
    Some(at + 1 + rest.iter().position(is_close)?)
}

#[cfg(test)]
mod tests {
    use super::super::lexer::tokens;
    use super::*;

    #[test]
    fn values_and_what_is_none() {
        let is = |source: &str| {
            let all = tokens(source);
            let last = statements(&all)
                .filter(|statement| !statement.is_empty())
                .last();
            is_value(last.unwrap())
        };
        for value in [
            "x",
            "1 + 1",
            "result.Structured",
            "f(1) + g(2)",
            "tools.RunTool(ctx, \"a:b\", nil)",
            "len(x)",
            "[]int{1, 2}",
            "map[string]any{\"a\": 1}",
            "fmt.Sprintf(\"a\")",
            "(1)",
            "strings.ToUpper(x)",
            "x[0]",
            "-x",
            "&x",
        ] {
            assert!(is(value), "{value}");
        }
        for none in [
            "fmt.Println(1)",
            "x = 1",
            "x++",
            "wg.Wait()",
            "ch <- 1",
            "for {}",
            "go f()",
            "tools.Log(ctx, 1)",
            "<-ch",
            "func() {}()",
            "done: for {}",
            "delete(m, k)",
            "return 1",
        ] {
            assert!(!is(none), "{none}");
        }
    }

    #[test]
    fn functions_in_a_statement_keep_their_returns() {
        let count = |source: &str| {
            let all = tokens(source);
            statements(&all)
                .map(|one| own_returns(one).len())
                .sum::<usize>()
        };
        assert_eq!(
            count("f := func(a func(int) int) struct{ x int } { return y }"),
            0
        );
        assert_eq!(count("var f func(int) int\nif a { return 1 }"), 1);
        assert_eq!(count("var f func() = func() { return }\nreturn 1"), 1);
        assert_eq!(
            count("for _, f := range fs { go func() { return }(); return f }"),
            1
        );
        assert_eq!(
            count("x := []func() int{func() int { return 1 }}\nreturn x"),
            1
        );
        assert_eq!(count("var f func() interface{ M() }\nreturn f"), 1);
    }
}
