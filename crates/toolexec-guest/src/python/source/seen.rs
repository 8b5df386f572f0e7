//! The tool calls that stand in a program.

use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{self as ast, Expr, Stmt};
use ruff_text_size::Ranged;
use toolexec_wire::SeenCall;

use super::literal::literals;
use crate::python::objects::Api;
use crate::text::Lines;

/// The calls, in the order of the text.
pub(super) fn calls(source: &str, body: &[Stmt]) -> Vec<SeenCall> {
    let mut seen = Seen {
        source,
        lines: Lines::new(source),
        calls: Vec::new(),
    };
    seen.visit_body(body);
    let mut calls = seen.calls;
    calls.sort_by_key(|call| (call.line, call.column));
    calls
}

struct Seen<'a> {
    source: &'a str,
    lines: Lines,
    calls: Vec<SeenCall>,
}

impl<'a> Seen<'a> {
    fn look(&mut self, call: &'a ast::ExprCall) {
        let arguments = &call.arguments;
        let (tool, args, given) = match path(&call.func).as_deref() {
            Some(["run"] | ["tools", "run"]) => {
                let Some(Expr::StringLiteral(tool)) = arguments.args.first() else {
                    return;
                };
                let given = match arguments.find_keyword("args") {
                    Some(keyword) => literals(&arguments.keywords[..0], Some(&keyword.value)),
                    None => literals(&arguments.keywords, arguments.args.get(1)),
                };
                (
                    tool.value.to_str().to_owned(),
                    run_arguments(arguments),
                    given,
                )
            }
            Some(["tools", name]) if Api::named(name).is_some() => return,
            Some(["tools", namespace, name]) => (
                format!("{namespace}:{name}"),
                named_arguments(arguments, &arguments.args),
                literals(&arguments.keywords, arguments.args.first()),
            ),
            _ => return,
        };
        let place = self.lines.place(self.source, call.start().to_usize());
        self.calls.push(SeenCall {
            tool,
            line: place.line,
            column: place.column,
            args,
            literals: given,
        });
    }
}

impl<'a> Visitor<'a> for Seen<'a> {
    fn visit_expr(&mut self, expr: &'a Expr) {
        if let Expr::Call(call) = expr {
            self.look(call);
        }
        visitor::walk_expr(self, expr);
    }
}

/// The names of `a.b.c`.
fn path(expr: &Expr) -> Option<Vec<&str>> {
    match expr {
        Expr::Name(name) => Some(vec![&name.id]),
        Expr::Attribute(attribute) => {
            let mut names = path(&attribute.value)?;
            names.push(&attribute.attr);
            Some(names)
        }
        _ => None,
    }
}

/// The arguments of `run(tool, {..}, name=..)`.
fn run_arguments(arguments: &ast::Arguments) -> Option<Vec<String>> {
    if let Some(keyword) = arguments.find_keyword("args") {
        return keys(&keyword.value);
    }
    named_arguments(arguments, arguments.args.get(1..)?)
}

/// The names of keyword arguments, and of the keys of a dict before them.
fn named_arguments(arguments: &ast::Arguments, positional: &[Expr]) -> Option<Vec<String>> {
    let mut names = match positional {
        [] => Vec::new(),
        [object] => keys(object)?,
        _ => return None,
    };
    for keyword in &arguments.keywords {
        names.push(keyword.arg.as_ref()?.to_string());
    }
    Some(names)
}

fn keys(object: &Expr) -> Option<Vec<String>> {
    let Expr::Dict(dict) = object else {
        return None;
    };
    dict.items
        .iter()
        .map(|item| match &item.key {
            Some(Expr::StringLiteral(key)) => Some(key.value.to_str().to_owned()),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(source: &str) -> Vec<(String, u32, u32, Option<Vec<String>>)> {
        let parsed = ruff_python_parser::parse_module(source).unwrap();
        calls(source, &parsed.syntax().body)
            .into_iter()
            .map(|call| (call.tool, call.line, call.column, call.args))
            .collect()
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn calls_are_seen_with_their_place_and_arguments() {
        let source = "x = tools.math.add(a=1, b=2)\n\
                      if x:\n    y = await tools.run('fs:read', {'path': p})\n\
                      run('fs:ls')\ntools.fs.cat(**kw)\ntools.fs.mv({'a': 1}, b=2)\n\
                      tools.search('q')\ntools.fs.cp(x)\nprint(f'{tools.m.f()}')\n";
        assert_eq!(
            seen(source),
            [
                ("math:add".into(), 1, 5, Some(names(&["a", "b"]))),
                ("fs:read".into(), 3, 15, Some(names(&["path"]))),
                ("fs:ls".into(), 4, 1, Some(names(&[]))),
                ("fs:cat".into(), 5, 1, None),
                ("fs:mv".into(), 6, 1, Some(names(&["a", "b"]))),
                ("fs:cp".into(), 8, 1, None),
                ("m:f".into(), 9, 10, Some(names(&[]))),
            ]
        );
    }
}
