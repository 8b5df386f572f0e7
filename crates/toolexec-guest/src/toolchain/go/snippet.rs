//! From a snippet, the body of a function, to a Go file that says where each part was written.
//!
//! - `return a`, `return a, err` and a bare `return` are all allowed, as the function hands what
//!   it returns to one that takes any number of values;
//! - functions that the snippet declares, with the types and constants beside them, become those
//!   of the file;
//! - packages of the standard library that it uses are imported;
//! - a file with a function `main` of its own stays as it is; its value is `__out`.

use std::fmt::Write;

use serde_json::{Map, Value};

use super::lexer::{Kind, Token, is_keyword, tokens};
use super::packages;
use super::statements::{is_function, is_value, own_returns, statements};
use crate::text::Lines;

/// The name of the snippet in positions.
pub(super) const FILE: &str = "program.go";
/// Names of the file around the snippet.
const TAKEN: [&str; 7] = ["tools", "ctx", "inputs", "main", "init", "nil", "any"];

/// The Go file of a snippet.
pub(super) fn file(source: &str, inputs: &Map<String, Value>) -> String {
    let all = tokens(source);
    let (header, body) = header(&all);
    let imported = imported(header);
    let variables = variables(inputs);
    let is_declared = |name: &str| {
        imported.iter().any(|known| known == name)
            || variables.iter().any(|(known, _)| *known == name)
    };
    let needed = packages::used(body, is_declared);
    let mut file = File::new(source);
    file.put("package main\n");
    for statement in statements(header).filter(|statement| starts(statement, "import")) {
        file.copy_tokens(statement);
        file.put("\n");
    }
    for path in needed.values() {
        // Writing to a text does not fail.
        let _ = writeln!(file.text, "import {path:?}");
    }
    file.variables(&variables);
    if body
        .iter()
        .any(|token| token.depth == 0 && token.is("func"))
        && let Some(main) = own_main(body)
    {
        file.whole(body, main);
    } else {
        file.snippet(body);
    }
    file.text
}

/// The clauses at the top, and the rest.
fn header<'t, 'a>(all: &'t [Token<'a>]) -> (&'t [Token<'a>], &'t [Token<'a>]) {
    let length = statements(all)
        .take_while(|statement| starts(statement, "import") || starts(statement, "package"))
        // With the end of each.
        .map(|statement| statement.len() + 1)
        .sum::<usize>();
    all.split_at(length.min(all.len()))
}

fn starts(statement: &[Token<'_>], word: &str) -> bool {
    statement.first().is_some_and(|first| first.is(word))
}

/// The names of the packages that are imported: the last part of a path, or the name before it.
fn imported(header: &[Token<'_>]) -> Vec<String> {
    let mut before = None;
    let mut names = Vec::new();
    for token in header {
        if token.kind == Kind::Literal {
            let path = token.text.trim_matches(['"', '`']);
            let last = path.rsplit('/').next().unwrap_or_default();
            let name = match before {
                Some(Token {
                    kind: Kind::Word,
                    text,
                    ..
                }) if text != "import" => text,
                _ => last,
            };
            names.push(name.to_owned());
        }
        before = Some(*token);
    }
    names
}

/// Where the name of the function `main` is, if the file has one.
fn own_main<'a>(body: &[Token<'a>]) -> Option<Token<'a>> {
    statements(body)
        .filter(|statement| starts(statement, "func"))
        .filter_map(|statement| statement.get(1))
        .find(|name| name.is("main"))
        .copied()
}

/// The inputs that are variables, with their types in Go.
fn variables(inputs: &Map<String, Value>) -> Vec<(&str, &'static str)> {
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_alphanumeric() || c == '_')
            && !name.starts_with("__")
            && name != "_"
            && !is_keyword(name)
            && !TAKEN.contains(&name)
    };
    let typed = |value: &Value| match value {
        Value::String(_) => "string",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int",
        Value::Array(_) => "[]any",
        Value::Object(_) => "map[string]any",
        Value::Null => "any",
    };
    inputs
        .iter()
        .filter(|(name, _)| is_name(name))
        .map(|(name, value)| (name.as_str(), typed(value)))
        .collect()
}

struct File<'a> {
    source: &'a str,
    lines: Lines,
    text: String,
}

impl<'a> File<'a> {
    fn new(source: &'a str) -> Self {
        Self {
            source,
            lines: Lines::new(source),
            text: String::with_capacity(source.len() * 2),
        }
    }

    fn put(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Copies a part of the snippet; the compiler knows where it was.
    fn copy(&mut self, start: usize, end: usize) {
        let place = self.lines.place(self.source, start);
        let line_start = self.source.get(..start).and_then(|text| text.rfind('\n'));
        // The compiler counts bytes.
        let column = start - line_start.map_or(0, |at| at + 1) + 1;
        let _ = write!(self.text, "/*line {FILE}:{}:{column}*/", place.line);
        self.text
            .push_str(self.source.get(start..end).unwrap_or_default());
    }

    fn copy_tokens(&mut self, part: &[Token<'_>]) {
        if let (Some(first), Some(last)) = (part.first(), part.last()) {
            self.copy(first.start, last.end());
        }
    }

    fn variables(&mut self, variables: &[(&str, &str)]) {
        for (name, of) in variables {
            let _ = writeln!(self.text, "var {name} {of}");
        }
        self.put("func __inputs() {\n");
        for (name, of) in variables {
            let _ = match *of {
                "int" => writeln!(self.text, "{name} = __int(inputs[{name:?}])"),
                "any" => continue,
                of => writeln!(self.text, "{name}, _ = inputs[{name:?}].({of})"),
            };
        }
        self.put("}\n");
    }

    /// A whole file: its `main` is one of ours.
    fn whole(&mut self, body: &[Token<'_>], main: Token<'_>) {
        let start = body.first().map_or(0, |first| first.start);
        self.copy(start, main.start);
        self.put("__main");
        self.copy(main.end(), self.source.len());
        self.put("\nfunc __program() (any, error) { __main(); return nil, nil }\n");
    }

    fn snippet(&mut self, body: &[Token<'_>]) {
        let all: Vec<&[Token<'_>]> = statements(body).collect();
        let has_functions = all.iter().any(|statement| is_function(statement));
        let is_outside = |statement: &[Token<'_>]| {
            is_function(statement)
                || has_functions
                    && statement
                        .first()
                        .is_some_and(|first| first.is("type") || first.is("const"))
        };
        for statement in all.iter().filter(|statement| is_outside(statement)) {
            self.copy_tokens(statement);
            self.put("\n");
        }
        self.put("func __program() (any, error) {\n");
        let inside: Vec<_> = all
            .iter()
            .filter(|statement| !is_outside(statement) && !statement.is_empty())
            .collect();
        for (at, statement) in inside.iter().enumerate() {
            self.statement(statement, at + 1 == inside.len());
            self.put("\n");
        }
        self.put("return nil, nil\n}\n");
    }

    fn statement(&mut self, statement: &[Token<'_>], is_last: bool) {
        let (Some(first), Some(last)) = (statement.first(), statement.last()) else {
            return;
        };
        if is_last && is_value(statement) {
            self.put("return __v(");
            self.copy(first.start, last.end());
            self.put(")");
            return;
        }
        // `__out := 1` would be a variable that nobody reads.
        if let [out, sign, ..] = statement
            && out.is("__out")
            && sign.is(":=")
        {
            self.copy(out.start, out.end());
            self.put(" =");
            self.copy(sign.end(), last.end());
            return;
        }
        let mut at = first.start;
        for (word, after) in own_returns(statement) {
            self.copy(at, word.end());
            self.put(" __v(");
            if after > word.end() {
                self.copy(word.end(), after);
            }
            self.put(")");
            at = after;
        }
        self.copy(at, last.end());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn made(source: &str) -> String {
        let inputs = json!({"n": 1, "title": "x", "type": 2});
        file(source, inputs.as_object().unwrap())
    }

    #[test]
    fn returns_of_the_snippet_are_its_own() {
        let file = made(
            "// c\nf := func(a int) (int, error) { return a, nil }\nif x, err := f(n); err != nil {\n\treturn nil, err\n} else if x > 1 { return }\nreturn fmt.Sprint(1,\n 2) // d",
        );
        assert_eq!(
            file.split_once("func __program() (any, error) {\n")
                .unwrap()
                .1,
            "/*line program.go:2:1*/f := func(a int) (int, error) { return a, nil }\n\
             /*line program.go:3:1*/if x, err := f(n); err != nil {\n\treturn __v(/*line program.go:4:8*/ nil, err)/*line program.go:4:17*/\n} else if x > 1 { return __v()/*line program.go:5:25*/ }\n\
             /*line program.go:6:1*/return __v(/*line program.go:6:7*/ fmt.Sprint(1,\n 2))/*line program.go:7:4*/\n\
             return nil, nil\n}\n"
        );
        assert_eq!(
            file.split_once("func __program").unwrap().0,
            "package main\nimport \"fmt\"\nvar n int\nvar title string\nfunc __inputs() {\nn = __int(inputs[\"n\"])\ntitle, _ = inputs[\"title\"].(string)\n}\n"
        );
    }

    #[test]
    fn functions_and_imports_move_to_the_file() {
        let file = made(
            "import \"strings\"\n\ntype T struct{ a int }\nfunc (t T) Up(s string) string { return strings.ToUpper(s) }\nT{1}.Up(\"a\") + \"b\"",
        );
        assert_eq!(
            file,
            "package main\n/*line program.go:1:1*/import \"strings\"\nvar n int\nvar title string\nfunc __inputs() {\nn = __int(inputs[\"n\"])\ntitle, _ = inputs[\"title\"].(string)\n}\n\
             /*line program.go:3:1*/type T struct{ a int }\n\
             /*line program.go:4:1*/func (t T) Up(s string) string { return strings.ToUpper(s) }\n\
             func __program() (any, error) {\n\
             return __v(/*line program.go:5:1*/T{1}.Up(\"a\") + \"b\")\nreturn nil, nil\n}\n"
        );
    }

    #[test]
    fn a_whole_file_keeps_its_main() {
        let file =
            made("package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println(1); __out = 2 }\n");
        let (_, own) = file.split_once("/*line program.go:5:1*/").unwrap();
        assert_eq!(
            own,
            "func __main/*line program.go:5:10*/() { fmt.Println(1); __out = 2 }\n\nfunc __program() (any, error) { __main(); return nil, nil }\n"
        );
    }
}
